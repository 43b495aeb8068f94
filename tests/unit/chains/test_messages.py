from datetime import UTC, datetime

import pytest

from chains.messages import ChainRequest, StepPhase, StepState, result_of_run, step_error
from chains.spec import ChainSpec
from runs.budget import Spent
from runs.errors import RunErrorCode
from runs.messages import AgentRunResult, Counts, RunError, Timings
from runs.phase import Phase
from tests.unit.chains.support import chain

_NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _run(phase: Phase, **fields: object) -> AgentRunResult:
    return AgentRunResult.model_validate(
        {"phase": phase, "agent": "a", "timings": Timings(requested_at=_NOW), **fields}
    )


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.COMPLETED, StepPhase.COMPLETED),
        (Phase.INCOMPLETE, StepPhase.INCOMPLETE),
        (Phase.FAILED, StepPhase.FAILED),
        (Phase.TIMED_OUT, StepPhase.FAILED),
        (Phase.CANCELLED, StepPhase.CANCELLED),
    ],
)
def test_a_run_that_ended_is_a_step_that_ended(phase: Phase, expected: StepPhase) -> None:
    """With what it used, and a reason where it failed."""
    result = result_of_run(_run(phase, spent=Spent(interactions=2)))
    assert (result.phase, result.spent.interactions) == (expected, 2)
    assert (result.error is not None) is (expected is StepPhase.FAILED)


def test_an_excerpt_is_not_the_text() -> None:
    """A text that is whole is kept; of a longer one only the address is."""
    long = _run(Phase.COMPLETED, excerpt="begins…", text_uri="s3://b/t", counts=Counts(text_bytes=9999))
    short = _run(Phase.COMPLETED, excerpt="all", text_uri="s3://b/t", counts=Counts(text_bytes=3))
    assert (result_of_run(long).text, result_of_run(long).text_uri) == ("", "s3://b/t")
    assert (result_of_run(short).text, result_of_run(short).text_uri) == ("all", "s3://b/t")


def test_a_run_s_error_keeps_its_code_and_one_line() -> None:
    """Its own result has the rest."""
    error = RunError(code=RunErrorCode.LOST, message="gone\nand more " + "é" * 500)
    result = result_of_run(_run(Phase.FAILED, error=error, interaction_ids=("v1_a", "v1_b")))
    assert result.error is not None
    assert (result.error.code, result.error.message) == ("lost", "gone")
    assert result.interaction_id == "v1_b"


def test_an_error_always_fits() -> None:
    """Whatever a server wrote."""
    assert len(step_error("x", "\U0001f600" * 1000).message.encode()) <= 200


def test_a_spec_alone_is_a_request() -> None:
    """Any program can start a chain with the JSON of its file."""
    request = ChainRequest.model_validate({"spec": {"name": "x", "steps": {"a": {"ask": "y"}}}})
    assert request.spec == ChainSpec.model_validate({"name": "x", "steps": {"a": {"ask": "y"}}})
    assert ChainRequest.model_validate_json(request.model_dump_json()) == request


def test_stored_shapes_ignore_what_a_newer_worker_added() -> None:
    """In the middle of a rollout an old worker reads a new payload."""
    spec = chain({"a": {"ask": {"prompt": "y", "schema": {"type": "object"}}}})
    payload = spec.model_dump(mode="json")
    payload["new"] = payload["steps"]["a"]["new"] = payload["steps"]["a"]["ask"]["new"] = 1
    assert ChainSpec.model_validate(payload) == spec


def test_a_state_has_only_what_is_not_as_it_was() -> None:
    """A thousand steps that wait take no room."""
    assert StepState().model_dump_json() == "{}"
    state = StepState(phase=StepPhase.RUNNING, attempts=1, items=(StepState(), StepState(attempts=2)))
    assert state.model_dump_json() == '{"phase":"running","attempts":1,"items":[{},{"attempts":2}]}'
    assert StepState.model_validate_json(state.model_dump_json()) == state


def test_a_spec_leaves_out_what_was_not_given() -> None:
    """But not what was meant by it: another version's defaults must not change a chain under way."""
    written = chain({"a": {"ask": "y"}}, inputs={"x": None}).model_dump(mode="json")
    assert written == {
        "name": "test",
        "inputs": {"x": {}},
        "max_parallel": 8,
        "steps": {
            "a": {
                "ask": {"prompt": "y", "model": "gemini-3.8-flash"},
                "retry": {"attempts": 1, "wait_s": 60.0},
                "on_error": "fail",
            }
        },
    }


def test_what_was_given_as_nothing_stays() -> None:
    """An empty separator is not the one by default, and an empty text is an answer."""
    spec = chain({"a": {"join": {"parts": ["y"], "separator": ""}}}, inputs={"x": ""})
    assert ChainSpec.model_validate_json(spec.model_dump_json()) == spec
    join = spec.steps["a"].join
    assert join is not None
    assert (join.separator, spec.inputs["x"].default) == ("", "")
