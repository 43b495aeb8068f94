"""What follows from a chain before it starts: which step waits for which, and what others need of it.

Workflow code: see docs/changing.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Final

from pydantic import JsonValue

from chains import templates
from chains.errors import TemplateError
from chains.spec import Approve, Ask, CallFunction, ChainSpec, Join, OnError, Research, Step, StepKind
from chains.templates import ITEM_INDEX, Part, Reference
from runs.tools import function_names

OUTPUT: Final = "output"


@dataclass(frozen=True)
class Site:
    """A template, and where it stands.

    Attributes:
        path: From the chain down, by keys and positions.
        template: The text.
        is_inside: Whether it stands where there is an item.
        is_list: Whether it has to give a list.
    """

    path: tuple[Part, ...]
    template: str
    is_inside: bool = False
    is_list: bool = False


def path_of_action(name: str, step: Step) -> tuple[Part, ...]:
    """Return where the options of what a step does, or does with each item, stand in the chain."""
    path: tuple[Part, ...] = ("steps", name, step.kind.value)
    return path if step.for_each is None else (*path, "do", step.body_kind.value)


def sites_of(name: str, step: Step) -> Iterator[Site]:
    """Yield the templates of one step, in the order in which they are usually written."""
    path: tuple[Part, ...] = ("steps", name, step.kind.value)
    if step.for_each is None:
        yield from _sites_of_action(path, step.action, is_inside=False)
        return
    items = step.for_each.items
    if isinstance(items, str):
        yield Site((*path, "items"), items, is_list=True)
    else:
        yield from _sites_in_json((*path, "items"), list(items), is_inside=False)
    yield from _sites_of_action(path_of_action(name, step), step.action, is_inside=True)


def _sites_of_action(
    path: tuple[Part, ...], action: Research | Ask | CallFunction | Approve | Join, *, is_inside: bool
) -> Iterator[Site]:
    match action:
        case Research() | Ask():
            yield Site((*path, "prompt"), action.prompt, is_inside)
            if action.system_instruction is not None:
                yield Site((*path, "system_instruction"), action.system_instruction, is_inside)
            for number, attached in enumerate(action.attach):
                if isinstance(attached, str):
                    yield Site((*path, "attach", number), attached, is_inside)
        case CallFunction():
            yield from _sites_in_json((*path, "arguments"), action.arguments, is_inside=is_inside)
        case Approve():
            yield Site((*path, "message"), action.message, is_inside)
        case Join():
            for number, part in enumerate(action.parts):
                yield Site((*path, "parts", number), part, is_inside)


def _sites_in_json(path: tuple[Part, ...], value: JsonValue, *, is_inside: bool) -> Iterator[Site]:
    match value:
        case str():
            yield Site(path, value, is_inside)
        case list():
            for number, part in enumerate(value):
                yield from _sites_in_json((*path, number), part, is_inside=is_inside)
        case dict():
            for key, part in value.items():
                yield from _sites_in_json((*path, key), part, is_inside=is_inside)
        case None | int() | float():
            pass


def references_of(sites: Iterable[Site]) -> Iterator[Reference]:
    """Yield what ``sites`` refer to; one that is not well formed refers to nothing."""
    for site in sites:
        try:
            yield from templates.references(site.template)
        except TemplateError:
            continue


@dataclass(frozen=True)
class Needs:
    """What other steps, and the chain's result, refer to of a step, or of its items.

    Attributes:
        text: Whether its text.
        interaction_id: Whether its interaction.
        files: Whether a file of it.
        data: Which parts of its data; one empty path for all of it.
    """

    text: bool = False
    interaction_id: bool = False
    files: bool = False
    data: frozenset[tuple[str, ...]] = frozenset()


class Plan:
    """A chain, read for what depends on what. Made once, and again on every replay.

    Attributes:
        spec: The chain.
        waits_for: For each step, those it waits for, in the order of the file.
    """

    def __init__(self, spec: ChainSpec) -> None:
        self.spec = spec
        self.waits_for = {name: self._waits_for(name, step) for name, step in spec.steps.items()}

    def _waits_for(self, name: str, step: Step) -> tuple[str, ...]:
        named = {reference.name for reference in references_of(sites_of(name, step))} | set(step.after)
        if step.continues is not None:
            named.add(step.continues)
        return tuple(other for other in self.spec.steps if other in named)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every step after those it waits for, else in the order of the file. Circles are left out."""
        number = {name: number for number, name in enumerate(self.spec.steps)}
        followers: dict[str, list[str]] = {name: [] for name in self.spec.steps}
        open_count = {name: len(others) for name, others in self.waits_for.items()}
        for name, others in self.waits_for.items():
            for other in others:
                followers[other].append(name)
        names = list(self.spec.steps)
        free = [number[name] for name, count in open_count.items() if count == 0]
        heapify(free)
        order = []
        while free:
            name = names[heappop(free)]
            order.append(name)
            for follower in followers[name]:
                open_count[follower] -= 1
                if open_count[follower] == 0:
                    heappush(free, number[follower])
        return tuple(order)

    @cached_property
    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Steps that wait for each other, each circle once: ``(a, b, a)`` where ``a`` waits for ``b``."""
        left = dict.fromkeys(name for name in self.spec.steps if name not in set(self.order))
        found: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for start in left:
            way: list[str] = []
            name: str | None = start
            while name is not None and name not in seen:
                seen.add(name)
                way.append(name)
                # Whatever is left waits for something that is left.
                name = next((other for other in self.waits_for[name] if other in left), None)
            if name in way:
                found.append((*way[way.index(name) :], name))
        return tuple(found)

    @cached_property
    def output(self) -> str:
        """The template of the chain's result."""
        output = self.spec.output
        if output is not None and output not in self.spec.steps:
            return output
        if output is None:
            awaited = {other for others in self.waits_for.values() for other in others}
            sinks = [name for name in self.spec.steps if name not in awaited]
            # All wait for another only in a circle, which is no chain.
            output = (sinks or list(self.spec.steps))[-1]
        is_many = self.spec.steps[output].kind is StepKind.FOR_EACH
        return f"{{{{ steps.{output}.{'texts' if is_many else 'text'} }}}}"

    @cached_property
    def output_step(self) -> str | None:
        """The step whose text is the chain's result; None when the result is put together."""
        reference = templates.whole(self.output)
        return reference.name if reference is not None and reference.root == "steps" else None

    @cached_property
    def needs(self) -> dict[str, Needs]:
        """For each step, what is to be kept of it once it has ended."""
        sites = [site for name, step in self.spec.steps.items() for site in sites_of(name, step)]
        found: dict[str, list[Reference]] = {name: [] for name in self.spec.steps}
        for reference in references_of([*sites, Site((OUTPUT,), self.output)]):
            if reference.name in found:
                found[reference.name].append(reference)
        continued = {step.continues for step in self.spec.steps.values()}
        return {
            name: Needs(
                text=any(reference.field in ("text", "texts") for reference in references),
                interaction_id=name in continued
                or any(reference.field == "interaction_id" for reference in references),
                files=any(reference.field in FILE_FIELDS for reference in references),
                data=frozenset(
                    _leading_keys(reference.path) for reference in references if reference.field == "data"
                ),
            )
            for name, references in found.items()
        }


