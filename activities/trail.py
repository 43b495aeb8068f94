"""How an answer was found: the tool calls of an interaction and what came of them, as parts of a report."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from artifacts.blocks import Activity, Detail
from interactions.steps import (
    CodeExecutionCallStep,
    CodeExecutionResultStep,
    FileSearchCallStep,
    FunctionCallStep,
    FunctionResultStep,
    GoogleMapsCallStep,
    GoogleMapsResultStep,
    GoogleSearchCallStep,
    McpServerToolCallStep,
    McpServerToolResultStep,
    ResultStep,
    RetrievalCallStep,
    Step,
    ToolSearchCallStep,
    UrlContextCallStep,
    UrlContextResultStep,
)
from runs.text import ELLIPSIS

_T = TypeVar("_T")

_MAX_ACTIVITIES: Final = 300
"""A long research makes some 200; more than this nobody reads, and interaction.json has them all."""

_MAX_DETAILS: Final = 20
_MAX_DETAIL_CHARS: Final = 300
_MAX_URL_CHARS: Final = 1_000
_MAX_CODE_CHARS: Final = 4_000
_MAX_OUTPUT_CHARS: Final = 2_000
_MAX_ARGUMENTS_CHARS: Final = 600
"""Enough to see what was done. Whoever needs all of it finds it in interaction.json."""

_FINE: Final = "success"
"""How reading a page went when it went well."""


def trail_of(steps: Sequence[Step]) -> tuple[tuple[Activity, ...], int]:
    """Return what was done, in order, and how many more things were done than are returned."""
    results: dict[str, ResultStep] = {}
    for step in steps:
        if isinstance(step, ResultStep) and step.call_id:
            results.setdefault(step.call_id, step)
    told: list[Activity] = []
    more = 0
    for step in steps:
        if not isinstance(step, _TOLD):
            continue
        if len(told) == _MAX_ACTIVITIES:
            more += 1
        else:
            told.append(_activity(step, results.get(step.id)))
    return tuple(told), more


_Told = (
    GoogleSearchCallStep
    | UrlContextCallStep
    | CodeExecutionCallStep
    | GoogleMapsCallStep
    | FileSearchCallStep
    | RetrievalCallStep
    | FunctionCallStep
    | McpServerToolCallStep
    | ToolSearchCallStep
)

_TOLD: Final = _Told.__args__


def _activity(call: _Told, result: ResultStep | None) -> Activity:  # noqa: PLR0911 - one for each tool
    has_failed = result is not None and result.is_error is True
    match call:
        case GoogleSearchCallStep():
            return Activity("Searched the web", details=_texts(call.arguments.queries), has_failed=has_failed)
        case UrlContextCallStep():
            return Activity("Read pages", details=_pages(call, result), has_failed=has_failed)
        case CodeExecutionCallStep():
            return Activity(
                f"Ran {_short(call.arguments.language, 20)} code" if call.arguments.language else "Ran code",
                code=_short(call.arguments.code or "", _MAX_CODE_CHARS),
                language=call.arguments.language or "",
                output=_output(result),
                has_failed=has_failed,
            )
        case GoogleMapsCallStep():
            return Activity(
                "Looked for places",
                details=(*_texts(call.arguments.queries), *_places(result)),
                has_failed=has_failed,
            )
        case FileSearchCallStep():
            return Activity("Searched files", has_failed=has_failed)
        case RetrievalCallStep():
            return Activity("Retrieved", details=_texts(call.arguments.queries), has_failed=has_failed)
        case ToolSearchCallStep():
            return Activity("Looked for tools", details=_texts(call.arguments.function_names))
        case FunctionCallStep():
            return Activity(
                f"Called {_short(call.name, 200)}",
                details=_arguments(call.arguments),
                # What a function answered is the run's own; why it did not, is news.
                output=_output(result) if has_failed else "",
                has_failed=has_failed,
            )
        case McpServerToolCallStep():
            return Activity(
                f"Asked {_short(call.server_name, 200)} for {_short(call.name, 200)}",
                details=_arguments(call.arguments),
                output=_output(result) if has_failed else "",
                has_failed=has_failed,
            )


def _texts(texts: Iterable[str]) -> tuple[Detail, ...]:
    return _bounded(texts, lambda text: Detail(_short(text, _MAX_DETAIL_CHARS)))


def _pages(call: UrlContextCallStep, result: ResultStep | None) -> tuple[Detail, ...]:
    read = result.result if isinstance(result, UrlContextResultStep) else ()
    went = {page.url: page.status for page in read if page.url and page.status != _FINE}
    # A page is named by the call, by the result, or by both.
    urls = dict.fromkeys([*call.arguments.urls, *(page.url for page in read if page.url)])
    return _bounded(
        urls,
        lambda url: Detail(
            _short(url, _MAX_DETAIL_CHARS), url=_linked(url), remark=_short(went.get(url) or "", 100)
        ),
    )


def _places(result: ResultStep | None) -> tuple[Detail, ...]:
    found = result.result if isinstance(result, GoogleMapsResultStep) else ()
    return _bounded(
        (place for places in found for place in places.places if place.name or place.url),
        lambda place: Detail(
            _short(place.name or place.url or "", _MAX_DETAIL_CHARS), url=_linked(place.url)
        ),
    )


def _linked(url: str | None) -> str | None:
    # Cut off, it would lead elsewhere.
    return url if url is not None and len(url) <= _MAX_URL_CHARS else None


def _arguments(arguments: dict[str, Any]) -> tuple[Detail, ...]:
    return (Detail(_short(_as_json(arguments), _MAX_ARGUMENTS_CHARS)),) if arguments else ()


def _bounded(things: Iterable[_T], detail_of: Callable[[_T], Detail]) -> tuple[Detail, ...]:
    rest = iter(things)
    details = [detail_of(thing) for thing in itertools.islice(rest, _MAX_DETAILS)]
    more = sum(1 for _ in rest)
    return (*details, Detail(f"{more:,} more")) if more else tuple(details)


def _output(result: ResultStep | None) -> str:
    match result:
        case CodeExecutionResultStep() | FunctionResultStep() | McpServerToolResultStep():
            return _short("\n".join(_lines(result.result)), _MAX_OUTPUT_CHARS)
        case _:
            return ""


def _lines(result: Any) -> Iterator[str]:
    """Yield what a tool answered, which is text, an object, or a list of contents, as text."""
    match result:
        case None:
            return
        case str():
            yield result
        case list():
            for part in result:
                yield from _lines(part)
        case {"type": "text", "text": str(text)}:
            yield text
        case {"type": "image" | "audio" | "video" | "document" as kind}:
            yield f"[{kind}]"
        case _:
            yield _as_json(result)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _short(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}{ELLIPSIS}"
