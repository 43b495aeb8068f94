"""Images made from this machine's own files, for engines that can pull none.

The project's `Dockerfile` and `docker-compose.yml` name two published images. Here each gets a stand-in
with the same contract: a base with Python, `sh` and `useradd`, and Temporal's command line.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from testcontainers.core.image import DockerImage

_PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_UNNEEDED: Final = frozenset(
    {
        "__pycache__",
        "idlelib",
        "site-packages",  # this machine's; the image installs its own
        "test",  # the interpreter's own tests, a hundred megabytes
        "tkinter",
    }
)
_UNNEEDED_OF_SYSTEM: Final = ("/usr/share/doc/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/man/")
# What pip on this machine needs to reach a package index, the build needs too.
_PIP_SETTINGS: Final = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))

_TEMPORAL_DOCKERFILE: Final = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN useradd --uid 1000 --user-group --create-home temporal
COPY temporal /usr/local/bin/temporal
USER temporal
WORKDIR /home/temporal
ENTRYPOINT ["temporal"]
"""


def import_base_image(scratch: Path) -> str:
    """Import this machine's Python over Debian's essential packages, by way of `scratch`.

    Returns:
        The image's tag. It names the content: what was imported once is there at once the next time, and
        so is all that was built on it.

    Raises:
        subprocess.CalledProcessError: This machine's files are not kept by dpkg, or the engine refused.
    """
    file = scratch / "base.tar"
    with tarfile.open(file, mode="w") as archive:
        _add_system(archive)
        _add_python(archive)
        for path in _PIP_SETTINGS:
            if path.exists():
                archive.add(path.resolve(), path)
    with file.open("rb") as content:
        tag = f"longhaul-base:{hashlib.file_digest(content, 'sha256').hexdigest()[:12]}"
    if not _run("docker", "images", "--quiet", tag):
        search_path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        _run("docker", "import", "--change", search_path, str(file), tag)
    file.unlink()
    return tag


def build_temporal_image(scratch: Path, *, base_image: str, tag: str, command: Path) -> None:
    """Build a stand-in for `temporalio/temporal` from the `temporal` executable at `command`.

    As in the published image, the command is the entry point and on the PATH, and an account with
    number 1000 owns /home/temporal.
    """
    context = scratch / "temporal"
    context.mkdir()
    context.joinpath("Dockerfile").write_text(_TEMPORAL_DOCKERFILE, "utf-8")
    shutil.copy2(command, context / "temporal")
    build_image(context, base_image=base_image, tag=tag)
    shutil.rmtree(context)


def build_image(context: Path, *, base_image: str, tag: str) -> None:
    """Build the `Dockerfile` in `context` from `base_image`.

    Raises:
        docker.errors.BuildError: A step failed; its output is in ``build_log``.
    """
    # The host's network, because a network of its own may not reach the package index that the host reaches.
    DockerImage(
        context,
        tag=tag,
        clean_up=False,
        rm=True,
        forcerm=True,
        network_mode="host",
        buildargs={"BASE_IMAGE": base_image},
    ).build()


def _add_system(archive: tarfile.TarFile) -> None:
    files = set(_essential_files())
    extensions = Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so")
    files.update(_shared_libraries([*files, Path(sys.executable).resolve(), *extensions]))
    files.update(root for root in map(Path, ("/bin", "/sbin", "/lib", "/lib64")) if root.is_symlink())
    # Packages name one file through /bin or /usr/bin, which may be the same directory.
    for path in sorted({Path(os.path.realpath(file.parent), file.name) for file in files}):
        archive.add(path)
    for name in ("passwd", "group"):
        # The accounts that every Debian begins with, not this machine's.
        archive.add(f"/usr/share/base-passwd/{name}.master", f"/etc/{name}")
    tmp = tarfile.TarInfo("tmp")
    tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
    archive.addfile(tmp)


def _add_python(archive: tarfile.TarFile) -> None:
    def needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(member.name).name
        # The config- folder holds a static library, for programs that embed an interpreter.
        return None if name in _UNNEEDED or name.startswith("config-") else member

    archive.add(sysconfig.get_path("stdlib"), f"/usr/local/lib/{_PYTHON}", filter=needed)
    archive.add(Path(sys.executable).resolve(), f"/usr/local/bin/{_PYTHON}")
    for name in ("python", "python3"):
        link = tarfile.TarInfo(f"usr/local/bin/{name}")
        link.type, link.linkname = tarfile.SYMTYPE, _PYTHON
        archive.addfile(link)


def _essential_files() -> Iterator[Path]:
    packages = _run("dpkg-query", "--show", "--showformat=${Essential} ${Package}\n")
    essential = [line.removeprefix("yes ") for line in packages if line.startswith("yes ")]
    # The loader, the libraries that wheels count on, and the useradd that the Dockerfile calls.
    for line in _run("dpkg", "--listfiles", *essential, "libc6", "libgcc-s1", "libstdc++6", "passwd"):
        path = Path(line)
        is_file = path.is_symlink() or path.is_file()
        if path.is_absolute() and is_file and not line.startswith(_UNNEEDED_OF_SYSTEM):
            yield path


def _shared_libraries(programs: Iterable[Path]) -> Iterator[Path]:
    # ldd says no to a file that is no program, and goes on with the others.
    for line in _run("ldd", *map(str, programs), check=False):
        _, arrow, target = line.partition(" => ")
        if arrow and target.startswith("/"):
            library = Path(target.split()[0])
            yield from (library, library.resolve())  # mostly a link to the name with the whole version


def _run(*command: str, check: bool = True) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout.splitlines()
