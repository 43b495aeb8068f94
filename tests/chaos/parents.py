"""``temporal workflow reset`` at every point of a chain and of a conversation: what is paid for again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from chains.messages import ChainRequest, ChainResult
from chains.spec import ChainSpec
from runs.conversation import ConversationRequest
from runs.messages import DEFAULT_MODEL
from starter.chains import result_of_chain, start_chain
from starter.conversations import look_at_conversation, new_message, send_message, start_conversation
from tests.chaos.sections import WITHIN_S, ground
from tests.chaos.table import Table
from tests.chaos.waiting import holds
from tests.emulator_server import EmulatorServer
from tests.workflow.test_resets import decisions_of, reset

_TURNS: Final = 3

_LOOK_EVERY_S: Final = 0.1


async def parents(home: Path) -> Table:
    """Reset a chain and a conversation at each of their points, and in the middle of a run."""
    began_s = time.monotonic()
    table = Table("A chain of three steps and a conversation of three turns, reset at every point")
    table.head("what", "points", "asked", "paid for again", "other answers", "came to no answer")
    async with ground(home, label="parents") as (longhaul, _):
        client, emulator = longhaul.trial.client, longhaul.emulator
        for what, trial in (
            ("chain, after its end", _chain),
            ("chain, while its last step runs", _running_chain),
            ("conversation, between turns", _conversation),
            ("conversation, while a turn is answered", _running_conversation),
        ):
            points, names, others, lost = await trial(client, emulator)
            again = sum(int(emulator.submission(name)["creates"]) - 1 for name in names)
            table.row(what, points, len(names), again, others, lost)
            table.check(points > 0 and (again, others, lost) == (0, 0, 0))
    table.note(f"{time.monotonic() - began_s:.0f} s")
    return table


Outcome = tuple[int, list[str], int, int]
"""Points of resets, submissions, answers that differ from the first life's, lives without an answer."""


async def _chain(client: Client, _: EmulatorServer) -> Outcome:
    names = [f"chain-{number}" for number in range(3)]
    chain_id = "parents-chain"
    await start_chain(client, ChainRequest(spec=_spec(names)), chain_id=chain_id)
    first = (await result_of_chain(client, chain_id)).result
    points = await decisions_of(client, chain_id)
    execution = (await client.get_workflow_handle(chain_id).describe()).run_id
    others = lost = 0
    for point in points:
        await reset(client, chain_id, point, run_id=execution)
        again = (await result_of_chain(client, chain_id)).result
        lost += again is None or again.phase != (first and first.phase)
        others += again is not None and _said(again) != (first and _said(first))
    return len(points), names, others, lost


async def _running_chain(client: Client, emulator: EmulatorServer) -> Outcome:
    names = [f"running-chain-{number}" for number in range(3)]
    chain_id = "parents-running-chain"
    await start_chain(client, ChainRequest(spec=_spec(names, last_s=600)), chain_id=chain_id)
    await _until(lambda: _is_paid(emulator, names[-1]))
    points = await decisions_of(client, chain_id)
    execution = (await client.get_workflow_handle(chain_id).describe()).run_id
    for point in points:
        await reset(client, chain_id, point, run_id=execution)
    result = (await result_of_chain(client, chain_id)).result
    return len(points), names, 0, int(result is None or result.phase != "completed")


def _spec(names: list[str], *, last_s: int = 30) -> ChainSpec:
    durations = [30] * (len(names) - 1) + [last_s]
    steps: dict[str, Any] = {}
    for number, (name, duration_s) in enumerate(zip(names, durations, strict=True)):
        before = f"{{{{ steps.step{number - 1}.text }}}} " if number else ""
        steps[f"step{number}"] = {
            "ask": f"{before}Why? [[emulator submission={name} duration_s={duration_s}]]"
        }
    return ChainSpec.model_validate({"name": "parents", "steps": steps, "output": f"step{len(names) - 1}"})


def _said(result: ChainResult) -> tuple[str, int]:
    return result.output, result.spent.interactions


async def _conversation(client: Client, _: EmulatorServer) -> Outcome:
    names = [f"talk-{number}" for number in range(_TURNS)]
    conversation_id = await _open(client, "parents-talk")
    for name in names:
        await send_message(client, conversation_id, new_message(_question(name, duration_s=30)))
    first = await _answered(client, conversation_id)
    points = await decisions_of(client, conversation_id)
    execution = (await client.get_workflow_handle(conversation_id).describe()).run_id
    others = lost = 0
    for point in points:
        await reset(client, conversation_id, point, run_id=execution)
        turns = await _answered(client, conversation_id)
        lost += len(turns) != len(first)
        others += any(again != before for again, before in zip(turns, first, strict=False))
    return len(points), names, others, lost


async def _running_conversation(client: Client, emulator: EmulatorServer) -> Outcome:
    name = "running-talk"
    conversation_id = await _open(client, "parents-running-talk")
    message = new_message(_question(name, duration_s=600))
    asking = asyncio.create_task(send_message(client, conversation_id, message))
    await _until(lambda: _is_paid(emulator, name))
    points = await decisions_of(client, conversation_id)
    execution = (await client.get_workflow_handle(conversation_id).describe()).run_id
    for point in points:
        await reset(client, conversation_id, point, run_id=execution)
    turns = await _answered(client, conversation_id)
    # Whoever asked is told by the execution that was reset to, or sends the message again.
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return len(points), [name], 0, int(len(turns) != 1 or turns[0].error is not None)


async def _open(client: Client, conversation_id: str) -> str:
    await start_conversation(
        client, ConversationRequest(model=DEFAULT_MODEL), conversation_id=conversation_id
    )
    return conversation_id


def _question(name: str, *, duration_s: int) -> str:
    return f"Why? [[emulator submission={name} duration_s={duration_s}]]"


async def _answered(client: Client, conversation_id: str) -> tuple[Any, ...]:
    """Wait until nothing waits for an answer, and return the turns."""
    turns: tuple[Any, ...] = ()

    async def is_idle() -> bool:
        nonlocal turns
        view = await look_at_conversation(client, conversation_id)
        if view.status is None or view.status.pending or not view.status.recent:
            return False
        turns = view.status.recent
        return True

    await _until(is_idle)
    return turns


def _is_paid(emulator: EmulatorServer, name: str) -> bool:
    submissions = emulator.admin("GET", "/stats")["submissions"]
    return name in submissions and bool(submissions[name]["interactions"])


async def _until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    if not await holds(condition, within_s=WITHIN_S, every_s=_LOOK_EVERY_S):
        raise TimeoutError("a life of a chain or of a conversation did not come to its end")
