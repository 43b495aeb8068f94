"""A chain, as it crosses into its workflow: the same shape as its file, so JSON of one is one.

Workflow code: see docs/changing.md.

Short forms (a prompt for a whole ``research``) are accepted here, so that a program may send them, too.
Texts are kept as templates; `chains.checking` says whether they make sense together.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)

from chains import limits
from chains.compact import Sparse
from runs import limits as run_limits
from runs.budget import Budget
from runs.generation import ImageOutput, Speaker, ThinkingLevel
from runs.message import Message
from runs.messages import DEFAULT_AGENT, DEFAULT_MODEL, Attachment
from runs.tools import Tool

_NAME_PATTERN: Final = rf"^[A-Za-z][A-Za-z0-9_-]{{0,{limits.MAX_NAME_CHARS - 1}}}$"
Name = Annotated[str, StringConstraints(pattern=_NAME_PATTERN)]
"""Of a chain, a step or an input."""

_DURATION: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_UNITS_S: Final = (86_400, 3_600, 60, 1)


def seconds_of(duration: str) -> float:
    """Return the seconds in ``90s``, ``15m``, ``24h``, ``2d`` or ``1h30m``.

    Raises:
        ValueError: It is no such duration.
    """
    found = _DURATION.fullmatch(duration.replace(" ", ""))
    if found is None or not any(found.groups()):
        raise ValueError(f"{duration[:40]!r} is no duration; write it like 90s, 15m, 24h, 2d or 1h30m")
    counts = (int(count or 0) for count in found.groups())
    return float(sum(count * unit_s for count, unit_s in zip(counts, _UNITS_S, strict=True)))


def _check_duration(duration: str) -> str:
    seconds_of(duration)
    return duration


Duration = Annotated[str, AfterValidator(_check_duration)]


def _from_short(value: object, key: str, short: type | tuple[type, ...]) -> object:
    """Return ``value`` with a short form put under the ``key`` it is short for."""
    return {key: value} if isinstance(value, short) else value


_BARE_TOOLS: Final = frozenset(
    {"google_search", "url_context", "code_execution", "google_maps", "computer_use", "tool_search"}
)
"""Tools that need no options, so their name is enough; any other name is a function's."""


def _long_tools(tools: object) -> object:
    if not isinstance(tools, list):
        return tools
    return [
        ({"type": tool} if tool in _BARE_TOOLS else {"type": "function", "name": tool})
        if isinstance(tool, str)
        else tool
        for tool in tools
    ]


class OnError(StrEnum):
    """What the failure of a step, its tries used up, means for the rest of the chain."""

    FAIL = "fail"
    """Nothing more is started, what runs is let finish, and the chain has failed."""
    CONTINUE = "continue"
    """The steps after it are started none the less, and find it empty."""
    SKIP_DEPENDENTS = "skip_dependents"
    """The steps after it, and those after them, are left out; the others go on."""


class OnExpiry(StrEnum):
    """What it means that nobody decided in time."""

    REJECT = "reject"
    APPROVE = "approve"


class StepKind(StrEnum):
    """What a step does; also the key of its options."""

    RESEARCH = "research"
    ASK = "ask"
    TOOL = "tool"
    APPROVE = "approve"
    FOR_EACH = "for_each"
    JOIN = "join"


