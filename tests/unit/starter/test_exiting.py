import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, sys
from starter.errors import ExitCode, RunNotFound
from starter.exiting import run_to_exit
from starter.output import Output
output = Output(as_json=False)
async def command():
    {body}
run_to_exit(command(), output=output)
"""


def run(body: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this body in a process of its own."""
    program = PROGRAM.format(body=body)
    return subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_exit_code_is_what_the_command_returns() -> None:
    """What was printed before the end is out, although the process ends at once."""
    ended = run("output.line('answer'); return ExitCode.STILL_RUNNING")
    assert (ended.returncode, ended.stdout, ended.stderr) == (5, "answer\n", "")


def test_a_known_error_is_one_line() -> None:
    """An error of this package ends with its exit code and no traceback."""
    ended = run("raise RunNotFound('no run x')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (4, "", "longhaul: no run x\n")


def test_an_unforeseen_error_is_one_line_unless_asked_for() -> None:
    """A bug is told in one line that says how to see the rest."""
    ended = run("raise ValueError('two\\nlines')")
    assert ended.returncode == 1
    assert ended.stderr == (
        "longhaul: internal error: ValueError: two; set LONGHAUL_LOG_LEVEL=debug for details\n"
    )
    assert "Traceback" in run("raise ValueError('x')", LONGHAUL_LOG_LEVEL="debug").stderr


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_command_without_a_traceback(signal: str) -> None:
    """Ctrl-C and SIGTERM are an end like others."""
    ended = run(f"import signal; os.kill(os.getpid(), signal.{signal}); await asyncio.sleep(20)")
    assert (ended.returncode, ended.stderr) == (130, "longhaul: interrupted\n")


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_a_command_may_answer_a_signal(signal: str) -> None:
    """Whoever watches a run and presses Ctrl-C detaches from it."""
    ended = run(
        f"import signal; os.kill(os.getpid(), signal.{signal})\n"
        "    try: await asyncio.sleep(20)\n"
        "    except asyncio.CancelledError: return ExitCode.STILL_RUNNING"
    )
    assert (ended.returncode, ended.stderr) == (5, "")


def test_a_reader_that_is_gone_is_no_error() -> None:
    """``longhaul list | head -1`` ends quietly, at a flush in the middle or at the end."""
    reading = "import os; r, w = os.pipe(); os.dup2(w, 1); os.close(r); os.close(w)\n    "
    for writing in ("print('x'); return ExitCode.DONE", "print('x', flush=True); return ExitCode.DONE"):
        ended = run(reading + writing)
        assert (ended.returncode, ended.stderr) == (141, "")


def test_a_terminal_of_little_words_is_no_error() -> None:
    """What a terminal's encoding cannot show is shown as a question mark."""
    ended = run("output.line('Zürich · ok'); return ExitCode.DONE", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout) == (0, "Z?rich ? ok\n")
