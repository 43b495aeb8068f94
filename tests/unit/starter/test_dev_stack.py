import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settings import Settings
from starter.dev_stack import DevStack, DevStackError, DevStackOptions, Ports, stack_environ, temporal_command
from starter.processes import free_ports

USERS_OWN = {
    "GEMINI_API_KEY": "paid",
    "GOOGLE_API_KEY": "paid",
    "LONGHAUL_VERTEX_PROJECT": "p",
    "LONGHAUL_VERTEX_TOKEN": "t",
    "LONGHAUL_API_BASE_URL": "https://example.com",
    "TEMPORAL_ADDRESS": "cloud.example:7233",
    "TEMPORAL_API_KEY": "secret",
    "TEMPORAL_TLS": "true",
    "NO_PROXY": "example.com",
    "PATH": "/bin",
}


def options(home: Path = Path("/home"), **changes: Any) -> DevStackOptions:
    """Options with the user's own environment, changed by ``changes``."""
    return replace(DevStackOptions(home=home, environ=USERS_OWN), **changes)


def test_the_emulator_gets_nothing_of_the_users() -> None:
    """With the emulator, no key, token or address of the user's reaches any program; the rest does."""
    environ = stack_environ(options(ports=Ports(temporal=1, emulator=2, health=3)))
    settings = Settings.from_env(environ)
    assert not settings.is_paid
    assert settings.base_url == "http://127.0.0.1:2"
    assert settings.health_address == "127.0.0.1:3"
    assert not {"paid", "p", "t", "secret", "true"} & set(environ.values())
    assert environ["PATH"] == "/bin"


def test_the_users_temporal_is_left_alone() -> None:
    """Whatever Temporal the user has configured, the stack talks to its own."""
    environ = stack_environ(options(ports=Ports(temporal=1)))
    temporal = {name: value for name, value in environ.items() if name.startswith("TEMPORAL_")}
    assert temporal == {
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": "/dev/null",
    }


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    """Requests to the emulator go around the user's proxy, and so does what went around it before."""
    assert stack_environ(options())["NO_PROXY"] == "example.com,127.0.0.1,localhost"


@pytest.mark.parametrize(
    ("time_scale", "poll_min_s", "poll_max_s"), [(1.0, 5.0, 30.0), (10.0, 0.5, 3.0), (1000.0, 0.2, 0.2)]
)
def test_looks_are_as_often_in_the_emulators_time(
    time_scale: float, poll_min_s: float, poll_max_s: float
) -> None:
    """A faster emulator is looked at proportionally more often, within what a laptop likes."""
    settings = Settings.from_env(stack_environ(options(time_scale=time_scale)))
    assert (settings.poll_min_s, settings.poll_max_s) == (poll_min_s, poll_max_s)


def test_the_users_own_pacing_is_kept() -> None:
    """A pacing that is set is not changed, not even in part."""
    environ = stack_environ(options(environ={"LONGHAUL_POLL_MIN_S": "7"}))
    settings = Settings.from_env(environ)
    assert (settings.poll_min_s, settings.poll_max_s) == (7.0, 30.0)


def test_a_configured_api_is_kept() -> None:
    """Without the emulator, key and pacing are the user's."""
    environ = stack_environ(options(emulate=False))
    assert environ["GEMINI_API_KEY"] == "paid"
    assert environ["LONGHAUL_API_BASE_URL"] == "https://example.com"
    assert not [name for name in environ if name.startswith("LONGHAUL_POLL_")]


async def test_a_port_given_twice_is_refused(tmp_path: Path) -> None:
    """Two servers cannot have one port; the error names it and an option."""
    (port,) = free_ports(1)
    with pytest.raises(DevStackError, match=rf"port {port} is given twice.*--"):
        await DevStack(options(tmp_path, ports=Ports(temporal=port, ui=port)), show=print).__aenter__()


def test_a_missing_server_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a `temporal` command the error says how to get one."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(DevStackError, match="make setup"):
        temporal_command()
