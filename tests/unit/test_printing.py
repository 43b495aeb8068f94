import json
import subprocess
import sys
from typing import Any

import pytest

KEY = "AIzaKEY-0123456789"

_PROLOGUE = f"""
import asyncio, contextvars, io, logging, os, sys, threading, traceback, warnings
import structlog
from interactions.redaction import Redactor
from printing import CapturedPrints
from telemetry import configure_logging

KEY = {KEY!r}
redactor = Redactor(KEY)
prints = CapturedPrints(redact=redactor.text, longest_chars=redactor.longest_chars)
configure_logging(level="info", log_format="json", redact=redactor.text, stream=prints.log_stream)
in_tool = structlog.contextvars.bound_contextvars
"""


def run(program: str) -> tuple[list[dict[str, Any]], str]:
    """Run ``program`` in a process whose prints are captured; return its log and its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", _PROLOGUE + program], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        line.pop("timestamp")
    return lines, done.stderr


def texts(lines: list[dict[str, Any]]) -> list[str]:
    """Return what was printed."""
    return [line["text"] for line in lines]


def test_a_printed_line_is_a_line_of_the_log() -> None:
    """With the tool that printed it, if it was one, and without secrets."""
    lines, stderr = run("""
print("started with", KEY)
with in_tool(tool="look_up"):
    print("one\\ntwo", 3)
    print("went wrong:", KEY, file=sys.stderr)
""")
    assert lines == [
        {
            "level": "info",
            "event": "worker.printed",
            "text": "started with [redacted]",
            "stream": "stdout",
        },
        {"level": "info", "event": "tool.printed", "text": "one", "stream": "stdout", "tool": "look_up"},
        {"level": "info", "event": "tool.printed", "text": "two 3", "stream": "stdout", "tool": "look_up"},
        {
            "level": "warning",
            "event": "tool.printed",
            "text": "went wrong: [redacted]",
            "stream": "stderr",
            "tool": "look_up",
        },
    ]
    assert stderr == ""


def test_whatever_writes_to_the_two_streams_is_captured() -> None:
    """Tracebacks, handlers of a library's own, bytes, and a thread that dies."""
    lines, stderr = run("""
handler = logging.StreamHandler()
handler.handle(logging.makeLogRecord({"msg": "by a handler " + KEY}))
sys.stdout.buffer.write(b"bytes " + KEY.encode() + b"\\n")
sys.stderr.write("a" + KEY[:5]); sys.stderr.write(KEY[5:] + "\\n")
sys.stdout.reconfigure(line_buffering=True)
try:
    raise ValueError(KEY)
except ValueError:
    traceback.print_exc()
def die(): raise RuntimeError(KEY)
thread = threading.Thread(target=die)
thread.start()
thread.join()
warnings.warn("careful with " + KEY)
""")
    said = json.dumps(lines)
    assert "AIza" not in said
    for part in ("by a handler [redacted]", "bytes [redacted]", "a[redacted]", "ValueError: [redacted]"):
        assert part in said
    assert "RuntimeError: [redacted]" in said
    assert "careful with [redacted]" in said
    assert stderr == ""


def test_calls_side_by_side_do_not_write_into_each_others_lines() -> None:
    """Each has its own unfinished line, whether they are tasks or threads."""
    lines, _ = run("""
async def say(name):
    for word in range(3):
        print(name, end=" ")
        await asyncio.sleep(0)
    print()
async def main():
    print("before ", end="")
    await asyncio.gather(say("a"), say("b"), asyncio.to_thread(print, "c"))
asyncio.run(main())
""")
    assert sorted(texts(lines)) == ["before a a a ", "before b b b ", "before c"]


def test_an_unfinished_line_is_shown_at_the_end() -> None:
    """Once, when a call has ended."""
    lines, _ = run("""
print("no line end", end="", flush=True)
prints.end_lines()
prints.end_lines()
""")
    assert texts(lines) == ["no line end"]


def test_progress_bars_and_blank_lines_are_not_shown() -> None:
    """Of a line that was written over, the last state is the line."""
    lines, _ = run(r"""
for part in range(5):
    print(f"\r{part} of 5", end="")
print("\rdone\n\n  \n", end="")
print("windows\r\n", end="")
""")
    assert texts(lines) == ["done", "windows"]


@pytest.mark.parametrize("length", [4_500, 70_002, 1_000_008])
def test_a_long_line_is_cut_without_leaving_a_part_of_a_secret(length: int) -> None:
    """Wherever it is cut."""
    lines, _ = run(f"""
print(KEY * ({length} // len(KEY)))
print("x" * {length - 5} + KEY)
""")
    first, second = texts(lines)
    assert first.replace("[redacted]", "").strip("…") in {"[redacted]"[:end] for end in range(10)}
    assert len(second) == 4_001
    assert "A" not in second


def test_what_cannot_be_captured_stays_out_of_the_log() -> None:
    """A child process and C code write to the descriptors themselves: to standard error, as they are."""
    lines, stderr = run("""
os.write(1, b"by descriptor\\n")
import subprocess
subprocess.run(["echo", "by a child"], check=True)
subprocess.run(["echo", "to our stdout"], check=True, stdout=sys.stdout)
""")
    assert lines == []
    assert stderr == "by descriptor\nby a child\nto our stdout\n"


def test_a_log_that_cannot_be_written_does_not_go_in_circles() -> None:
    """`logging` says so on standard error, which is a line of the log."""
    _, stderr = run("""
prints.log_stream.close()
print("lost")
print("lost, too")
""")
    assert "ValueError: I/O operation on closed file" in stderr
