"""Attachments that a chain's file names as files of whoever starts it: found, and replaced by references."""

from collections.abc import Mapping

from chains import templates
from chains.plan import sites_of
from chains.spec import Ask, ChainSpec, Research, Step
from chains.templates import Part, Reference
from runs.messages import Attachment


def attached_files(spec: ChainSpec) -> dict[str, tuple[Part, ...]]:
    """Return the files that ``spec`` attaches, as it names them, each with the path of where it first does.

    Only of a chain that `chains.checking.check` has nothing to say about.
    """
    found: dict[str, tuple[Part, ...]] = {}
    for name, step in spec.steps.items():
        if not isinstance(step.action, Research | Ask):
            continue
        for site in sites_of(name, step):
            if site.path[-2] == "attach" and is_file(site.template):
                found.setdefault(site.template, site.path)
    return found


def replace_files(spec: ChainSpec, stored: Mapping[str, Attachment]) -> ChainSpec:
    """Return ``spec`` with each of its `attached_files` replaced by the reference in ``stored``.

    Raises:
        KeyError: One is not in ``stored``.
    """
    steps = {name: _replaced(step, stored) for name, step in spec.steps.items()}
    return spec.model_copy(update={"steps": steps})


def is_file(attached: str | Attachment) -> bool:
    """Return whether ``attached`` names a file: it is neither an address nor a template that gives one."""
    return (
        isinstance(attached, str)
        and not attached.startswith(("https://", "gs://"))
        and not any(isinstance(piece, Reference) for piece in templates.parse(attached))
    )


def _replaced(step: Step, stored: Mapping[str, Attachment]) -> Step:
    action = step.action
    if not isinstance(action, Research | Ask):
        return step
    attach = tuple(stored[str(attached)] if is_file(attached) else attached for attached in action.attach)
    replaced = action.model_copy(update={"attach": attach})
    kind = step.body_kind.value
    if step.for_each is None:
        return step.model_copy(update={kind: replaced})
    body = step.for_each.do.model_copy(update={kind: replaced})
    return step.model_copy(update={"for_each": step.for_each.model_copy(update={"do": body})})
