"""One log stream and one set of metrics for a process: ours, Temporal's and every library's."""

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

LogLevel = Literal["debug", "info", "warning", "error"]

_OWN_LOGGER: Final = "longhaul"
_WORKFLOW_LOGGER: Final = "temporalio.workflow"

_CONTEXT_KEYS: Final = {
    "workflow_id": "workflow_id",
    "run_id": "run_id",
    "workflow_run_id": "run_id",
    "attempt": "attempt",
    "workflow_type": "workflow_type",
    "activity_type": "activity_type",
    "update_name": "update_name",
}
"""What is kept of the details Temporal attaches to a line, by our names. The rest (namespace, task queue)
is the same on every line of a worker and stands in ``worker.started``."""


def configure_logging(
    *,
    level: LogLevel,
    log_format: Literal["auto", "json", "console"],
    redact: Callable[[str], str] = str,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of the process to one stream, in one form.

    ``structlog.get_logger()`` and ``workflow.logger`` are ours, shown from ``level`` on. Libraries are
    shown from WARNING on, and from INFO on when ``level`` is debug: httpx alone would write a line for
    every look.

    Args:
        level: The least important level shown of our own lines.
        log_format: ``auto`` is console on a terminal and JSON elsewhere.
        redact: Returns a line without the secrets in it.
        stream: Where lines go; None is standard output.
    """
    stream = stream or sys.stdout
    as_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    renderers: list[Processor] = (
        [
            _escape_control_characters,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False),
        ]
        if as_console
        else [structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
            processors=[
                _add_context,
                _finish,
                # As plain text: the richer forms show local variables, and so whatever secrets they hold.
                structlog.processors.format_exc_info,
                *renderers,
                lambda _logger, _method, line: redact(str(line)),
            ],
        )
    )
    structlog.configure(
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_level_number(level)),
        # One logger for all of ours: the event's name says where a line comes from.
        logger_factory=lambda *_: logging.getLogger(_OWN_LOGGER),
        # Else a module's logger would keep the configuration under which it first wrote.
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_library_level(level))
    for name in (_OWN_LOGGER, _WORKFLOW_LOGGER):
        logging.getLogger(name).setLevel(_level_number(level))
    logging.captureWarnings(capture=True)
    # Temporal would append the details to the message; `_add_context` makes them keys.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    # The renderers import modules as they need them, which the sandbox refuses to workflow code.
    workflow.logger.unsafe_disable_sandbox()


def temporal_runtime(*, level: LogLevel, metrics_address: str) -> Runtime:
    """Return the process's Temporal runtime; its log lines join ours.

    Args:
        level: As given to `configure_logging`.
        metrics_address: HOST:PORT where Temporal's core serves its Prometheus metrics.

    Raises:
        ValueError: The address cannot be listened on.
    """
    core_level = "INFO" if level == "debug" else "WARN"
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level=core_level, other_level="ERROR"),
                forwarding=LogForwardingConfig(
                    logging.getLogger("temporalio"),
                    prepend_target_on_message=False,
                    append_log_fields_to_message=False,
                ),
            ),
            # Prometheus' base unit; the core's default is milliseconds under the same names.
            metrics=PrometheusConfig(bind_address=metrics_address, durations_as_seconds=True),
        )
    )


def _level_number(level: LogLevel) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _library_level(level: LogLevel) -> int:
    return logging.INFO if level == "debug" else max(_level_number(level), logging.WARNING)


def _add_context(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Add the ids of the workflow or activity in which ``line`` was written, and what is bound there."""
    for name, value in structlog.contextvars.get_contextvars().items():
        line.setdefault(name, value)
    details: dict[str, Any] = {}
    for attached in ("temporal_workflow", "temporal_activity"):
        details |= line.pop(attached, None) or {}
    if not details and activity.in_activity():
        info = activity.info()
        details = {
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "attempt": info.attempt,
            "workflow_type": info.workflow_type,
            "activity_type": info.activity_type,
        }
    elif not details and workflow.in_workflow():
        run = workflow.info()
        details = {
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "attempt": run.attempt,
            "workflow_type": run.workflow_type,
        }
    for theirs, ours in _CONTEXT_KEYS.items():
        if details.get(theirs) is not None:
            line.setdefault(ours, details[theirs])
    return line


def _finish(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Put time, level and event first, name the library, and drop what is of no use to a reader."""
    record: logging.LogRecord = line.pop("_record")
    line.pop("_from_structlog")
    line.pop("color_message", None)  # uvicorn's event again, with escape sequences
    core_entry = line.pop("temporal_log", None)
    written_at = datetime.fromtimestamp(record.created, UTC)
    finished: EventDict = {
        "timestamp": written_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": line.pop("event", ""),
    }
    if record.name not in (_OWN_LOGGER, _WORKFLOW_LOGGER):
        finished["logger"] = record.name
    if core_entry is not None and (fields := dict(core_entry.fields)):
        finished["fields"] = fields
    # Temporal marks some of its lines for its own tooling.
    finished.update((key, value) for key, value in line.items() if not key.startswith("__"))
    return finished


def _escape_control_characters(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Escape what a terminal would obey: names and messages in a line may come from outside.

    Values that are no strings are rendered with ``repr``, which escapes by itself.
    """
    escaped: EventDict = {}
    for key, value in line.items():
        if key == "exception":  # the one text whose line breaks are meant
            escaped[key] = "\n".join(_escaped(part) for part in str(value).split("\n"))
        else:
            escaped[_escaped(key)] = _escaped(value) if isinstance(value, str) else value
    return escaped


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
