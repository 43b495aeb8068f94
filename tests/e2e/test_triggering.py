"""Every example of docs/triggering.md, run as it stands there."""

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runs.phase import Phase
from starter.runs import result_of
from tests.dev_server import temporal_cli
from tests.e2e.stack import Stack, running_stack

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs/triggering.md").read_text()
_TYPESCRIPT = _ROOT / "examples/typescript"

# Far quicker than a person's: a research of twelve minutes takes a tenth of a second.
_TIME_SCALE = 7200.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything a run needs, on free ports."""
    with running_stack(tmp_path_factory.mktemp("stack"), time_scale=_TIME_SCALE) as running:
        yield running


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", _PAGE, re.DOTALL)


def _environ(stack: Stack) -> dict[str, str]:
    folders = [str(Path(sys.executable).parent), str(Path(temporal_cli()).parent), os.environ["PATH"]]
    return {**os.environ, **stack.server.environ, "PATH": os.pathsep.join(folders)}


async def _run(stack: Stack, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as somebody who has just typed it."""
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=cwd,
        env=_environ(stack),
        capture_output=True,
        text=True,
        # Each takes a few seconds; the rest is for a machine that runs everything else.
        timeout=90,
        check=False,
    )


async def _completed(stack: Stack, run_id: str) -> None:
    view = await result_of(await stack.client(), run_id, wait_timeout_s=60)
    assert view.phase is Phase.COMPLETED, view


@pytest.mark.parametrize("number", range(2))
async def test_the_python_examples(stack: Stack, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Both snippets, inside a coroutine, bring a result."""
    for name, value in stack.server.environ.items():
        monkeypatch.setenv(name, value)
    run_id = f"python-{number}"
    source = _blocks("python")[number].replace("tea-2026", run_id)
    source = source.replace("localhost:7233", stack.server.address)
    variables: dict[str, Any] = {}
    # Dedented code with ``await`` at its top: a function that returns a coroutine, as in a notebook.
    running = eval(compile(source, "triggering.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), variables)  # noqa: S307 - our own page
    assert inspect.isawaitable(running)
    await running
    await _completed(stack, run_id)


async def test_the_python_program(stack: Stack) -> None:
    """The program in examples/ ends by itself, cleanly, with the files' addresses."""
    ran = await _run(stack, sys.executable, "examples/trigger.py", "python-program", cwd=_ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("completed\nfile:///")


async def test_the_shell_example(stack: Stack) -> None:
    """The commands start one run and wait for it; sent again, they start no second one."""
    commands = next(block for block in _blocks("sh") if "temporal workflow start" in block)
    for _ in range(2):
        ran = await _run(stack, "bash", "-c", commands.replace("tea-2026", "from-a-shell"), cwd=_ROOT)
        assert "COMPLETED" in ran.stdout, ran.stdout + ran.stderr
    await _completed(stack, "from-a-shell")


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")
@pytest.mark.skipif(
    not (_TYPESCRIPT / "node_modules/@temporalio/client").exists(),
    reason="needs `npm install` in examples/typescript, which .ci/run does: tests use no network",
)
async def test_the_typescript_example(stack: Stack) -> None:
    """The program in examples/typescript brings the files' addresses."""
    words = ("Why is tea astringent?", "from-typescript")
    ran = await _run(stack, "npm", "start", "--silent", "--", *words, cwd=_TYPESCRIPT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("file:///")
    await _completed(stack, "from-typescript")
