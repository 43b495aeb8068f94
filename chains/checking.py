"""Whether a chain makes sense as a whole: found before anything is started, all at once.

Workflow code: see docs/changing.md.

The shape of each part is checked where it is read (`chains.spec`); here it is what they say of each other.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from chains import limits, templates
from chains.actions import call_of, request_for
from chains.errors import RenderError, TemplateError
from chains.files import is_file
from chains.plan import OUTPUT, Plan, Site, sites_of
from chains.spec import Ask, CallFunction, ChainSpec, InputType, Research, Step, StepKind
from chains.templates import ITEM_INDEX, Part, Reference, Scope, StepValues, Value

_ALWAYS: Final = ("phase", "error", "cost_usd", "tokens", "interactions")
FIELDS: Final[dict[StepKind, tuple[str, ...]]] = {
    StepKind.RESEARCH: ("text", "interaction_id", "artifacts", "image", *_ALWAYS),
    StepKind.ASK: ("text", "data", "interaction_id", "artifacts", "image", "audio", *_ALWAYS),
    StepKind.TOOL: ("text", "data", *_ALWAYS),
    StepKind.APPROVE: ("text", *_ALWAYS),
    StepKind.FOR_EACH: ("texts", "items", *_ALWAYS),
    StepKind.JOIN: ("text", *_ALWAYS),
}
"""What a template may refer to of a step."""

_CONTINUABLE: Final = (StepKind.RESEARCH, StepKind.ASK)
"""Steps that have one interaction."""


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes:
        path: Where, from the chain down, by keys and positions.
        message: What, and what to do.
        opening: Which ``{{`` of the text there it is about, from 0; None: the text, or not a text.
    """

    path: tuple[Part, ...]
    message: str
    opening: int | None = None


def check(
    spec: ChainSpec, *, may_name_files: bool, unread: frozenset[str] = frozenset()
) -> tuple[Problem, ...]:
    """Return all that is wrong with ``spec``.

    Args:
        spec: The chain.
        may_name_files: Whether attachments may be files of whoever starts the chain, which are stored, and
            replaced by references, before it is started.
        unread: Steps that are there, but are wrong in themselves, and so are not in ``spec``.
    """
    return tuple(_Check(spec, may_name_files=may_name_files, unread=unread).problems())


