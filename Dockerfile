# One image for every Longhaul process: the worker, the emulator and the `longhaul` command itself.
#
#   docker build -t longhaul .
#   docker run --rm longhaul --help
#
# Any image with Python 3.11 or newer on its PATH, sh and useradd will do as the base.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# The tools that build stay behind in /opt/build; only /opt/longhaul goes into the image, without pip.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/longhaul
# Every download is checked against its hash, and nothing runs a stranger's build script. In a layer
# before the code, so that a changed line of code does not fetch everything again.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/build/bin/pip install --no-deps --require-hashes --only-binary=:all: -r requirements/build.txt \
 && /opt/build/bin/pip --python /opt/longhaul install --no-deps --require-hashes --only-binary=:all: -r requirements/runtime.txt
COPY . .
RUN /opt/build/bin/hatchling build -t wheel -d /tmp/wheel \
 && /opt/build/bin/pip --python /opt/longhaul install --no-index --no-deps /tmp/wheel/*.whl

FROM ${BASE_IMAGE}
# A fixed number, so that volumes keep their owner from one image to the next. 1000 is also the first
# account of most Linux machines: what a container writes into a bind mount then belongs to its user.
RUN groupadd --gid 1000 longhaul \
 && useradd --uid 1000 --gid 1000 --create-home longhaul \
 && install -d -o longhaul -g longhaul /data
COPY --from=build /opt/longhaul /opt/longhaul
# The health address: a container's own loopback interface can be reached by nobody outside it.
ENV PATH=/opt/longhaul/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LONGHAUL_HOME=/data \
    LONGHAUL_HEALTH_ADDRESS=0.0.0.0:9090
# By number: an orchestrator told to refuse root cannot look up a name.
USER 1000:1000
WORKDIR /data
# Artifacts, unless LONGHAUL_ARTIFACTS_URL sends them elsewhere. Losing them loses reports, not runs.
VOLUME /data
EXPOSE 9090
# The worker stops taking work on SIGTERM and waits for its submissions; give it more than their
# two minutes before it is killed (docker run --stop-timeout 150): one cut off may be a run that is
# paid for and that nobody knows.
STOPSIGNAL SIGTERM
# No HEALTHCHECK here: the processes answer on different ports, and the command line on none.
ENTRYPOINT ["longhaul"]
CMD ["--help"]
