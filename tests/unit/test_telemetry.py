import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
import structlog
from temporalio import activity, workflow
from temporalio.testing import ActivityEnvironment

from interactions.redaction import Redactor
from telemetry import LogLevel, configure_logging

KEY = 'AIza/"quoted"+ü key'

log = structlog.get_logger()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def log_failure(message: str) -> None:
    """Log an exception as a worker's main would."""
    try:
        raise_error(message)
    except ValueError:
        log.exception("worker.crashed")


def raise_error(message: str) -> None:
    """Fail with ``message``."""
    raise ValueError(message)


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Leave logging as it was: it belongs to the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("longhaul", "temporalio.workflow")}
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, own_level in levels.items():
        logging.getLogger(name).setLevel(own_level)
    workflow.logger.workflow_info_on_message = True
    workflow.logger.unsafe_disable_sandbox(False)
    activity.logger.activity_info_on_message = True


def configured(
    *,
    level: LogLevel = "info",
    log_format: Literal["auto", "json", "console"] = "json",
    stream: io.StringIO | None = None,
) -> io.StringIO:
    """Configure logging and return where lines go."""
    stream = stream or io.StringIO()
    configure_logging(level=level, log_format=log_format, redact=Redactor(KEY).text, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the JSON lines written so far."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_facts() -> None:
    """Time in UTC, level and event come first; facts keep their types."""
    stream = configured()
    log.info("interaction.submitted", interaction_id="v1_x", looks=3, cost_usd=None)
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "interaction_id", "looks", "cost_usd"]
    assert line["event"] == "interaction.submitted"
    assert (line["looks"], line["cost_usd"]) == (3, None)
    assert line["timestamp"].endswith("Z")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


def test_libraries_write_the_same_lines() -> None:
    """What a library logs or warns of joins the stream and names its logger."""
    stream = configured()
    logging.getLogger("asyncio").warning("slow %s", "callback")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=True)
        warnings.warn("an old call", UserWarning, stacklevel=1)
    slow, old = lines(stream)
    assert (slow["event"], slow["logger"], slow["level"]) == ("slow callback", "asyncio", "warning")
    assert "an old call" in old["event"]
    assert old["logger"] == "py.warnings"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["own debug", "own info", "library info", "library warning"]),
        ("info", ["own info", "library warning"]),
        ("warning", ["library warning"]),
        ("error", []),
    ],
)
def test_libraries_are_quieter_than_we_are(level: LogLevel, shown: list[str]) -> None:
    """The level is that of our own lines; a library's INFO would be a line for every look."""
    stream = configured(level=level)
    log.debug("own debug")
    log.info("own info")
    library = logging.getLogger("httpx2")
    library.debug("library debug")
    library.info("library info")
    library.warning("library warning")
    assert [line["event"] for line in lines(stream)] == shown


async def test_lines_of_an_activity_carry_its_ids() -> None:
    """Ours and a library's, written anywhere below an activity, say which run and attempt they belong to."""
    stream = configured()

    async def work() -> None:
        log.info("interaction.submitted")
        logging.getLogger("httpcore2").warning("connection lost")
        activity.logger.warning("by the SDK")

    environment = ActivityEnvironment()
    await environment.run(work)
    for line in lines(stream):
        assert line["workflow_id"] == environment.info.workflow_id
        assert line["run_id"] == environment.info.workflow_run_id
        assert line["attempt"] == environment.info.attempt
        assert line["activity_type"] == environment.info.activity_type
    assert [line["event"] for line in lines(stream)] == [
        "interaction.submitted",
        "connection lost",
        "by the SDK",
    ]


def test_lines_of_a_workflow_carry_its_ids() -> None:
    """The details that Temporal attaches become keys of the line, without what never varies."""
    stream = configured()
    details = {
        "workflow_id": "run-1",
        "run_id": "r",
        "attempt": 2,
        "workflow_type": "AgentRun",
        "namespace": "default",
        "task_queue": "longhaul",
    }
    extra = {"temporal_workflow": details, "__temporal_error_identifier": "x", "phase": "running"}
    logging.getLogger("temporalio.workflow").info("run.phase_changed", extra=extra)
    (line,) = lines(stream)
    line.pop("timestamp")
    assert line == {
        "level": "info",
        "event": "run.phase_changed",
        "phase": "running",
        "workflow_id": "run-1",
        "run_id": "r",
        "attempt": 2,
        "workflow_type": "AgentRun",
    }


def test_a_fact_wins_over_the_context() -> None:
    """A line about another run than the one it is written in says so."""
    stream = configured()
    extra = {"temporal_workflow": {"workflow_id": "parent"}, "workflow_id": "child"}
    logging.getLogger("temporalio.workflow").info("child.started", extra=extra)
    assert lines(stream)[0]["workflow_id"] == "child"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_keys_never_reach_the_stream(log_format: Literal["json", "console"]) -> None:
    """A key is replaced wherever it stands: event, fact, nested, library line, URL or traceback."""
    stream = configured(log_format=log_format)
    log.info(
        KEY,
        header=KEY,
        nested={"x-goog-api-key": [KEY]},
        url="/?key=AIza%2F%22quoted%22%2B%C3%BC%20key",
    )
    logging.getLogger("httpx2").warning("sent %s", {"key": KEY})
    log_failure(KEY)
    assert "quoted" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") >= 6


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\r", "\x07", "\x9b31m", "\u202e", "\u2028", "a\nb"])
def test_a_terminal_is_not_steered_by_a_line(hostile: str) -> None:
    """Control characters in an event, a fact or an error are shown, not obeyed."""
    stream = configured(log_format="console")
    log.info(hostile, text=hostile, nested=[hostile], **{f"key{hostile}": 1})
    assert stream.getvalue().count("\n") == 1
    assert hostile not in stream.getvalue()
    log_failure(hostile.replace("\n", "\r"))
    assert hostile not in stream.getvalue().replace("\n", "")


@pytest.mark.parametrize(("log_format", "start"), [("console", "\nTraceback"), ("json", '"Traceback')])
def test_a_traceback_keeps_its_lines_on_a_terminal(
    log_format: Literal["json", "console"], start: str
) -> None:
    """A traceback is read by a person; in JSON it is one value of one line."""
    stream = configured(log_format=log_format)
    log_failure("no")
    assert start in stream.getvalue()
    assert "ValueError: no" in stream.getvalue()
    assert (stream.getvalue().count("\n") == 1) is (log_format == "json")


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_the_form_follows_the_stream(
    log_format: Literal["auto", "json", "console"], stream: io.StringIO, is_json: bool
) -> None:
    """A person at a terminal gets the console form, a program JSON, unless the setting says otherwise."""
    configured(log_format=log_format, stream=stream)
    log.info("worker.started")
    assert stream.getvalue().startswith("{") is is_json


def test_colours_are_for_terminals() -> None:
    """The console form in a file has no escape sequences."""
    plain, coloured = io.StringIO(), Terminal()
    for stream in (plain, coloured):
        configured(log_format="console", stream=stream)
        log.info("worker.started")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[" in coloured.getvalue()


def test_configuring_twice_writes_once() -> None:
    """Each call replaces the configuration before it."""
    first, second = configured(), configured()
    log.info("worker.started")
    assert (lines(first), len(lines(second))) == ([], 1)