class InputType(StrEnum):
    """What kind of value an input takes."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"


class InputSpec(Sparse):
    """A value that is given when the chain is started.

    Attributes:
        description: For whoever starts it.
        type: What kind of value; None: as the default is, and text without one.
        default: Taken when none is given; None: one has to be given.
    """

    description: str = Field(default="", max_length=1_000)
    type: InputType | None = None
    default: JsonValue = None

    @property
    def kind(self) -> InputType:
        """The kind of value, said or seen in the default."""
        return self.type or (InputType.TEXT if self.default is None else type_of(self.default))

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        if value is None:
            return {}
        return _from_short(value, "default", (str, int, float, bool, list))

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        if self.default is not None and type_of(self.default) is not self.kind:
            raise ValueError(f"the default is no {self.kind}")
        return self


def type_of(value: JsonValue) -> InputType:
    """Return which kind of input ``value`` is; None counts as text that is not there."""
    match value:
        case bool():
            return InputType.BOOLEAN
        case int() | float():
            return InputType.NUMBER
        case list():
            return InputType.LIST
        case dict():
            return InputType.OBJECT
        case _:
            return InputType.TEXT


class Retry(Message):
    """How often a step is tried.

    Attributes:
        attempts: Tries in all, each of which may be paid for.
        wait_s: Seconds between two of them.
    """

    attempts: int = Field(default=1, ge=1, le=limits.MAX_ATTEMPTS)
    wait_s: float = Field(default=60.0, ge=0, le=limits.MAX_RETRY_WAIT_S)


class _Asking(Sparse):
    """What `Research` and `Ask` have in common.

    Attributes:
        prompt: A template.
        system_instruction: A template; None for none.
        tools: What may be used to answer.
        attach: What to read beside the prompt: addresses (``https://…``, ``gs://…``), templates that give
            one, such as ``{{ steps.plan.text }}``, or files of whoever starts the chain.
        deadline: After this much work it is stopped; None for a run's own default.
    """

    prompt: str = Field(min_length=1)
    system_instruction: str | None = Field(default=None, min_length=1)
    tools: tuple[Tool, ...] = Field(default=(), max_length=run_limits.MAX_TOOLS)
    attach: tuple[str | Attachment, ...] = Field(default=(), max_length=run_limits.MAX_ATTACHMENTS)
    deadline: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        return _from_short(value, "prompt", str)

    @field_validator("tools", mode="before")
    @classmethod
    def _lengthen_tools(cls, tools: object) -> object:
        return _long_tools(tools)

    @field_validator("deadline")
    @classmethod
    def _check_deadline(cls, deadline: str | None) -> str | None:
        if deadline is not None:
            _check_range(deadline, run_limits.MIN_DEADLINE_S, run_limits.MAX_DEADLINE_S)
        return deadline


class Research(_Asking):
    """One question to an agent.

    Attributes:
        agent: Its id.
        visualization: Whether it may draw charts.
    """

    agent: str = Field(default=DEFAULT_AGENT, min_length=1, max_length=run_limits.MAX_ID_CHARS)
    visualization: bool = True


class Ask(_Asking):
    """One question to a model.

    Attributes:
        model: Its id.
        thinking_level: How long it thinks; None leaves it to the model.
        max_output_tokens: After this many the answer stops; None leaves it to the model.
        json_schema: The answer is JSON of this schema, and ``steps.NAME.data`` its value; None: it is text.
        image: The answer is an image; short form: its aspect ratio.
        speech: The answer is spoken by these; short form: one voice.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    model: str = Field(default=DEFAULT_MODEL, min_length=1, max_length=run_limits.MAX_ID_CHARS)
    thinking_level: ThinkingLevel | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    json_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    image: ImageOutput | None = None
    speech: tuple[Speaker, ...] | None = Field(default=None, min_length=1, max_length=10)

    @field_validator("image", mode="before")
    @classmethod
    def _lengthen_image(cls, image: object) -> object:
        return _from_short(image, "aspect_ratio", str)

    @field_validator("speech", mode="before")
    @classmethod
    def _lengthen_speech(cls, speech: object) -> object:
        return [{"voice": speech}] if isinstance(speech, str) else speech


class CallFunction(Sparse):
    """One call of a function that the workers have.

    Attributes:
        name: The function's.
        arguments: Its arguments; every text in them, at any depth, is a template.
    """

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")
    arguments: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        return _from_short(value, "name", str)


class Approve(Message):
    """A question to a person, yes or no.

    Attributes:
        message: What the person is shown; a template.
        expires: How long it waits.
        on_expiry: What it means that nobody has decided by then.
    """

    message: str = Field(min_length=1)
    expires: Duration = "24h"
    on_expiry: OnExpiry = OnExpiry.REJECT

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        return _from_short(value, "message", str)

    @field_validator("expires")
    @classmethod
    def _check_expires(cls, expires: str) -> str:
        _check_range(expires, 1, run_limits.MAX_APPROVAL_S)
        return expires


class Join(Message):
    """Texts put together, without asking anybody.

    Attributes:
        parts: Templates.
        separator: What stands between two of them.
    """

    parts: tuple[str, ...] = Field(min_length=1, max_length=limits.MAX_UNITS)
    separator: str = Field(default="\n\n", max_length=1_000)

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: object) -> object:
        if isinstance(value, str):
            return {"parts": [value]}
        return _from_short(value, "parts", list)


