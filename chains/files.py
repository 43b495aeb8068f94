"""Attachments that a chain's file names as files of whoever starts it: found, and replaced by references.

Workflow code: see docs/changing.md.
"""

from collections.abc import Iterator, Mapping

from chains import templates
from chains.plan import path_of_action, sites_of
from chains.spec import Ask, ChainSpec, Research, Step
from chains.templates import Part, Reference
from runs.messages import Attachment
from runs.places import may_be_upload


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


def foreign_files(spec: ChainSpec) -> Iterator[tuple[tuple[Part, ...], str]]:
    """Yield where ``spec`` attaches a stored file that cannot be its own, and why that is refused.

    Of the artifact store, only what was stored to be attached can be: see `runs.places.upload_key`.
    """
    for name, step in spec.steps.items():
        if isinstance(step.action, Research | Ask):
            for number, attached in enumerate(step.action.attach):
                if isinstance(attached, Attachment) and not _may_be_attached(attached.uri):
                    yield (
                        (*path_of_action(name, step), "attach", number),
                        f"{attached.uri[:120]} is a file that the chain has no right to; attach a copy of it",
                    )


def _may_be_attached(uri: str) -> bool:
    return uri.startswith(("https://", "http://", "gs://")) or may_be_upload(uri)


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
