"""Which workflow started this one, as far as that matters: ours, or anybody's.

Workflow code: see docs/changing.md.
"""

from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from runs.messages import AgentRunRequest, Rights

_SAY_SO: Final = "parents-say-so"
"""What a parent of an older version began, which did not say what may be read, goes on reading."""


def is_ours(request: object) -> bool:
    """Return whether a conversation or a chain of ours started this workflow with ``request``.

    They say what the run may read, if only that it is nothing. A name as they make it proves nothing alone:
    anybody's workflow may call its children so.
    """
    return _is_named_by_parent() and isinstance(request, AgentRunRequest) and request.may_read is not None


def was_continued() -> bool:
    """Return whether this workflow continued itself as new, so that its input is its own.

    A schedule or a retry, which carry on with what somebody wrote, look alike but for these.
    """
    info = workflow.info()
    return info.continued_run_id is not None and info.cron_schedule is None and info.attempt == 1


def rights_of(request: AgentRunRequest) -> Rights | None:
    """Return what the run may read of the artifact store; None: its parent is older, and did not say."""
    if is_ours(request):
        return Rights(files=request.may_read or (), is_part=True)
    is_in_doubt = _is_named_by_parent() and (request.attachments or request.quotes or request.transcript)
    # Asked for only where it matters, so that other runs have no marker in their history.
    return Rights() if not is_in_doubt or workflow.patched(_SAY_SO) else None


def _is_named_by_parent() -> bool:
    # Whoever only starts workflows cannot give one a parent.
    info = workflow.info()
    return info.parent is not None and info.workflow_id.startswith(
        (f"{info.parent.workflow_id}-turn-", f"{info.parent.workflow_id}.")
    )