class Body(Sparse):
    """What a for_each does with each item: one of these."""

    research: Research | None = None
    ask: Ask | None = None
    tool: CallFunction | None = None

    @property
    def kind(self) -> StepKind:
        """What it does."""
        return next(StepKind(kind) for kind in Body.model_fields if getattr(self, kind) is not None)

    @property
    def action(self) -> Research | Ask | CallFunction:
        """What it does."""
        action = self.research or self.ask or self.tool
        assert action is not None  # one of them is given, or there is no body
        return action

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        _check_one_kind(self, "`do`", tuple(Body.model_fields))
        return self


class ForEach(Sparse):
    """The same for each item of a list.

    Attributes:
        items: The list, or a template that gives one, such as ``{{ steps.plan.data.topics }}``.
        do: What to do with ``{{ item }}``.
        max_parallel: Items under way at once; None: as many as the chain's own bound lets.
    """

    items: str | tuple[JsonValue, ...]
    do: Body
    max_parallel: int | None = Field(default=None, ge=1, le=limits.MAX_PARALLEL)


class Step(Sparse):
    """One step: what it does, under the key of its kind, and how.

    Attributes:
        continues: A step whose interaction this one follows, so that the API knows what was said.
        after: Steps to wait for, besides those that templates name.
        budget: What it may use, with all its tries and items.
        retry: How often it, or each of its items, is tried.
        on_error: What its failure means for the rest.
    """

    research: Research | None = None
    ask: Ask | None = None
    tool: CallFunction | None = None
    approve: Approve | None = None
    for_each: ForEach | None = None
    join: Join | None = None
    continues: str | None = None
    after: tuple[str, ...] = Field(default=(), max_length=limits.MAX_STEPS)
    budget: Budget | None = None
    retry: Retry = Retry()
    on_error: OnError = OnError.FAIL

    @property
    def kind(self) -> StepKind:
        """What it does."""
        return next(kind for kind in StepKind if getattr(self, kind.value) is not None)

    @property
    def body_kind(self) -> StepKind:
        """What it does, or a for_each does with each item."""
        return self.kind if self.for_each is None else self.for_each.do.kind

    @property
    def action(self) -> Research | Ask | CallFunction | Approve | Join:
        """What it does, or does with each item."""
        if self.for_each is not None:
            return self.for_each.do.action
        action = self.research or self.ask or self.tool or self.approve or self.join
        assert action is not None  # one of them is given, or there is no step
        return action

    @field_validator("after", mode="before")
    @classmethod
    def _lengthen_after(cls, after: object) -> object:
        return [after] if isinstance(after, str) else after

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        _check_one_kind(self, "a step", tuple(kind.value for kind in StepKind))
        return self


class ChainSpec(Sparse):
    """A whole chain. Its file, as JSON, is one.

    Attributes:
        name: What it is called.
        description: For people.
        inputs: The values that are given when it is started.
        budget: What all its steps may use together.
        max_parallel: Steps and items under way at once; approvals, which wait for people, do not count.
        steps: In the order of the file, which is the order in which they are started, as far as what they
            depend on lets.
        output: A step's name or a template: what the chain leaves as its result. None: the last step on
            which no other depends.
    """

    name: Name
    description: str = Field(default="", max_length=10_000)
    inputs: dict[Name, InputSpec] = Field(default_factory=dict, max_length=limits.MAX_INPUTS)
    budget: Budget | None = None
    max_parallel: int = Field(default=limits.DEFAULT_PARALLEL, ge=1, le=limits.MAX_PARALLEL)
    steps: dict[Name, Step] = Field(min_length=1, max_length=limits.MAX_STEPS)
    output: str | None = None

    @field_validator("inputs", mode="before")
    @classmethod
    def _lengthen_inputs(cls, inputs: object) -> object:
        return {} if inputs is None else inputs


def _check_one_kind(model: Message, what: str, kinds: tuple[str, ...]) -> None:
    given = [kind for kind in kinds if getattr(model, kind) is not None]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        raise ValueError(f"{what} has exactly one of {', '.join(kinds)}; this one has {has}")


def _check_range(duration: str, least_s: float, most_s: float) -> None:
    if not least_s <= seconds_of(duration) <= most_s:
        raise ValueError(f"must be between {least_s:g} seconds and {most_s / 86_400:g} days")
