"""A worker of Temporal's own Gemini plugin, as its documentation writes one; runs where that is installed.

    python plugin.py TEMPORAL_ADDRESS BASE_URL

It imports nothing of this project, whose SDK version the plugin refuses. ``READY`` on stdout says it serves.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from google import genai
    from google.genai import types

    # Neither installed nor installable beside google-genai 3.
    from temporalio.google_genai import (  # type: ignore[import-not-found]
        GoogleGenAIPlugin,
        TemporalAsyncClient,
    )


@workflow.defn(name="PluginRun")
class PluginRun:
    """Create an interaction and look at it until it has ended."""

    @workflow.run
    async def run(self, text: str) -> str:
        """Return the interaction's id."""
        interactions: Any = TemporalAsyncClient().interactions
        created = await interactions.create(
            agent="deep-research-preview-04-2026", input=text, background=True
        )
        while (await interactions.get(created.id)).status in {"in_progress", "queued"}:
            await workflow.sleep(timedelta(seconds=1))
        return str(created.id)


async def main(address: str, base_url: str) -> None:
    """Serve until killed."""
    gemini = genai.Client(api_key="local", vertexai=False, http_options=types.HttpOptions(base_url=base_url))
    client = await Client.connect(address, plugins=[GoogleGenAIPlugin(gemini)])
    async with Worker(client, task_queue="plugin", workflows=[PluginRun]):
        print("READY", flush=True)  # noqa: T201 - for whoever started it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