FILE_FIELDS: Final = frozenset({"artifacts", "image", "audio"})
"""Fields of a step that are the address of a file."""


def _leading_keys(path: tuple[Part, ...]) -> tuple[str, ...]:
    """Return the keys in front of the first position: lists are kept whole, so that positions stay true."""
    keys: list[str] = []
    for part in path:
        if not isinstance(part, str) or part == ITEM_INDEX:
            break
        keys.append(part)
    return tuple(keys)


def function_names_of(spec: ChainSpec) -> tuple[str, ...]:
    """Return the functions that the workers must have: those of steps, and those given to models."""
    names: list[str] = []
    for step in spec.steps.values():
        match step.action:
            case CallFunction(name=name):
                names.append(name)
            case Research(tools=tools) | Ask(tools=tools):
                names += function_names(tools)
            case Approve() | Join():
                pass
    return tuple(dict.fromkeys(names))


def unapproved_calls(plan: Plan, needing_approval: frozenset[str]) -> tuple[str, ...]:
    """Return the steps that call a function which needs approval, and wait for no approval of their own.

    A step of a chain is nobody's call to decide about, as a model's is: whoever writes the chain puts an
    ``approve`` step before it, and that has to be able to keep it from being carried out.

    Args:
        plan: The chain.
        needing_approval: Functions whose every call a person decides about.
    """
    return tuple(
        name
        for name, step in plan.spec.steps.items()
        if isinstance(step.action, CallFunction)
        and step.action.name in needing_approval
        and not any(
            isinstance(plan.spec.steps[other].action, Approve)
            and plan.spec.steps[other].on_error is not OnError.CONTINUE
            for other in plan.waits_for[name]
        )
    )
