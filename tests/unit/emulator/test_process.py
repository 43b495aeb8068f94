import threading

import httpx2 as httpx

from tests.emulator_server import EmulatorServer
from tests.unit.emulator.conftest import RESEARCH


def test_it_stops_cleanly_whatever_is_open() -> None:
    """With a hanging reply and an open stream, a stop is quick and the exit code is 0."""
    server = EmulatorServer(time_scale=1)
    broken: list[type[httpx.HTTPError]] = []
    with server, httpx.Client(base_url=f"{server.base_url}/v1", headers={"x-goog-api-key": "k"}) as client:

        def create(text: str) -> str:
            return str(client.post("/interactions", json={**RESEARCH, "input": text}).json()["id"])

        def watch(path: str, opened: threading.Event) -> None:
            try:
                with client.stream("GET", path, timeout=20) as reply:
                    for _ in reply.iter_raw():
                        opened.set()
            except httpx.HTTPError as error:
                broken.append(type(error))

        streaming, hanging = threading.Event(), threading.Event()
        watchers = [
            threading.Thread(target=watch, args=(f"/interactions/{create('q')}?stream=true", streaming)),
            threading.Thread(
                target=watch, args=(f"/interactions/{create('q [[emulator fault=get-hang]]')}", hanging)
            ),
        ]
        for watcher in watchers:
            watcher.start()
        assert streaming.wait(10)
        # The hanging look shows nothing to wait for but its count.
        while server.admin("GET", "/stats")["requests"].get("look", 0) < 1:
            pass
        assert server.stop() == 0
        for watcher in watchers:
            watcher.join(10)
    assert broken == [httpx.RemoteProtocolError] * 2
