import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from chains.messages import ChainRequest
from runs.messages import AgentRunRequest, Rights
from workflows import inputs, parents
from workflows.inputs import decode_input, decode_request
from workflows.parents import rights_of

MISSPELT = {"model": "m", "input": "?", "deadlin_s": 60}


@dataclass
class Started:
    """A workflow as it has just been started.

    Attributes:
        workflow_id: Its id.
        parent: Its parent's id.
        is_patched: What a history has of a patch: none, if it was begun before.
        asked: The patches that were asked for.
    """

    workflow_id: str = "tea"
    parent: str | None = None
    is_patched: bool = True
    continued_run_id: str | None = None
    cron_schedule: str | None = None
    attempt: int = 1
    asked: int = 0

    def info(self) -> Any:
        """As the SDK has it."""
        parent = self.parent and SimpleNamespace(workflow_id=self.parent)
        return SimpleNamespace(
            workflow_id=self.workflow_id,
            parent=parent,
            continued_run_id=self.continued_run_id,
            cron_schedule=self.cron_schedule,
            attempt=self.attempt,
        )

    def patched(self, name: str) -> bool:
        """As the SDK has it; counts."""
        assert name in {"refuse-unknown-fields", "refuse-given-state", "parents-say-so"}
        self.asked += 1
        return self.is_patched

    def payload_converter(self) -> Any:
        """As the worker's."""
        return pydantic_data_converter.payload_converter_class()


def raw(document: object) -> RawValue:
    """An input as another client writes it."""
    return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(document).encode()))


def begin(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    """Put ``started`` in the SDK's place."""
    for module in (inputs, parents):
        monkeypatch.setattr(module, "workflow", started)


def decoded(monkeypatch: pytest.MonkeyPatch, started: Started, **fields: object) -> AgentRunRequest:
    """The request of a workflow whose input has a field under a wrong name."""
    begin(monkeypatch, started)
    return decode_request(raw(MISSPELT | fields))


def test_a_field_that_nobody_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever is new, also where a workflow of somebody else's starts it."""
    for started in (
        Started(),
        Started(parent="somebody's"),
        Started(workflow_id="chain-2", parent="chain"),
        # Named as ours are, which anybody's may be.
        Started(workflow_id="chain.research", parent="chain"),
    ):
        with pytest.raises(
            ApplicationError, match="not a run: deadlin_s: not a field of a run; did you mean"
        ):
            decoded(monkeypatch, started)


def test_what_began_before_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it did then, without the field."""
    assert decoded(monkeypatch, Started(is_patched=False)).deadline_s == 4_500


@pytest.mark.parametrize("run_id", ["chat-turn-2", "chat-turn-2-retold", "chat.step", "chat.step.2.try2"])
def test_a_run_of_our_own_parents_is_not_refused(monkeypatch: pytest.MonkeyPatch, run_id: str) -> None:
    """In a rollout, a newer version's conversation or chain may start a run that an older worker takes."""
    started = Started(workflow_id=run_id, parent="chat")
    assert decoded(monkeypatch, started, may_read=()).model == "m"
    assert started.asked == 0


def test_only_a_parent_that_says_so_passes_on_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another with a child of such a name gets no more than anybody; what began before goes on."""
    uri = "file:///reports/a/1/report.md"
    attached = AgentRunRequest.model_validate(
        {"model": "m", "input": "?", "attachments": [{"uri": uri, "media_type": "text/plain", "name": "it"}]}
    )
    given = attached.model_copy(update={"may_read": (uri,)})
    child = Started(workflow_id="mine.research", parent="mine")
    begin(monkeypatch, child)
    assert rights_of(given) == Rights(files=(uri,), is_part=True)
    assert rights_of(AgentRunRequest(model="m", input="?")) == Rights()
    assert child.asked == 0
    assert rights_of(attached) == Rights()
    begin(monkeypatch, Started(workflow_id="mine.research", parent="mine", is_patched=False))
    assert rights_of(attached) is None
    begin(monkeypatch, Started())
    assert rights_of(given) == rights_of(attached) == Rights()


CARRIED = {
    "spec": {"name": "n", "steps": {"a": {"ask": "?"}}},
    "newer": 1,
    "state": {"units": {}, "newer": 1},
}


def test_what_is_carried_along_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that was continued as new by a newer version goes on with an older one."""
    begin(monkeypatch, started := Started(continued_run_id="earlier"))
    assert decode_input(raw(CARRIED), ChainRequest, what="chain", hint="").state is not None
    assert started.asked == 0


@pytest.mark.parametrize(
    "started",
    [
        Started(),
        Started(continued_run_id="earlier", cron_schedule="* * * * *"),
        Started(continued_run_id="earlier", attempt=2),
    ],
)
def test_a_state_that_somebody_wrote_is_refused(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    """It could name any file for the chain to read, also by way of a schedule or a retry."""
    begin(monkeypatch, started)
    with pytest.raises(ApplicationError, match="not a chain: state: only the workflow gives itself one"):
        decode_input(raw(CARRIED), ChainRequest, what="chain", hint="")
    begin(monkeypatch, Started(is_patched=False))
    assert decode_input(raw(CARRIED), ChainRequest, what="chain", hint="").state is not None


def test_a_sound_input_leaves_no_marker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch that is asked for is an event of the history, which a run has thirty of."""
    begin(monkeypatch, started := Started())
    decode_request(raw({"model": "m", "input": "?"}))
    assert started.asked == 0
