"""Every command of docs/seed.md, run as it stands there, does what the page says that it does."""

import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from PIL import Image

from tests.dev_server import running_dev_server, temporal_cli
from tests.e2e.stack import Stack, worker_of
from tests.emulator_server import EmulatorServer

_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = (_ROOT / "docs/seed.md").read_text()

_TIME_SCALE: Final = 300.0
"""A research takes some three seconds: long enough to be streamed, looked at and cancelled."""

_BEGINNINGS: Final = {".png": b"\x89PNG\r\n", ".wav": b"RIFF", ".mp4": b"\0\0\0"}


class Command(NamedTuple):
    """A command of the page, and what the comments below it say.

    Attributes:
        text: For a shell.
        shows: What its standard output must contain.
        leaves: Files that are there afterwards.
        under: A fault of the emulator and its settings, as a directive has them; empty for good luck.
    """

    text: str
    shows: list[str]
    leaves: list[str]
    under: str


def _commands_in(section: str) -> list[Command]:
    blocks = re.findall(r"```sh\n(.*?)```\n((?:<!--[^\n]*-->\n?)*)", section, re.DOTALL)
    return [
        Command(
            text,
            re.findall(r"<!-- shows: (.*) -->", comments),
            re.findall(r"<!-- leaves: (.*) -->", comments),
            "".join(re.findall(r"<!-- under: (.*) -->", comments)),
        )
        for text, comments in blocks
    ]


_SECTIONS: Final = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", _PAGE, re.DOTALL | re.MULTILINE))
_SAMPLES: Final = {title: _commands_in(section) for title, section in _SECTIONS.items() if "```sh" in section}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose worker has the functions of the samples."""
    home = tmp_path_factory.mktemp("stack")
    with (
        running_dev_server(db_file=home / "temporal.db") as server,
        EmulatorServer(time_scale=_TIME_SCALE) as emulator,
        worker_of(server, emulator, home=home, LONGHAUL_TOOLS="examples.seed") as worker,
    ):
        yield Stack(server=server, emulator=emulator, worker=worker, home=home)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the commands name."""
    desk = tmp_path_factory.mktemp("desk")
    shutil.copytree(_ROOT / "examples", desk / "examples")
    Image.new("RGB", (8, 8), "red").save(desk / "car.png")
    with wave.open(str(desk / "speech.wav"), "wb") as speech:
        speech.setnchannels(1)
        speech.setsampwidth(2)
        speech.setframerate(8_000)
        speech.writeframes(b"\0\0" * 80)
    (desk / "video.mp4").write_bytes(b"\0\0\0\x14ftypisom\0\0\2\0isomiso2")
    (desk / "sample.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    return desk


def _environ(stack: Stack) -> dict[str, str]:
    folders = [str(Path(sys.executable).parent), str(Path(temporal_cli()).parent), os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(folders),
        "HOME": "/nonexistent",
        **stack.server.environ,
        "LONGHAUL_HOME": str(stack.home),
        "LONGHAUL_API_BASE_URL": stack.emulator.base_url,
    }


def test_every_command_says_what_it_shows() -> None:
    """No sample goes without a command, and no command without something to check."""
    assert [
        title for title, commands in _SAMPLES.items() if not all(c.shows or c.leaves for c in commands)
    ] == []
    assert sum(len(commands) for commands in _SAMPLES.values()) == _PAGE.count("```sh\n")


@pytest.mark.parametrize("title", _SAMPLES)
def test_a_sample_becomes_a_run(stack: Stack, desk: Path, title: str) -> None:
    """Each command of a sample ends well, shows what the page says, and leaves the files it says."""
    for command in _SAMPLES[title]:
        fault, *settings = command.under.split() or [""]
        stack.emulator.set_faults(*([fault] if fault else []), **dict(each.split("=") for each in settings))
        ran = subprocess.run(
            ["/bin/sh", "-ec", command.text],
            cwd=desk,
            env=_environ(stack),
            capture_output=True,
            text=True,
            # Each takes a few seconds; the rest is for a machine that runs everything else.
            timeout=90,
            check=False,
        )
        assert ran.returncode == 0, (command.text, ran.stdout, ran.stderr)
        assert [text for text in command.shows if text not in ran.stdout] == [], (ran.stdout, ran.stderr)
        for name in command.leaves:
            assert (desk / name).read_bytes().startswith(_BEGINNINGS[Path(name).suffix])
