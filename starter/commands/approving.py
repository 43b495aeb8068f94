"""``longhaul approve``, ``deny`` and ``revise``."""

from dataclasses import dataclass

from temporalio.client import Client

from runs.limits import MAX_ERROR_CHARS, MAX_FEEDBACK_CHARS
from runs.messages import AgentRunStatus
from runs.tool_calls import PendingToolCall, ToolDecision
from starter import formats
from starter.approvals import approve_plan, decide_tool_call, revise_plan, status_of
from starter.arguments import parse_run_id, read_text
from starter.errors import ExitCode, InvalidInput
from starter.output import Output
from starter.prompting import ask_line
from starter.runs import look_at_run
from starter.temporal import connect
from starter.views import Waiting


@dataclass(frozen=True, kw_only=True)
class ApproveOptions:
    """The arguments of ``longhaul approve``."""

    run_id: str
    call_id: str | None
    note: str
    is_sure: bool


@dataclass(frozen=True, kw_only=True)
class DenyOptions:
    """The arguments of ``longhaul deny``."""

    run_id: str
    call_id: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReviseOptions:
    """The arguments of ``longhaul revise``."""

    run_id: str
    feedback: str


async def approve(options: ApproveOptions, *, output: Output) -> ExitCode:
    """Approve the plan or the calls that a run waits with, after showing them."""
    run_id = parse_run_id(options.run_id)
    _check_length(options.note, what="--note", max_chars=MAX_FEEDBACK_CHARS)
    client = await connect()
    status = await status_of(client, run_id)
    is_asked = output.is_interactive and not options.is_sure
    if status.plan is not None:
        if options.call_id is not None:
            raise InvalidInput(f"run {run_id} waits with a plan, not with a call; leave --call out")
        if not await _is_confirmed(status.plan, is_asked=is_asked, output=output):
            return _left(run_id, output)
        await approve_plan(client, run_id, note=options.note)
        return await _show(client, run_id, output)
    calls = _chosen_calls(status, run_id, call_id=options.call_id, may_be_several=is_asked)
    if options.note:
        raise InvalidInput("--note goes with a plan; a call is carried out as it is")
    decided = 0
    for call in calls:
        if await _is_confirmed(call, is_asked=is_asked, output=output):
            await decide_tool_call(client, run_id, call, decision=ToolDecision.APPROVE)
            decided += 1
    return await _show(client, run_id, output) if decided else _left(run_id, output)


async def deny(options: DenyOptions, *, output: Output) -> ExitCode:
    """Have a call not carried out, and the model told why."""
    run_id = parse_run_id(options.run_id)
    if not options.reason.strip():
        raise InvalidInput("--reason is empty; the model is told why")
    _check_length(options.reason, what="--reason", max_chars=MAX_ERROR_CHARS)
    client = await connect()
    status = await status_of(client, run_id)
    if status.plan is not None:
        raise InvalidInput(
            f"run {run_id} waits with a plan: ask for another with `longhaul revise {run_id} FEEDBACK`, "
            f"or end the run with `longhaul cancel {run_id}`"
        )
    [call] = _chosen_calls(status, run_id, call_id=options.call_id, may_be_several=False)
    _show_waiting(call, output)
    await decide_tool_call(client, run_id, call, decision=ToolDecision.DENY, reason=options.reason)
    return await _show(client, run_id, output)


async def revise(options: ReviseOptions, *, output: Output) -> ExitCode:
    """Ask for another plan."""
    run_id = parse_run_id(options.run_id)
    feedback = read_text(options.feedback, what="the feedback", max_bytes=4 * MAX_FEEDBACK_CHARS)
    _check_length(feedback, what="the feedback", max_chars=MAX_FEEDBACK_CHARS)
    client = await connect()
    status = await status_of(client, run_id)
    if status.plan is None:
        raise InvalidInput(f"run {run_id} waits with no plan; it is {status.phase.value.replace('_', ' ')}")
    await revise_plan(client, run_id, feedback)
    return await _show(client, run_id, output)


def _chosen_calls(
    status: AgentRunStatus, run_id: str, *, call_id: str | None, may_be_several: bool
) -> list[PendingToolCall]:
    calls = list(status.pending_calls)
    if not calls:
        raise InvalidInput(
            f"run {run_id} waits for no decision; it is {status.phase.value.replace('_', ' ')}"
        )
    listed = ", ".join(f"{formats.one_line(call.call_id)} ({formats.one_line(call.name)})" for call in calls)
    if call_id is not None:
        calls = [call for call in calls if call.call_id == call_id]
        if not calls:
            raise InvalidInput(f"run {run_id} waits with no call {call_id!r}; there is: {listed}")
    if len(calls) > 1 and not may_be_several:
        raise InvalidInput(f"run {run_id} waits with {len(calls)} calls; choose with --call: {listed}")
    return calls


async def _is_confirmed(item: Waiting, *, is_asked: bool, output: Output) -> bool:
    _show_waiting(item, output)
    return not is_asked or (await ask_line("Approve? [y/N] ")).lower() in {"y", "yes"}


def _show_waiting(item: Waiting, output: Output) -> None:
    for line in formats.waiting_lines(item):
        output.say(line)


def _left(run_id: str, output: Output) -> ExitCode:
    output.say(f"Left as it is; run {run_id} waits on.")
    return ExitCode.STILL_RUNNING


async def _show(client: Client, run_id: str, output: Output) -> ExitCode:
    output.run(await look_at_run(client, run_id))
    return ExitCode.DONE


def _check_length(text: str, *, what: str, max_chars: int) -> None:
    if len(text) > max_chars:
        raise InvalidInput(f"{what} has {len(text):,} characters, the limit is {max_chars:,}")
