"""What a journal proves, and to whom; at length in the sections `stores` and `resets` of `make chaos`."""

from pathlib import Path

import pytest

from artifacts.store import ArtifactStore
from tests.chaos.ledger import paid_interactions
from tests.chaos.resets import SCENARIOS, sweeping
from tests.e2e.stack import assert_eventually, request_for, running_stack, worker_of

pytestmark = pytest.mark.timeout(180)
"""Twenty seconds each on two idle cores; on busy ones a worker alone takes as long to start."""


async def test_a_worker_with_another_store_does_not_send_again(tmp_path: Path) -> None:
    """It finds no record, knows that this means nothing, waits for one that has the journal, and says so."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with running_stack(tmp_path) as stack:
        client = await stack.client()
        run_id = "lost"
        await stack.start(
            run_id, client=client, request=request_for(run_id, directive="fault=hang-after times=1")
        )

        async def is_sent() -> None:
            assert paid_interactions(stack.emulator, [run_id])[run_id]

        await assert_eventually(is_sent)
        stack.worker.kill()
        with worker_of(stack.server, stack.emulator, home=elsewhere) as other:

            async def says_so() -> str:
                description = await client.get_workflow_handle(run_id).describe()
                said = [
                    each.last_failure.message
                    for each in description.raw_description.pending_activities
                    if each.activity_type.name == "recover_submission" and each.last_failure.message
                ]
                assert said
                return said[0]

            said = await assert_eventually(says_so, within_s=60)
            other.show_news()
        here = await ArtifactStore.open(str(elsewhere / "artifacts")).identity()
        there = await ArtifactStore.open(str(tmp_path / "artifacts")).identity()
        assert said == f"its journal is in {there.named}, and {here.named} cannot say what became of it"
        assert stack.emulator.submission(run_id)["creates"] == 1


@pytest.mark.parametrize("name", ["reset-plan", "reset-tools"])
async def test_a_reset_gets_the_answer_that_it_asks_for(tmp_path: Path, name: str) -> None:
    """Reset to before a decision and decided otherwise, a run adopts nothing of what it said before."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.name == name]
    async with sweeping(tmp_path, scenarios) as (sweep,):
        # When the first interaction had been settled, and when it was just being watched.
        await sweep.run(points=lambda every: [every[3], every[1]])
        assert (sweep.completed, sweep.wrong, sweep.out_of_sight) == (3, [], 0)
        # One for the other decision; the second reset finds that one, too.
        assert len(sweep.paid) == len(sweep.paid_at_first) + 1
        assert await sweep.asked_twice() == 0
        assert sweep.naming_all == 3