class _Check:
    def __init__(self, spec: ChainSpec, *, may_name_files: bool, unread: frozenset[str]) -> None:
        self._spec = spec
        self._plan = Plan(spec)
        self._may_name_files = may_name_files
        self._unread = unread
        self._in_circles = {name for circle in self._plan.circles for name in circle}

    def problems(self) -> Iterator[Problem]:
        size_bytes = len(self._spec.model_dump_json().encode())
        if size_bytes > limits.MAX_SPEC_BYTES:
            yield Problem(
                (),
                f"the chain has {size_bytes:,} bytes as JSON, the limit is {limits.MAX_SPEC_BYTES:,}; "
                "give long texts as inputs or attachments",
            )
        for name, step in self._spec.steps.items():
            yield from self._of_step(name, step)
        for circle in self._plan.circles:
            yield Problem(
                ("steps", circle[0]), f"the steps wait for each other in a circle: {' → '.join(circle)}"
            )
        yield from self._of_output()

    def _of_step(self, name: str, step: Step) -> Iterator[Problem]:
        sites = list(sites_of(name, step))
        for site in sites:
            yield from self._of_site(site, step)
        yield from self._of_continues(name, step)
        for number, other in enumerate(step.after):
            if not self._is_step(other):
                yield Problem(("steps", name, "after", number), self._no_step(other))
        if step.budget is not None and not isinstance(step.action, Research | Ask):
            yield Problem(("steps", name, "budget"), f"{step.kind} costs nothing, so it takes no budget")
        if step.retry.attempts > 1 and step.kind in (StepKind.APPROVE, StepKind.JOIN):
            yield Problem(("steps", name, "retry"), f"{step.kind} is not tried again")
        path: tuple[Part, ...] = ("steps", name, step.kind.value)
        if step.for_each is not None:
            path = (*path, "do", step.body_kind.value)
            items = step.for_each.items
            if not isinstance(items, str) and len(items) > limits.MAX_ITEMS:
                yield Problem((*path[:3], "items"), f"more than {limits.MAX_ITEMS} items")
        yield from self._of_action(path, step)

    def _of_action(self, path: tuple[Part, ...], step: Step) -> Iterator[Problem]:
        """Try whether there would be a request, with something in the place of all that is not known yet."""
        action = step.action
        try:
            if isinstance(action, Research | Ask):
                addressed = action.model_copy(update={"attach": ()})
                request_for(addressed, _ANYTHING)
                for number, attached in enumerate(action.attach):
                    if not self._may_name_files and is_file(attached):
                        yield Problem(
                            (*path, "attach", number),
                            "a file cannot be attached from here; give its address, https://… or gs://…",
                        )
            elif isinstance(action, CallFunction):
                call_of(action, _ANYTHING)
        except TemplateError:
            pass  # said where the template stands
        except RenderError as error:
            yield Problem(path, str(error))

    def _of_continues(self, name: str, step: Step) -> Iterator[Problem]:
        other = step.continues
        if other is None:
            return
        path = ("steps", name, "continues")
        if not isinstance(step.action, Research | Ask):
            yield Problem(path, f"only research and ask can continue a step, not {step.kind}")
        elif other not in self._spec.steps:
            if not self._is_step(other):
                yield Problem(path, self._no_step(other))
        elif (kind := self._spec.steps[other].kind) not in _CONTINUABLE:
            yield Problem(path, f"{other!r} is {kind}; only research and ask can be continued")

    def _of_output(self) -> Iterator[Problem]:
        output = self._spec.output
        if output is None or self._is_step(output):
            return
        pieces = _parsed(output)
        if pieces and not any(isinstance(piece, Reference) for piece in pieces):
            yield Problem((OUTPUT,), f"{self._no_step(output.strip())} (output is a step, or a template)")
            return
        yield from self._of_site(Site((OUTPUT,), output), None)

    def _of_site(self, site: Site, step: Step | None) -> Iterator[Problem]:
        try:
            pieces = templates.parse(site.template)
        except TemplateError as error:
            yield Problem(site.path, error.reason, error.opening)
            return
        for piece in pieces:
            if isinstance(piece, Reference):
                reason = self._objection(piece, site, step)
                if reason is not None:
                    yield Problem(site.path, reason, piece.opening)
        if site.is_list:
            yield from self._of_list(site)

    def _of_list(self, site: Site) -> Iterator[Problem]:
        reference = templates.whole(site.template)
        if reference is None:
            yield Problem(
                site.path, "items is a list, or one template that gives a list and nothing around it"
            )
            return
        problem: str | None = None
        if reference.root == "inputs" and reference.name in self._spec.inputs and not reference.path:
            kind = self._spec.inputs[reference.name].kind
            if kind is not InputType.LIST:
                problem = f"the input {reference.name!r} is {kind}, not a list; say `type: list`"
        elif reference.root == "steps" and reference.name in self._spec.steps:
            schema = self._schema_of(reference)
            if reference.field != "data":
                problem = f"{reference.source} is no list; a list is in `data` of a step with a schema"
            elif schema is not None and schema.get("type", "array") != "array":
                problem = f"{reference.source} is {schema['type']} by its schema, not a list"
        if problem is not None:
            yield Problem(site.path, problem, reference.opening)

    def _objection(self, reference: Reference, site: Site, step: Step | None) -> str | None:
        """Return why ``reference`` cannot stand at ``site``; None when it can."""
        needs_item = reference.root in ("item", "item_index") or ITEM_INDEX in (
            reference.index,
            *reference.path,
        )
        if needs_item and not site.is_inside:
            return f"`{reference.source}`: an item is only there inside `do` of a for_each"
        match reference.root:
            case "inputs":
                return self._objection_to_input(reference)
            case "item":
                return None if step is None else self._objection_to_item(reference, step)
            case "item_index":
                return None
            case "steps":
                return self._objection_to_step(reference)

    def _objection_to_input(self, reference: Reference) -> str | None:
        spec = self._spec.inputs.get(reference.name)
        if spec is None:
            return f"there is no input {reference.name!r}{suggestion(reference.name, self._spec.inputs)}"
        if reference.path and spec.kind not in (InputType.LIST, InputType.OBJECT):
            return f"the input {reference.name!r} is {spec.kind} and has no parts"
        return None

    def _objection_to_item(self, reference: Reference, step: Step) -> str | None:
        if not reference.path or step.for_each is None:
            return None
        items = step.for_each.items
        if isinstance(items, str):
            source = _whole_or_none(items)
            schema = None if source is None else self._schema_of(source)
            below = None if schema is None else schema.get("items")
            return _objection_by_schema(reference.path, below, reference.source)
        for item in items:
            if isinstance(item, str) and _whole_or_none(item) is not None:
                continue  # not known yet
            try:
                templates.descend(item, reference.path, reference.source)
            except RenderError as error:
                return str(error)
        return None

    def _objection_to_step(self, reference: Reference) -> str | None:
        step = self._spec.steps.get(reference.name)
        if step is None:
            return None if self._is_step(reference.name) else self._no_step(reference.name)
        kind = step.kind
        if reference.index is not None:
            if kind is not StepKind.FOR_EACH:
                return f"{reference.name!r} is {kind} and has no items"
            kind = step.body_kind
        if reference.field in FIELDS[kind] and reference.field != "items":
            return _objection_to_field(reference, step)
        if kind is StepKind.FOR_EACH:
            return (
                f"for_each has no {reference.field!r} alone; write `texts` for all, `items[0].text` for one"
            )
        return f"{kind} has no {reference.field!r}{suggestion(reference.field, FIELDS[kind])}"

    def _schema_of(self, reference: Reference) -> dict[str, JsonValue] | None:
        """Return the schema of what ``reference`` refers to, as far as it is known."""
        step = self._spec.steps.get(reference.name) if reference.root == "steps" else None
        if step is None or reference.field != "data":
            return None
        schema = _schema_of_step(step)
        for part in reference.path:
            schema = _below(schema, part)
        return schema if isinstance(schema, dict) else None

    def _is_step(self, name: str) -> bool:
        return name in self._spec.steps or name in self._unread

    def _no_step(self, name: str) -> str:
        return f"there is no step {name[:80]!r}{suggestion(name, [*self._spec.steps, *self._unread])}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` where something known is like ``word``; else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _schema_of_step(step: Step) -> JsonValue:
    return step.action.json_schema if isinstance(step.action, Ask) else None


