"""Interactions of the API in our words: what a look saw, what was used, what an answer is made of."""

from collections.abc import Iterable, Sequence
from typing import Final

from activities.answers import Answer
from interactions import responses
from interactions.activity import activity_line, is_call
from interactions.contents import ImageContent, TextContent, UnknownContent, UrlCitation
from interactions.responses import Interaction
from interactions.statuses import Standing, is_known
from interactions.steps import (
    CodeExecutionCallStep,
    FunctionCallStep,
    GoogleMapsCallStep,
    GoogleSearchCallStep,
    McpServerToolCallStep,
    ModelOutputStep,
    RetrievalCallStep,
    Step,
    ThoughtStep,
    UnknownStep,
    UrlContextCallStep,
)
from runs.limits import MAX_NOTE_CHARS, MAX_THOUGHT_CHARS, MAX_TOKENS
from runs.messages import Counts, Sighting, Usage
from runs.text import clean_text, first_line

_SEARCHES: Final = (GoogleSearchCallStep, GoogleMapsCallStep, RetrievalCallStep)

_MAX_ACTION_CHARS: Final = 200
"""What a tool was last used for: one line of a terminal, rewritten into heartbeat details at every look."""

_MAX_NOTES: Final = 5
"""Unknown kinds named in a result: enough to see that the API has grown, short whatever it sends."""


def sighting_of(interaction: Interaction, *, looks: int) -> Sighting:
    """Return what a look saw, without the time, which is the caller's to know."""
    steps = interaction.turn_steps
    return Sighting(
        has_ended=interaction.standing is not Standing.RUNNING,
        status=clean_text(interaction.status)[:50],
        looks=looks,
        steps=len(steps),
        searches=_searches(steps),
        pages=_pages(steps),
        latest_thought=_latest_thought(steps),
        latest_action=_latest_action(steps),
        total_tokens=_number(interaction.usage.total_tokens) if interaction.usage else None,
    )


def counts_of(answer: Answer) -> Counts:
    """Return what the answer is made of."""
    steps = answer.steps
    texts = [part for part in _output_parts(steps) if isinstance(part, TextContent)]
    cited = [
        annotation.url
        for text in texts
        for annotation in text.annotations
        if isinstance(annotation, UrlCitation)
    ]
    return Counts(
        steps=len(steps),
        searches=_searches(steps),
        pages=_pages(steps),
        citations=len(cited),
        sources=len(set(cited)),
        images=sum(isinstance(part, ImageContent) for part in _output_parts(steps)),
        text_bytes=sum(len(text.text.encode(errors="replace")) for text in texts),
        code_runs=sum(isinstance(step, CodeExecutionCallStep) for step in steps),
        tool_calls=sum(isinstance(step, FunctionCallStep | McpServerToolCallStep) for step in steps),
    )


def usage_of(interaction: Interaction) -> Usage:
    """Return what the interaction used, as far as the API says."""
    used = interaction.usage or responses.Usage()
    searches = [
        count.count for count in used.grounding_tool_count if count.type == "google_search" and count.count
    ]
    return Usage(
        input_tokens=_number(used.total_input_tokens),
        cached_tokens=_number(used.total_cached_tokens),
        output_tokens=_number(used.total_output_tokens),
        thought_tokens=_number(used.total_thought_tokens),
        tool_use_tokens=_number(used.total_tool_use_tokens),
        total_tokens=_number(used.total_tokens),
        searches=_number(sum(searches)) if searches else None,
    )


def notes_on(answer: Answer) -> tuple[str, ...]:
    """Return what in the answer this version does not know; it is kept in the raw JSON."""
    steps = [step for turn in answer.turns for step in turn.steps]
    unknown = [f"unknown step {step.type!r}" for step in steps if isinstance(step, UnknownStep)]
    unknown += [
        f"unknown content {part.type!r}" for part in _output_parts(steps) if isinstance(part, UnknownContent)
    ]
    status = answer.latest.status
    if not is_known(status):
        unknown.append(f"unknown status {status!r}")
    return tuple(clean_text(note)[:MAX_NOTE_CHARS] for note in dict.fromkeys(unknown))[:_MAX_NOTES]


def _number(count: int | None) -> int | None:
    """Return ``count`` unless it cannot be true; then the API as good as did not say."""
    return count if count is not None and 0 <= count <= MAX_TOKENS else None


def _output_parts(steps: Iterable[Step]) -> list[object]:
    return [part for step in steps if isinstance(step, ModelOutputStep) for part in step.content]


def _searches(steps: Iterable[Step]) -> int:
    # A call without queries, as some deltas carry, is still one search.
    return sum(max(1, len(step.arguments.queries)) for step in steps if isinstance(step, _SEARCHES))


def _pages(steps: Iterable[Step]) -> int:
    return sum(max(1, len(step.arguments.urls)) for step in steps if isinstance(step, UrlContextCallStep))


def _latest_thought(steps: Sequence[Step]) -> str | None:
    for step in reversed(steps):
        if isinstance(step, ThoughtStep):
            text = " ".join(part.text for part in step.summary if isinstance(part, TextContent))
            if text.strip():
                return first_line(text, max_chars=MAX_THOUGHT_CHARS)
    return None


def _latest_action(steps: Sequence[Step]) -> str | None:
    for step in reversed(steps):
        if is_call(step):
            return first_line(activity_line(step), max_chars=_MAX_ACTION_CHARS) or None
    return None
