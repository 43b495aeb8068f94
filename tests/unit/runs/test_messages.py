import pytest
from pydantic import ValidationError

from runs import limits
from runs.messages import AgentRunRequest, Attachment, Notification, Sighting


def test_agent_and_input_alone_make_a_valid_run() -> None:
    """Any Temporal client can start a run with these two fields."""
    request = AgentRunRequest.model_validate_json('{"agent": "a", "input": "q"}')
    assert (request.agent, request.input, request.deadline_s) == ("a", "q", limits.DEFAULT_DEADLINE_S)


def test_a_newer_clients_fields_are_ignored() -> None:
    """An old worker can read a request that a newer starter wrote."""
    assert AgentRunRequest.model_validate_json('{"agent": "a", "input": "q", "mood": 1}').input == "q"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input": " \n"}, "the question is empty"),
        ({"input": "é" * limits.MAX_INPUT_BYTES}, "attach longer material as a file"),
        ({"agent": ""}, "at least 1 character"),
        ({"deadline_s": 1}, "greater than or equal to 10"),
        ({"deadline_s": 1e9}, "less than or equal to"),
        ({"labels": ("x" * 101,)}, "at most 100 characters"),
        ({"labels": ("x",) * 21}, "at most 20 items"),
        ({"labels": ("x" * 100,) * 20}, "shorten it"),
        ({"agent": "\N{ROCKET}" * 200}, "shorten it"),
        ({"tools": ({"type": "computer_use", "excluded": ("x" * 140_000,)},)}, "the tools have"),
        (
            {"attachments": ({"uri": "u", "media_type": "m", "name": "n", "size_bytes": 71 << 20},)},
            "together",
        ),
    ],
)
def test_a_request_that_cannot_be_run_says_why(fields: dict[str, object], reason: str) -> None:
    """Bad input is refused before anything is started, with a reason a person can act on."""
    with pytest.raises(ValidationError, match=reason):
        AgentRunRequest.model_validate({"agent": "a", "input": "q"} | fields)


def test_the_largest_request_stays_far_below_a_payloads_limit() -> None:
    """A run at every bound fits twice into the 2 MiB at which Temporal leaves a workflow stuck."""
    largest = AgentRunRequest(
        agent="a" * limits.MAX_ID_CHARS,
        # A control character costs six bytes in JSON, the most that one byte of text can.
        input="\x01" * limits.MAX_INPUT_BYTES,
        attachments=(Attachment(uri="u" * limits.MAX_URI_CHARS, media_type="m" * 255, name="n" * 255),)
        * limits.MAX_ATTACHMENTS,
        labels=("l" * (limits.MAX_LABEL_CHARS - 5),) * limits.MAX_LABELS,
    )
    assert len(largest.model_dump_json()) < 2 * 1024 * 1024


@pytest.mark.parametrize("interaction_id", ["v1_\n", "v1 x", "v1_\N{ROCKET}", "x" * 1_025, ".", ".."])
def test_news_of_an_impossible_interaction_is_no_news(interaction_id: str) -> None:
    """An id that no request can name, or that no search attribute takes, does not get into a run."""
    with pytest.raises(ValidationError):
        Notification(interaction_id=interaction_id)


def test_a_sighting_of_an_older_worker_is_read() -> None:
    """Heartbeat details outlive a deployment, so every field has a default."""
    assert Sighting.model_validate({}).looks == 0
