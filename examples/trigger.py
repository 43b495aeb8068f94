"""Start a run from Python and wait for its report: ``python examples/trigger.py``."""

import asyncio
import sys

from runs.messages import DEFAULT_AGENT, AgentRunRequest
from starter.runs import connect, result_of, start_run


async def main() -> None:
    client = await connect()
    request = AgentRunRequest(agent=DEFAULT_AGENT, input="What makes tea astringent?")
    started = await start_run(client, request, run_id=sys.argv[1] if len(sys.argv) > 1 else None)
    view = await result_of(client, started.run_id)
    print(view.phase)
    for artifact in view.result.artifacts if view.result else ():
        print(artifact.uri)
    await asyncio.sleep(0.3)  # lets Temporal's threads end before the interpreter does (sdk-python#300)


asyncio.run(main())
