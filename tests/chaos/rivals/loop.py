"""The loop of every tutorial: create, then ``while True`` and sleep, in one process.

    python -m tests.chaos.rivals.loop --client http|sdk --base-url URL --questions FILE --answers FILE

``READY`` on stdout says it serves. A supervisor starts it again when it is killed; it then runs whatever is
on the list of questions and not among the answers. Each line of both files is a JSON array: name and text, or
name, interaction id and status.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
from google import genai
from google.genai import types

_AGENT: Final = "deep-research-preview-04-2026"
_SLEEP_S: Final = 0.5
"""Tutorials sleep for ten seconds; the emulator's time runs faster."""

_TIMEOUT_S: Final = 60.0
"""As long as Longhaul gives a call."""

Send = Callable[[str], Awaitable[str]]
Status = Callable[[str], Awaitable[str]]


def http_client(base_url: str) -> tuple[Send, Status]:
    """Plain HTTP, each call sent once."""
    client = httpx.AsyncClient(
        base_url=f"{base_url}/v1beta",
        headers={"x-goog-api-key": "local"},
        timeout=_TIMEOUT_S,
        limits=httpx.Limits(max_connections=None),
    )

    async def create(text: str) -> str:
        reply = await client.post("/interactions", json={"agent": _AGENT, "input": text, "background": True})
        return str(reply.raise_for_status().json()["id"])

    async def status(interaction_id: str) -> str:
        reply = await client.get(f"/interactions/{interaction_id}")
        return str(reply.raise_for_status().json()["status"])

    return create, status


def sdk_client(base_url: str) -> tuple[Send, Status]:
    """The official SDK, with whatever it does by default."""
    # Untyped: each call may return a stream or a resource, and each field may be None.
    interactions: Any = genai.Client(
        api_key="local", vertexai=False, http_options=types.HttpOptions(base_url=base_url)
    ).aio.interactions

    async def create(text: str) -> str:
        return str((await interactions.create(agent=_AGENT, input=text, background=True)).id)

    async def status(interaction_id: str) -> str:
        return str((await interactions.get(interaction_id)).status)

    return create, status


async def _answer(name: str, text: str, *, create: Send, status: Status, answers: Path) -> None:
    while True:
        try:
            interaction_id = await create(text)
            while True:
                word = await status(interaction_id)
                if word not in {"in_progress", "queued"}:
                    break
                await asyncio.sleep(_SLEEP_S)
        except Exception:  # noqa: BLE001 - ends the tutorial's process; its supervisor runs the question again
            await asyncio.sleep(_SLEEP_S)
        else:
            with answers.open("a") as lines:
                lines.write(json.dumps([name, interaction_id, word]) + "\n")
            return


def _lines(path: Path) -> list[list[str]]:
    # The last line may be half written.
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


async def _serve(create: Send, status: Status, *, questions: Path, answers: Path) -> None:
    taken = {line[0] for line in _lines(answers)}
    print("READY", flush=True)  # noqa: T201 - for whoever started it
    async with asyncio.TaskGroup() as group:
        while True:
            for name, text in _lines(questions):
                if name not in taken:
                    taken.add(name)
                    group.create_task(_answer(name, text, create=create, status=status, answers=answers))
            await asyncio.sleep(0.1)


def main() -> None:
    """Serve the list until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=("http", "sdk"), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    options = parser.parse_args()
    create, status = (http_client if options.client == "http" else sdk_client)(options.base_url)
    asyncio.run(_serve(create, status, questions=options.questions, answers=options.answers))


if __name__ == "__main__":
    main()
