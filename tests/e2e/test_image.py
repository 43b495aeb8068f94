"""The image and the compose file, with a real Docker engine.

Skipped where none answers: `scripts/docker-engine start` installs and starts one, as root on Debian.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx2 as httpx
import pytest
import yaml
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.dev_server import temporal_cli
from tests.e2e.local_images import build_image, build_temporal_image, import_base_image

# The first test waits for the images: a minute on two idle cores, and a download of all dependencies.
pytestmark = pytest.mark.timeout(600)

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "longhaul-test"
TEMPORAL_IMAGE: Final = "longhaul-test-temporal"

READY_WITHIN_S: Final = 90.0
"""The stack is up in 15 s on two idle cores."""


@pytest.fixture(scope="module", autouse=True)
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build `IMAGE` and `TEMPORAL_IMAGE`, without pulling anything."""
    if shutil.which("docker") is None or _docker("info", check=False).returncode:
        pytest.skip("no Docker engine answers (as root, `scripts/docker-engine start` can get one)")
    scratch = tmp_path_factory.mktemp("images")
    base_image = import_base_image(scratch)
    build_image(ROOT, base_image=base_image, tag=IMAGE)
    build_temporal_image(scratch, base_image=base_image, tag=TEMPORAL_IMAGE, command=Path(temporal_cli()))
    # Its helper, which removes what a killed test run leaves behind, is an image to pull.
    testcontainers_config.ryuk_disabled = True


def test_image_is_an_ordinary_user() -> None:
    """A process of the image is user 1000, may write its folder, and cannot change the program."""
    script = """
        import os, pathlib, starter
        pathlib.Path("/data/written").touch()
        print(os.getuid(), os.access(starter.__file__, os.W_OK), os.environ["LONGHAUL_HOME"])
    """
    script = "\n".join(line.strip() for line in script.splitlines())
    ran = _docker("run", "--rm", "--pull=never", "--entrypoint=python", IMAGE, "-c", script)
    assert ran.stdout.split() == ["1000", "False", "/data"]


def test_image_holds_no_more_than_the_program() -> None:
    """There is no secret in the image, no tool to install more, and no test."""
    (config,) = json.loads(_docker("image", "inspect", IMAGE).stdout)
    assert config["Config"]["User"] == "1000:1000"
    assert not any("KEY" in variable for variable in config["Config"]["Env"])
    script = "import os, sysconfig; print(*os.listdir(sysconfig.get_path('purelib')), *os.listdir('/'))"
    ran = _docker("run", "--rm", "--pull=never", "--entrypoint=python", IMAGE, "-c", script)
    names = set(ran.stdout.split())
    assert {"worker.py", "workflows", "temporalio"} <= names
    assert names.isdisjoint({"pip", "hatchling", "pytest", "tests", "src"})


def test_emulator_serves_and_stops() -> None:
    """`longhaul emulator` runs from the image alone, and ends by itself when it is told to."""
    container = (
        DockerContainer(IMAGE)
        .with_command("emulator --host=0.0.0.0 --port=8089")
        .with_exposed_ports(8089)
        .waiting_for(LogMessageWaitStrategy("emulator listening on").with_startup_timeout(60))
    )
    with container:
        address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8089)}"
        answer = httpx.get(f"{address}/v1beta/interactions/none", trust_env=False)
        assert "unregistered callers" in answer.text
        wrapped = container.get_wrapped_container()
        wrapped.stop(timeout=30)
        assert wrapped.wait()["StatusCode"] == 0


@dataclass(frozen=True)
class Stack:
    """The compose file, brought up."""

    command: tuple[str, ...]
    environ: dict[str, str]
    home: Path

    def run(self, *arguments: str) -> str:
        """Run the compose command and return what it printed."""
        done = subprocess.run(
            [*self.command, *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def address(self, service: str, port: int) -> str:
        """Where a port of a service can be reached from here, as HOST:PORT."""
        return self.run("port", service, str(port))

    def longhaul(self, *arguments: str) -> str:
        """Run `longhaul` on this machine, outside the containers, and return what it printed."""
        done = subprocess.run(
            [Path(sys.executable).with_name("longhaul"), *arguments],
            env={
                "PATH": os.defpath,
                "TEMPORAL_ADDRESS": self.address("temporal", 7233),
                "LONGHAUL_HOME": str(self.home),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`docker compose up`, with our images, the ports that are free, and a folder that is not there yet."""
    folder = tmp_path_factory.mktemp("stack")
    content = yaml.safe_load(ROOT.joinpath("docker-compose.yml").read_text("utf-8"))
    for name, service in content["services"].items():
        service.pop("build", None)
        service.pop("pull_policy", None)
        service["image"] = TEMPORAL_IMAGE if name == "temporal" else IMAGE
        service["ports"] = [
            port.replace(f":{port.split(':')[1]}:", "::") for port in service.get("ports", [])
        ]
    folder.joinpath("docker-compose.yml").write_text(yaml.safe_dump(content), "utf-8")
    compose = next(filter(_works, (("docker", "compose"), ("docker-compose",))), None)
    if compose is None:
        pytest.skip("no `docker compose` and no `docker-compose` here")
    stack = Stack(
        command=(
            *compose,
            "--file",
            f"{folder}/docker-compose.yml",
            "--project-name",
            f"longhaul-test-{uuid.uuid4().hex[:8]}",
        ),
        environ={"PATH": os.environ["PATH"], "LONGHAUL_HOME": str(folder / "home")},
        home=folder / "home",
    )
    try:
        stack.run("up", "--detach")
        yield stack
    finally:
        stack.run("down", "--volumes", "--timeout=0")


def test_stack_runs_to_a_report(stack: Stack) -> None:
    """A command outside of the containers starts a run inside, and opens the report it left."""
    _until_healthy(stack)
    # An hour of the emulator's time is a minute here.
    run = json.loads(stack.longhaul("research", "Why is the sky blue?", "--json", "--wait-timeout=3m"))
    (report,) = (file for file in run["result"]["artifacts"] if file["uri"].endswith("/report.md"))
    assert Path(url2pathname(urlsplit(report["uri"]).path)).is_relative_to(stack.home)
    assert len(stack.longhaul("result", run["run_id"]).encode()) == report["size_bytes"]


def test_stack_stops_the_worker_in_order(stack: Stack) -> None:
    """The worker takes its signal, although a shell started it, and ends with 0."""
    stack.run("stop", "worker")
    (container,) = json.loads(_docker("inspect", stack.run("ps", "--quiet", "worker")).stdout)
    assert container["State"]["ExitCode"] == 0


def _until_healthy(stack: Stack) -> None:
    url = f"http://{stack.address('worker', 9090)}/healthz"
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise AssertionError(stack.run("logs", "--no-color", "worker")) from error
            time.sleep(0.2)
        else:
            return


def _works(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0


def _docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=check)
