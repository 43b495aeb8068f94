import httpx2 as httpx
import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from runs.errors import ActivityErrorType
from runs.messages import CancelInteraction
from tests.unit.activities.conftest import Setup, interaction

_CANCEL = CancelInteraction(interaction_id="v1_abc")


@pytest.mark.parametrize("answer", [interaction("cancelled"), httpx.Response(404), httpx.Response(500)])
async def test_a_look_decides_whether_it_stopped(setup: Setup, answer: httpx.Response) -> None:
    """Whatever the cancel itself answers, cancelled is what a GET shows as cancelled."""
    setup.answers(lambda request: answer if request.method == "POST" else interaction("cancelled"))
    report = await setup.environment.run(setup.activities().cancel_interaction, _CANCEL)
    assert (report.was_confirmed, report.had_ended) == (True, False)
    assert [request.method for request in setup.requests] == ["POST", "GET"]


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete"])
async def test_what_had_ended_is_reported_as_such(setup: Setup, status: str) -> None:
    """A cancel that came too late leaves something to settle."""
    setup.answers(interaction(status))
    report = await setup.environment.run(setup.activities().cancel_interaction, _CANCEL)
    assert (report.was_confirmed, report.had_ended) == (False, True)
    assert report.sighting
    assert report.sighting.status == status


@pytest.mark.parametrize(
    "look",
    [
        interaction("in_progress"),
        httpx.Response(404),
        httpx.Response(500),
        httpx.Response(200, json={"id": "v1_other", "status": "cancelled"}),
    ],
)
async def test_what_was_not_seen_to_stop_is_tried_again(setup: Setup, look: httpx.Response) -> None:
    """The cancel's own word is no proof: as long as a look does not show it, Temporal quietly tries again."""
    setup.answers(lambda request: interaction("cancelled") if request.method == "POST" else look)
    with pytest.raises(ApplicationError) as caught:
        await setup.environment.run(setup.activities().cancel_interaction, _CANCEL)
    assert (caught.value.type, caught.value.non_retryable) == (ActivityErrorType.NOT_CANCELLED, False)
    assert caught.value.category is ApplicationErrorCategory.BENIGN
