"""A run as the child of another workflow, and what came of it however it ended.

Workflow code: see docs/changing.md.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities import timeouts
    from activities.attaching import AttachingActivities
    from runs.budget import Spent
    from runs.details import escape_markdown
    from runs.errors import RunErrorCode
    from runs.limits import MAX_ERROR_CHARS
    from runs.memos import AGENT_MEMO, QUESTION_MEMO
    from runs.messages import AGENT_RUN, AgentRunRequest, AgentRunResult, AttachRun, RunError
    from runs.phase import Phase
    from runs.sameness import digest_of
    from runs.text import first_line
    from workflows import search_attributes
    from workflows.failures import failure_of

_SUMMARY_CHARS = 90
"""Temporal refuses a summary of more than 400 bytes; a character has four at most."""

_UNKNOWN = Spent(interactions=1, unknown_tokens=1, unknown_costs=1)
"""A run that ended without saying what it used may have used anything."""


@dataclass(frozen=True)
class ChildOutcome:
    """How a child ended.

    Attributes:
        result: What it left behind; None when it ended without saying.
        error: Why it did not complete; None when it did, also incompletely.
        spent: What it used, or may have used.
        is_repeatable: Whether it was there before and came to no answer, and not because we cancelled it.
    """

    result: AgentRunResult | None
    error: RunError | None
    spent: Spent
    is_repeatable: bool = False

    def after(self, earlier: Spent) -> "ChildOutcome":
        """Return the same with what was used before it."""
        spent = self.spent.plus(earlier)
        result = self.result and self.result.model_copy(update={"spent": spent})
        return ChildOutcome(result, self.error, spent)


async def run_child(request: AgentRunRequest, *, run_id: str, is_again: bool = False) -> ChildOutcome:
    """Carry out ``request`` as the child ``run_id``, and return how it ended.

    Cancelling this cancels the child, and with it the interaction; how it then ended is returned like any
    end. A run that had this id is never run again: after a reset of the workflow it may have been paid for.
    One that asked for the same is waited for, and its end returned, in place of the child's.

    Args:
        request: What to run.
        run_id: The child's id.
        is_again: Whether a run that had this id, and came to no answer, is run again after all: somebody has
            said so.
    """
    outcome = await _run(request, run_id=run_id, policy=WorkflowIDReusePolicy.REJECT_DUPLICATE)
    if outcome is not None:
        return outcome
    if not workflow.patched("attach-to-runs"):
        return _refused(f"there has been a run {run_id!r} already; it is not paid for twice")
    earlier = await _attach(request, run_id=run_id)
    if not is_again or not earlier.is_repeatable:
        return earlier
    policy = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    outcome = await _run(request, run_id=run_id, policy=policy)
    if outcome is None:
        return _refused(f"somebody else has just started a run {run_id!r}")
    return outcome.after(earlier.spent)


async def _run(
    request: AgentRunRequest, *, run_id: str, policy: WorkflowIDReusePolicy
) -> ChildOutcome | None:
    """Carry out ``request`` as a child, and return how it ended; None where ``policy`` does not let it."""
    question = first_line(request.input, max_chars=_SUMMARY_CHARS)
    try:
        result = await workflow.execute_child_workflow(
            AGENT_RUN,
            request,
            id=run_id,
            result_type=AgentRunResult,
            id_reuse_policy=policy,
            # Whoever terminates the parent does not want to pay on for the child, whose cancel ends the
            # interaction; to terminate it, too, would leave that running.
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            memo={AGENT_MEMO: request.target, QUESTION_MEMO: question},
            search_attributes=search_attributes.attributes_of(request),
            static_summary=escape_markdown(question),
        )
    except WorkflowAlreadyStartedError:
        return None
    except ChildWorkflowError as error:
        return _failed(error, run_id=run_id)
    return ChildOutcome(result, result.error, result.spent)


async def _attach(request: AgentRunRequest, *, run_id: str) -> ChildOutcome:
    """Wait for the run that is there, and return how it ended; what that is, is for an activity to find."""
    attached = workflow.start_activity_method(
        AttachingActivities.attach_run,
        AttachRun(run_id=run_id, digest=digest_of(request)),
        start_to_close_timeout=timeouts.ATTACH_TIMEOUT,
        retry_policy=timeouts.ATTACH_RETRY,
        summary=f"attach to {run_id[:80]}",
    )
    is_ours = False
    try:
        try:
            ended = await asyncio.shield(attached)
        except asyncio.CancelledError:
            is_ours = True
            # It is no child, so nobody cancels it with us; what it comes to is returned all the same.
            with suppress(ApplicationError):  # it has ended meanwhile
                await workflow.get_external_workflow_handle(run_id).cancel()
            ended = await attached
    except ActivityError as error:
        return _refused(failure_of(error).message)
    is_answered = ended.result is not None and ended.result.phase in (Phase.COMPLETED, Phase.INCOMPLETE)
    return ChildOutcome(ended.result, ended.error, ended.spent, is_repeatable=not is_answered and not is_ours)


def _refused(message: str) -> ChildOutcome:
    # Not as an internal error, after which a chain would try again, under another id.
    return ChildOutcome(None, RunError(code=RunErrorCode.REJECTED, message=message), Spent())


def _failed(error: ChildWorkflowError, *, run_id: str) -> ChildOutcome:
    if is_cancelled_exception(error):
        # A cancelled workflow returns nothing; its result is in its memo, which no parent sees.
        cancelled = RunError(code=RunErrorCode.CANCELLED, message=f"the run {run_id!r} was cancelled")
        return ChildOutcome(None, cancelled, _UNKNOWN)
    cause = error.cause
    if isinstance(cause, ApplicationError):
        result = _result_in(cause)
        if result is not None:
            return ChildOutcome(result, result.error or _internal(cause.message), result.spent)
        return ChildOutcome(None, _internal(cause.message), _UNKNOWN)
    ended = RunError(
        code=RunErrorCode.CANCELLED,
        message=f"the run {run_id!r} was ended from outside: {cause}"[:MAX_ERROR_CHARS],
    )
    return ChildOutcome(None, ended, _UNKNOWN)


def _internal(message: str) -> RunError:
    return RunError(code=RunErrorCode.INTERNAL, message=message[:MAX_ERROR_CHARS])


def _result_in(failure: ApplicationError) -> AgentRunResult | None:
    for detail in failure.details:
        try:
            return AgentRunResult.model_validate(detail)
        except ValidationError:
            continue
    return None