def _objection_to_field(reference: Reference, step: Step) -> str | None:
    if reference.field == "data":
        if isinstance(step.action, Ask) and step.action.json_schema is None:
            return f"{reference.name!r} has data only if it is asked for: give it a `schema`"
        return _objection_by_schema(reference.path, _schema_of_step(step), reference.source)
    if reference.field == "artifacts":
        if len(reference.path) == 1:
            return None
        return f"`{reference.source}` names no file; write steps.NAME.artifacts.report.md, for example"
    return f"`{reference.source}`: {reference.field} has no parts" if reference.path else None


def _objection_by_schema(path: tuple[Part, ...], schema: JsonValue, source: str) -> str | None:
    """Return why there is nothing at ``path`` in what ``schema`` describes; None where that is unsure."""
    for part in path:
        if not isinstance(schema, dict):
            return None
        kind = schema.get("type")
        if isinstance(kind, str) and kind != (
            "object" if isinstance(part, str) and part != ITEM_INDEX else "array"
        ):
            return f"`{source}`: by its schema there is no {part!r}, but {kind}"
        properties = schema.get("properties")
        if (
            isinstance(part, str)
            and isinstance(properties, dict)
            and part not in properties
            and not any(schema.get(keyword) for keyword in _OPEN_ENDED)
        ):
            return f"`{source}`: by its schema there is no {part!r}{suggestion(part, properties)}"
        schema = _below(schema, part)
    return None


_OPEN_ENDED: Final = (
    "additionalProperties",
    "patternProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "if",
    "$ref",
    "$dynamicRef",
)
"""Keywords with which an object may have properties that are not listed beside them."""


def _below(schema: JsonValue, part: Part) -> JsonValue:
    if not isinstance(schema, dict):
        return None
    if isinstance(part, str) and part != ITEM_INDEX:
        properties = schema.get("properties")
        return properties.get(part) if isinstance(properties, dict) else None
    return schema.get("items")


def _parsed(template: str) -> tuple[str | Reference, ...]:
    try:
        return templates.parse(template)
    except TemplateError:
        return ()


def _whole_or_none(template: str) -> Reference | None:
    try:
        return templates.whole(template)
    except TemplateError:
        return None


class _AnyScope(Scope):
    """Where every reference is a word."""

    def value_of(self, reference: Reference) -> Value:
        del reference
        return "something"


_ANYTHING: Final = _AnyScope(inputs={}, steps=StepValues())
