import io
import sys

import pytest

from runs.limits import DEFAULT_DEADLINE_S, MAX_INPUT_BYTES
from starter.arguments import (
    parse_deadline_s,
    parse_duration_s,
    parse_run_id,
    parse_wait_timeout_s,
    read_question,
)
from starter.errors import ExitCode, InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45", 45),
        ("45s", 45),
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("0.5", 0.5),
        ("2H", 7200),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    """Days, hours, minutes and seconds may stand together; a bare number is seconds."""
    assert parse_duration_s(text, what="--deadline") == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "3x", "-5", "1m1h", "1e9", "nan", "inf", "9" * 5_000, "1h,30m", "²"]
)
def test_other_durations_are_refused(text: str) -> None:
    """What is no duration is refused with the option's name and an example."""
    with pytest.raises(InvalidInput, match=r"--deadline .* is no duration; write 90m"):
        parse_duration_s(text, what="--deadline")


def test_a_deadline_has_a_default() -> None:
    """Without one typed, a run has the deadline that requests have by default."""
    assert parse_deadline_s(None) == DEFAULT_DEADLINE_S


@pytest.mark.parametrize("text", ["1s", "8d", "0"])
def test_a_deadline_out_of_bounds_is_refused(text: str) -> None:
    """A deadline that only a slip of the keyboard can mean is refused before anything is started."""
    with pytest.raises(InvalidInput, match="out of bounds: 10 s to 7 days"):
        parse_deadline_s(text)


def test_waiting_has_no_bound_unless_given() -> None:
    """No time-out means to wait for as long as it takes."""
    assert parse_wait_timeout_s(None) is None
    assert parse_wait_timeout_s("10m") == 600


def test_a_bad_run_id_is_a_usage_error() -> None:
    """What no run can be called ends with the exit code for usage."""
    with pytest.raises(InvalidInput) as caught:
        parse_run_id("a b")
    assert caught.value.exit_code is ExitCode.USAGE


def stdin_of(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make ``content`` what standard input holds."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_dash_reads_the_question_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question of many lines comes in whole, without the space around it."""
    stdin_of(monkeypatch, "\nWhat is\nnew in Zürich?\n\n".encode())
    assert read_question("-") == "What is\nnew in Zürich?"


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_question_is_refused(text: str) -> None:
    """Nothing but space asks nothing."""
    with pytest.raises(InvalidInput, match="the question is empty"):
        read_question(text)


def test_a_question_has_a_greatest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest question is taken, one byte more is not, wherever it comes from."""
    assert len(read_question("x" * MAX_INPUT_BYTES)) == MAX_INPUT_BYTES
    with pytest.raises(InvalidInput, match="262,144 bytes"):
        read_question("x" * (MAX_INPUT_BYTES + 1))
    stdin_of(monkeypatch, b"x" * (MAX_INPUT_BYTES + 1))
    with pytest.raises(InvalidInput, match="262,144 bytes"):
        read_question("-")


def test_a_question_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of another encoding are refused: they would reach the agent as nonsense."""
    stdin_of(monkeypatch, b"Z\xfcrich")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_question("-")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_question("Z\udcfcrich")
