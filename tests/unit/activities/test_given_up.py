import asyncio

import httpx2 as httpx

from activities.journal import SubmissionJournal
from runs.messages import AgentRunRequest, SubmitInteraction
from tests.unit.activities.conftest import Setup, interaction


async def test_a_submission_given_up_on_still_learns_its_id(setup: Setup) -> None:
    """A worker that is told to cancel while the request is out waits for the answer and records it."""
    is_out, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        is_out.set()
        await may_answer.wait()
        return interaction("in_progress")

    setup.answers(answer)  # type: ignore[arg-type] # the transport awaits what a handler returns
    submission = SubmitInteraction(request=AgentRunRequest(agent="a", input="Why?"), artifacts_prefix="run/1")
    running = asyncio.create_task(setup.environment.run(setup.activities().submit_interaction, submission))
    await is_out.wait()
    setup.environment.cancel()
    may_answer.set()
    assert (await running).interaction_id == "v1_abc"
    journal = SubmissionJournal(setup.store, prefix="run/1", number=1)
    assert await journal.accepted() == "v1_abc"
