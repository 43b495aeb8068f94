"""What the emulator remembers of an interaction; what it shows is computed from this and the time."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from emulator.directives import Directive, texts_in, without_directives

MAX_TURN_CHARS: Final = 6_000
"""How much of an earlier answer a follow-up sees; whole reports would make records grow without end."""

MAX_TURNS: Final = 40


class Behaviour(StrEnum):
    """How an interaction goes."""

    RESEARCH = "research"
    PLAN = "plan"
    SANDBOX = "sandbox"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier interaction, as far as a later one can see it.

    Attributes:
        interaction_id: Which one.
        behaviour: What it was.
        user: What was asked.
        model: What was answered, shortened.
        calls: The functions it asked for: call id → name.
    """

    interaction_id: str
    behaviour: Behaviour
    user: str
    model: str
    calls: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Record:
    """One accepted create.

    Attributes:
        interaction_id: The id on the wire.
        body: The create request as it came.
        behaviour: How it goes.
        created_s: When, in emulated time.
        submission: The key of its creation count.
        directive: What its input asked of the emulator.
        life: The life, stream and webhook faults chosen for it.
        turns: The conversation before it, oldest first.
        cancelled_s: When its cancellation was accepted, in emulated time.
        deleted: Whether it answers 404. It goes on running all the same.
        base_url: Where the server was reached, for addresses of files.
    """

    interaction_id: str
    body: dict[str, Any]
    behaviour: Behaviour
    created_s: float
    submission: str
    directive: Directive
    life: frozenset[str]
    turns: tuple[Turn, ...] = ()
    cancelled_s: float | None = None
    deleted: bool = False
    base_url: str = ""

    @property
    def question(self) -> str:
        """What this interaction's own input says."""
        return question_of(self.body.get("input", ""))

    def duration_s(self, default_s: float) -> float:
        """How long it takes, in emulated seconds."""
        return default_s if self.directive.duration_s is None else self.directive.duration_s

    @property
    def is_background(self) -> bool:
        """Whether it runs on without a connection."""
        return bool(self.body.get("background"))

    def to_json(self) -> dict[str, Any]:
        """The form the state file keeps."""
        return {**asdict(self), "life": sorted(self.life)}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Record":
        """The record that :meth:`to_json` kept."""
        directive = dict(kept["directive"])
        directive["fault"] = tuple(directive["fault"])
        turns = (Turn(**{**turn, "behaviour": Behaviour(turn["behaviour"])}) for turn in kept["turns"])
        return cls(
            **{
                **kept,
                "behaviour": Behaviour(kept["behaviour"]),
                "directive": Directive(**directive),
                "life": frozenset(kept["life"]),
                "turns": tuple(turns),
            }
        )


def question_of(value: Any) -> str:
    """The text of an ``input``, in any of its four forms, without directives."""
    return without_directives("\n".join(_asked(value)))


def _asked(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case {"type": "text", "text": str(text)}:
            return [text]
        case {"type": "user_input", "content": content}:
            return _asked(content)
        case list():
            return [text for each in value for text in _asked(each)]
        case {"type": "function_result", "result": result}:
            return list(texts_in(result))
        case _:
            return []
