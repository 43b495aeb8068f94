"""``longhaul approve``, ``deny`` and ``revise``."""

from dataclasses import dataclass

from temporalio.client import Client

from chains.messages import StepView
from runs.limits import MAX_ERROR_CHARS, MAX_FEEDBACK_CHARS
from runs.messages import AgentRunStatus
from runs.tool_calls import PendingToolCall, ToolDecision
from starter import chain_formats, formats
from starter.approvals import approve_plan, decide_tool_call, revise_plan, status_of
from starter.arguments import parse_run_id, read_text
from starter.chains import QUERY_TIMEOUT_S, decide_step, is_chain, look_at_chain
from starter.commands.chain_following import show_chain
from starter.errors import ExitCode, InvalidInput
from starter.output import Output
from starter.prompting import ask_line
from starter.runs import look_at_run
from starter.temporal import connect
from starter.updates import no_answer
from starter.views import Waiting


@dataclass(frozen=True, kw_only=True)
class ApproveOptions:
    """The arguments of ``longhaul approve``."""

    run_id: str
    call_id: str | None
    step: str | None = None
    note: str
    is_sure: bool


@dataclass(frozen=True, kw_only=True)
class DenyOptions:
    """The arguments of ``longhaul deny``."""

    run_id: str
    call_id: str | None
    step: str | None = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReviseOptions:
    """The arguments of ``longhaul revise``."""

    run_id: str
    feedback: str


async def approve(options: ApproveOptions, *, output: Output) -> ExitCode:
    """Approve what a run or a chain waits with, after showing it."""
    run_id = parse_run_id(options.run_id)
    _check_length(options.note, what="--note", max_chars=MAX_FEEDBACK_CHARS)
    client = await connect()
    is_asked = output.is_interactive and not options.is_sure
    if await is_chain(client, run_id):
        _check_no_call(options.call_id)
        return await _approve_steps(client, options, is_asked=is_asked, output=output)
    _check_no_step(options.step, run_id)
    status = await status_of(client, run_id)
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
    """Have a call not carried out, and the model told why; or reject what a step of a chain asks."""
    run_id = parse_run_id(options.run_id)
    if not options.reason.strip():
        raise InvalidInput("--reason is empty; the model is told why")
    _check_length(options.reason, what="--reason", max_chars=MAX_ERROR_CHARS)
    client = await connect()
    if await is_chain(client, run_id):
        _check_no_call(options.call_id)
        return await _reject_step(client, options, output=output)
    _check_no_step(options.step, run_id)
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


async def _approve_steps(
    client: Client, options: ApproveOptions, *, is_asked: bool, output: Output
) -> ExitCode:
    chain_id = options.run_id
    steps = await _waiting_steps(client, chain_id, step=options.step, may_be_several=is_asked)
    decided = 0
    for step in steps:
        for line in chain_formats.waiting_lines(step):
            output.say(line)
        if not is_asked or await _says_yes():
            await decide_step(client, chain_id, step.name, is_approved=True, note=options.note)
            decided += 1
    if not decided:
        return _left(chain_id, output)
    await show_chain(client, chain_id, output=output)
    return ExitCode.DONE


async def _reject_step(client: Client, options: DenyOptions, *, output: Output) -> ExitCode:
    chain_id = options.run_id
    [step] = await _waiting_steps(client, chain_id, step=options.step, may_be_several=False)
    for line in chain_formats.waiting_lines(step):
        output.say(line)
    await decide_step(client, chain_id, step.name, is_approved=False, note=options.reason)
    await show_chain(client, chain_id, output=output)
    return ExitCode.DONE


async def _waiting_steps(
    client: Client, chain_id: str, *, step: str | None, may_be_several: bool
) -> list[StepView]:
    """Return the steps of a chain to decide about.

    Raises:
        InvalidInput: None waits, or several do, or not the one that was named.
        RunStillRunning: No worker answers for the chain, which alone knows.
    """
    view = await look_at_chain(client, chain_id)
    if view.status is None and not view.phase.is_end:
        raise no_answer(chain_id, wait_timeout_s=QUERY_TIMEOUT_S)
    steps = list(view.waiting)
    if not steps:
        raise InvalidInput(
            f"chain {chain_id} waits for no decision; it is {chain_formats.words_of(view.phase)}"
        )
    listed = ", ".join(waiting.name for waiting in steps)
    if step is not None:
        steps = [waiting for waiting in steps if waiting.name == step]
        if not steps:
            raise InvalidInput(f"chain {chain_id} waits with no step {step!r}; there is: {listed}")
    if len(steps) > 1 and not may_be_several:
        raise InvalidInput(f"chain {chain_id} waits with {len(steps)} steps; choose with --step: {listed}")
    return steps


def _check_no_call(call_id: str | None) -> None:
    if call_id is not None:
        raise InvalidInput("--call goes with a run; choose a step of a chain with --step")


def _check_no_step(step: str | None, run_id: str) -> None:
    if step is not None:
        raise InvalidInput(f"--step goes with a chain, and {run_id} is a run; choose a call with --call")


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
    return not is_asked or await _says_yes()


async def _says_yes() -> bool:
    return (await ask_line("Approve? [y/N] ")).lower() in {"y", "yes"}


def _show_waiting(item: Waiting, output: Output) -> None:
    for line in formats.waiting_lines(item):
        output.say(line)


def _left(run_id: str, output: Output) -> ExitCode:
    output.say(f"Left as it is; {run_id} waits on.")
    return ExitCode.STILL_RUNNING


async def _show(client: Client, run_id: str, output: Output) -> ExitCode:
    output.run(await look_at_run(client, run_id))
    return ExitCode.DONE


def _check_length(text: str, *, what: str, max_chars: int) -> None:
    if len(text) > max_chars:
        raise InvalidInput(f"{what} has {len(text):,} characters, the limit is {max_chars:,}")
