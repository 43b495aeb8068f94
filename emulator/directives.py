"""Directives: what a test asks of the emulator from inside an interaction's own input.

Anywhere in any input text: ``[[emulator key=value key=value …]]``, values without spaces. A directive travels
through any client unchanged, so a test can steer the emulator without a side channel.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from emulator.errors import invalid
from emulator.faults import FAULTS
from emulator.foreign import FORMS, STATUSES, Form

SignatureForm = Literal["v1a", "jwt"]

_DIRECTIVE: Final = re.compile(r"\s*\[\[emulator\b([^\]]*)\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """What one create asks of the emulator.

    Attributes:
        submission: Groups creation counts; stands for one intent of the client.
        duration_s: Emulated seconds the run takes.
        fault: Names of the faults to show, in the order in which create faults fire.
        times: How often each fault fires for this submission; None means each fault's own default.
        retry_after_s: Wall seconds for the Retry-After header of a 429; None means no header.
        status: HTTP status of reply-before, reply-after and get-reply; None means 502.
        form: Of its body; None means HTML.
        delay_s: Wall seconds by which a delayed answer comes late; None means five.
        result_bytes: Size to which the final text is filled up.
        steps: Number of steps of a ``many-steps`` run.
        expire_after_s: Emulated seconds after which an ``expired`` run is gone.
        tool_rounds: How often in a conversation the model asks for functions.
        continuations: How often an answer stops and asks to be continued.
        cut_s: Wall seconds after which ``stream-cut`` drops a connection; None means one.
        cut_events: Events after which it does, whatever the time.
        webhook_signature: The form in which dynamic webhooks are signed.
        says: What a model answers, word for word, instead of something of its own.
    """

    submission: str | None = None
    duration_s: float | None = None
    fault: tuple[str, ...] = ()
    times: int | None = None
    retry_after_s: int | None = None
    status: int | None = None
    form: Form | None = None
    delay_s: float | None = None
    result_bytes: int | None = None
    steps: int | None = None
    expire_after_s: float | None = None
    tool_rounds: int | None = None
    continuations: int | None = None
    cut_s: float | None = None
    cut_events: int | None = None
    webhook_signature: SignatureForm | None = None
    says: str | None = None


DIRECTIVE_KEYS: Final[dict[str, str]] = {
    "submission": "Token that groups creation counts.",
    "duration_s": "Emulated seconds the run takes; default 720 for research, 60 for a plan, 2 for a model.",
    "fault": "Name of a fault; repeat the key or separate names with commas.",
    "times": "How often each fault fires for this submission.",
    "retry_after_s": "Retry-After of a 429, in wall seconds; no header without it.",
    "status": "HTTP status of reply-before, reply-after and get-reply, from 200 to 599; default 502.",
    "form": "Its body: service, frontend, html (default), empty, json (another's) or array.",
    "delay_s": "Wall seconds by which delay-before and delay-after are late; default 5.",
    "result_bytes": "Size to which the final text (or a giant body) is filled up.",
    "steps": "Number of steps of a many-steps run; implies that fault.",
    "expire_after_s": "Emulated seconds after which an expired run is gone.",
    "tool_rounds": "How often in a conversation the model asks for functions; default 1.",
    "continuations": "How often an answer stops to be continued; default 1; implies requires-continuation.",
    "cut_s": "Wall seconds after which stream-cut drops a connection; default 1.",
    "cut_events": "Events after which stream-cut drops a connection, in place of a time.",
    "webhook_signature": "v1a (default) or jwt: how dynamic webhooks are signed.",
    "says": "What a model answers, word for word: UTF-8 in base64 with the URL alphabet.",
}
assert set(DIRECTIVE_KEYS) == {each.name for each in fields(Directive)}


def texts_in(value: Any) -> Iterator[str]:
    """Every string anywhere in a JSON value."""
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from texts_in(each)
        case dict():
            for each in value.values():
                yield from texts_in(each)
        case _:
            pass


def without_directives(text: str) -> str:
    """The text as a person wrote it."""
    return _DIRECTIVE.sub("", text).strip()


def parse_directive(value: Any) -> Directive:
    """Collect the directives in a create's ``input``.

    Raises:
        ApiError: A key or fault is unknown, or a value is not of its type. Silence would let a test pass
            without the fault it asked for.
    """
    pairs = _Pairs()
    for text in texts_in(value):
        if "[[emulator" in text:
            for found in _DIRECTIVE.finditer(text):
                pairs.read(found.group(1))
    return pairs.directive()


def directive_of(pairs: dict[str, Any]) -> Directive:
    """Build a directive from the JSON form that the admin path takes."""
    collected = _Pairs()
    for key, value in pairs.items():
        for each in value if isinstance(value, list) else [value]:
            collected.add(key, str(each))
    return collected.directive()


@dataclass(slots=True)
class _Pairs:
    values: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read(self, inside: str) -> None:
        for pair in inside.split():
            key, _, value = pair.partition("=")
            self.add(key, value)

    def add(self, key: str, value: str) -> None:
        if key not in DIRECTIVE_KEYS:
            raise invalid(f"Unknown emulator directive {key!r}.")
        if key == "fault":
            self.faults.extend(filter(None, value.split(",")))
        else:
            self.values[key] = value

    def directive(self) -> Directive:
        values = self.values
        for key, fault in (("steps", "many-steps"), ("continuations", "requires-continuation")):
            if key in values and fault not in self.faults:
                self.faults.append(fault)
        for name in self.faults:
            if name not in FAULTS:
                raise invalid(f"Unknown emulator fault {name!r}.")
        try:
            return Directive(
                submission=values.get("submission"),
                fault=tuple(self.faults),
                duration_s=self._number("duration_s"),
                expire_after_s=self._number("expire_after_s"),
                delay_s=self._number("delay_s"),
                status=self._status(),
                form=self._body_form(),
                times=self._count("times"),
                retry_after_s=self._count("retry_after_s"),
                result_bytes=self._count("result_bytes"),
                steps=self._count("steps"),
                tool_rounds=self._count("tool_rounds"),
                continuations=self._count("continuations"),
                cut_s=self._number("cut_s"),
                cut_events=self._count("cut_events"),
                webhook_signature=self._signature_form(),
                says=self._text("says"),
            )
        except ValueError:
            raise invalid(f"An emulator directive has a value that is no number: {values!r}.") from None

    def _number(self, key: str) -> float | None:
        return float(self.values[key]) if key in self.values else None

    def _count(self, key: str) -> int | None:
        return int(self.values[key]) if key in self.values else None

    def _text(self, key: str) -> str | None:
        return base64.urlsafe_b64decode(self.values[key]).decode() if key in self.values else None

    def _status(self) -> int | None:
        status = self._count("status")
        if status is not None and status not in STATUSES:
            raise invalid(f"No answer has the emulator status {status}; it is from 200 to 599.")
        return status

    def _body_form(self) -> Form | None:
        asked = self.values.get("form")
        for form in FORMS:
            if asked == form:
                return form
        if asked is not None:
            raise invalid(f"Unknown emulator form {asked!r}.")
        return None

    def _signature_form(self) -> SignatureForm | None:
        match self.values.get("webhook_signature"):
            case None:
                return None
            case "v1a":
                return "v1a"
            case "jwt":
                return "jwt"
            case other:
                raise invalid(f"Unknown emulator webhook signature {other!r}.")
