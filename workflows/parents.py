"""Which workflow started this one, as far as that matters: ours, or anybody's.

Workflow code: see docs/changing.md.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from runs.messages import AgentRunRequest, Rights


def is_ours() -> bool:
    """Return whether a conversation or a chain of ours started this workflow.

    By its name, which they make of their own. Whoever only starts workflows cannot give one a parent.
    """
    info = workflow.info()
    return info.parent is not None and info.workflow_id.startswith(
        (f"{info.parent.workflow_id}-turn-", f"{info.parent.workflow_id}.")
    )


def was_continued() -> bool:
    """Return whether this workflow continued itself as new, so that its input is its own.

    A schedule or a retry, which carry on with what somebody wrote, look alike but for these.
    """
    info = workflow.info()
    return info.continued_run_id is not None and info.cron_schedule is None and info.attempt == 1


def rights_of(request: AgentRunRequest) -> Rights | None:
    """Return what the run may read of the artifact store; None: its parent is older, and did not say."""
    if not is_ours():
        return Rights()
    return None if request.may_read is None else Rights(files=request.may_read, is_part=True)
