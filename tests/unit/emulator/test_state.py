import json
from pathlib import Path

import httpx2 as httpx

from tests.emulator_server import EmulatorServer
from tests.unit.emulator.conftest import RESEARCH

_KEY = {"x-goog-api-key": "any"}


def test_everything_survives_a_kill(tmp_path: Path) -> None:
    """A killed and restarted emulator shows the same runs, further on, under the same keys and counts."""
    server = EmulatorServer(time_scale=1, state_file=tmp_path / "state.db")
    text = "q [[emulator submission=s fault=500-after]]"
    with server, httpx.Client(base_url=f"{server.base_url}/v1", headers=_KEY) as client:
        statuses = [
            client.post("/interactions", json={**RESEARCH, "input": text}).status_code for _ in range(2)
        ]
        assert statuses == [500, 200]
        found = server.submission("s")["interaction_ids"]
        plan = {"type": "deep-research", "collaborative_planning": True}
        body = {**RESEARCH, "input": "q [[emulator duration_s=0]]", "agent_config": plan}
        planned = client.post("/interactions", json=body).json()["id"]
        follow_up = {**RESEARCH, "input": "go", "previous_interaction_id": planned}
        approved = client.post("/interactions", json=follow_up).json()["id"]
        client.post(f"/interactions/{found[0]}/cancel")
        client.delete(f"/interactions/{planned}")
        client.post("/agents", json={"id": "mine", "base_agent": RESEARCH["agent"]}).raise_for_status()
        events = {"uri": "http://127.0.0.1:9/", "subscribed_events": ["interaction.completed"]}
        hook = client.post("/webhooks", json=events).json()["id"]
        server.set_faults("429", times=1)
        keys = client.get(f"{server.base_url}/.well-known/jwks.json").json()
        server.kill()

    again = EmulatorServer(time_scale=1e6, state_file=tmp_path / "state.db", port=server.port)
    with again, httpx.Client(base_url=f"{again.base_url}/v1", headers=_KEY) as client:
        assert again.submission("s")["interaction_ids"] == found
        assert again.submission("s")["interactions"] == 2
        refused = client.post("/interactions", json={**RESEARCH, "input": text})
        assert refused.status_code == 429
        assert (
            client.post("/interactions", json={**RESEARCH, "input": text, "agent": "mine"}).status_code == 200
        )
        looks = [client.get(f"/interactions/{each}").json() for each in (*found, approved)]
        assert [each["status"] for each in looks] == ["cancelled", "completed", "completed"]
        assert "approved plan" in json.dumps(looks[2])
        assert client.get(f"/interactions/{planned}").status_code == 404
        assert client.get(f"/webhooks/{hook}").status_code == 200
        assert client.get(f"{again.base_url}/.well-known/jwks.json").json() == keys
        assert again.stop() == 0


def test_memory_is_forgotten(tmp_path: Path) -> None:
    """Without a state file nothing is left behind, on disk or in the next process."""
    server = EmulatorServer()
    with server:
        httpx.post(f"{server.base_url}/v1/interactions", json={**RESEARCH, "input": "q"}, headers=_KEY)
        assert server.admin("GET", "/stats")["interactions"] == 1
    with server:
        assert server.admin("GET", "/stats")["interactions"] == 0
    assert not list(tmp_path.iterdir())


def test_the_clock_can_be_turned(tmp_path: Path) -> None:
    """A changed time scale holds for runs that have begun; a restarted process has its own."""
    server = EmulatorServer(time_scale=1, state_file=tmp_path / "state.db")
    with server, httpx.Client(base_url=f"{server.base_url}/v1", headers=_KEY) as client:
        interaction_id = client.post("/interactions", json={**RESEARCH, "input": "q"}).json()["id"]
        assert client.get(f"/interactions/{interaction_id}").json()["status"] == "in_progress"
        assert server.admin("PUT", "/clock", body={"time_scale": 1e6})["time_scale"] == 1e6
        assert client.get(f"/interactions/{interaction_id}").json()["status"] == "completed"
    with server:
        assert server.admin("GET", "/clock")["time_scale"] == 1
