"""What people type, made into what the functions take."""

import re
from pathlib import Path
from typing import Final

from regular_files import open_regular
from runs.ids import InvalidRunId, check_run_id
from runs.limits import DEFAULT_DEADLINE_S, MAX_DEADLINE_S, MAX_INPUT_BYTES, MIN_DEADLINE_S
from starter.errors import InvalidInput
from starter.stdin import read_stdin

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_UNITS_S: Final = (24 * 3600, 3600, 60, 1)

_MAX_DURATION_CHARS: Final = 40
"""Python refuses to read integers of thousands of digits, with an error of its own."""


def parse_duration_s(text: str, *, what: str) -> float:
    """Return the seconds in ``90m``, ``2h``, ``1h30m``, ``45s`` or ``45``.

    Args:
        text: What was typed.
        what: What it was typed for, such as ``--deadline``.

    Raises:
        InvalidInput: It is none of these.
    """
    match = _DURATION.fullmatch(text.strip().lower()) if len(text) <= _MAX_DURATION_CHARS else None
    if match is None or not any(match.groups()):
        raise InvalidInput(
            f"{what} {text[:_MAX_DURATION_CHARS]!r} is no duration; write 90m, 2h, 1h30m or seconds"
        )
    return sum(float(number or 0) * unit_s for number, unit_s in zip(match.groups(), _UNITS_S, strict=True))


def parse_deadline_s(text: str | None) -> float:
    """Return the deadline in seconds; the default one where none was given.

    Raises:
        InvalidInput: It is no duration, or out of bounds.
    """
    if text is None:
        return DEFAULT_DEADLINE_S
    deadline_s = parse_duration_s(text, what="--deadline")
    if not MIN_DEADLINE_S <= deadline_s <= MAX_DEADLINE_S:
        raise InvalidInput(
            f"--deadline {text!r} is out of bounds: {MIN_DEADLINE_S} s to {MAX_DEADLINE_S // 86_400} days"
        )
    return deadline_s


def parse_wait_timeout_s(text: str | None) -> float | None:
    """Return how long to wait; None for as long as it takes.

    Raises:
        InvalidInput: It is no duration.
    """
    return None if text is None else parse_duration_s(text, what="--wait-timeout")


def parse_run_id(text: str) -> str:
    """Return ``text`` if a run can have it as its id.

    Raises:
        InvalidInput: None can.
    """
    try:
        return check_run_id(text)
    except InvalidRunId as error:
        raise InvalidInput(str(error)) from error


def read_question(text: str) -> str:
    """Return the question; ``-`` reads it from standard input.

    Raises:
        InvalidInput: It is empty, too long or no UTF-8.
    """
    return read_text(
        text,
        what="the question",
        max_bytes=MAX_INPUT_BYTES,
        instead="--attach longer material as a file",
    )


def read_text(text: str, *, what: str, max_bytes: int, instead: str | None = None) -> str:
    """Return a text that was typed; ``-`` reads it from standard input.

    Args:
        text: What was typed.
        what: What it was typed for, for messages.
        max_bytes: The longest that is taken.
        instead: What to do with a longer one; None for nothing.

    Raises:
        InvalidInput: It is empty, too long or no UTF-8.
    """
    raw = (
        read_stdin(max_bytes)
        if text == "-"
        # What the shell passed on undecodable comes back as lone surrogates.
        else text.encode(errors="surrogateescape")
    )
    return _decoded(raw, what=what, max_bytes=max_bytes, instead=instead)


def read_text_or_file(text: str, *, what: str, max_bytes: int) -> str:
    """Return a text that was typed, or the file named after an ``@``.

    Raises:
        InvalidInput: It is empty, too long or no UTF-8, or the file cannot be read.
    """
    if text.startswith("@"):
        return read_text_file(Path(text[1:]), what=what, max_bytes=max_bytes)
    return _decoded(text.encode(errors="surrogateescape"), what=what, max_bytes=max_bytes)


def read_text_file(path: Path, *, what: str, max_bytes: int) -> str:
    """Return the text in a file.

    Raises:
        InvalidInput: It is empty, too long or no UTF-8, or cannot be read.
    """
    try:
        path = path.expanduser()
        with open_regular(path) as file:
            raw = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise InvalidInput(f"{what} {str(path)!r}: there is no such file") from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInput(f"{what} {str(path)!r}: {reason}") from error
    return _decoded(raw, what=f"{what} {str(path)!r}", max_bytes=max_bytes)


def _decoded(raw: bytes, *, what: str, max_bytes: int, instead: str | None = None) -> str:
    if len(raw) > max_bytes:
        raise InvalidInput(f"{what} has more than {max_bytes:,} bytes" + (f"; {instead}" if instead else ""))
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} is not UTF-8 text") from None
    if not text:
        raise InvalidInput(f"{what} is empty")
    return text
