"""Where a secret of the worker turns up when a tool lets it out: nowhere."""

import json
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runs.messages import AgentRunRequest
from runs.phase import Phase
from runs.tools import FunctionTool
from starter.chains import look_at_chain
from starter.runs import start_run
from tests.e2e.stack import assert_eventually, running_stack
from tests.e2e.test_cli import Command

KEY: Final = "AIzaSy-not-a-real-key-0123456789"
CRM: Final = 'crm-pass"word/9f8e+7d'

_TOOLS: Final = '''
import logging, os, sys, threading, warnings

import tools
from tools import ToolError, tool

KEY = os.environ["GEMINI_API_KEY"]
CRM = os.environ["LONGHAUL_SECRET_CRM"]

print("imported with", KEY)


@tool
def returns_secrets(hint: str = CRM) -> dict:
    """Return the environment."""
    return {"key": KEY, "header": [CRM], "environment": "\\n".join(f"{k}={v}" for k, v in os.environ.items())}


@tool
async def returns_text() -> str:
    """Return a text."""
    return "connected with " + CRM.removeprefix("Bearer ")


@tool
def tells_the_model() -> str:
    """Tell the model."""
    raise ToolError(f"401 for {CRM}")


@tool(max_attempts=2)
def fails() -> str:
    """Fail."""
    secret_local = KEY
    try:
        raise ConnectionError(f"https://api.example/?key={KEY}")
    except ConnectionError as error:
        raise RuntimeError(f"no connection with {KEY} and {CRM}") from error


@tool(heartbeat_timeout_s=5)
def says_much() -> str:
    """Say much."""
    tools.heartbeat(f"logged in with {KEY}")
    print("printed", KEY)
    print("no line end", CRM, end="")
    sys.stderr.write(f"complained {CRM}\\n")
    logging.getLogger("crm").warning("logged %s", {"key": KEY})
    warnings.warn(f"warned of {KEY}")
    thread = threading.Thread(target=lambda: 1 / len(KEY[:0]), name=KEY)
    thread.start()
    thread.join()
    return "done"
'''

NAMES: Final = ("returns_secrets", "returns_text", "tells_the_model", "fails", "says_much")


def secrets_in(content: bytes) -> list[str]:
    """Return which secrets are in ``content``, in a spelling that a program would leave there."""
    spellings = {
        spelling
        for secret in (KEY, CRM)
        for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))
    }
    return [spelling for spelling in spellings if spelling.encode() in content]


async def test_no_secret_leaves_the_worker_by_a_tool(tmp_path: Path) -> None:
    """What a tool returns, raises, heartbeats or prints is without the worker's secrets, wherever it goes."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "leaky_tools.py").write_text(_TOOLS)
    home = tmp_path / "home"
    home.mkdir()
    with running_stack(
        home,
        LONGHAUL_TOOLS="leaky_tools",
        PYTHONPATH=str(tmp_path / "code"),
        GEMINI_API_KEY=KEY,
        LONGHAUL_SECRET_CRM=f"Bearer {CRM}",
    ) as stack:
        client = await stack.client()
        for name in NAMES:
            request = AgentRunRequest(
                model="gemini-3-flash-preview", input=f"Call {name}.", tools=(FunctionTool(name=name),)
            )
            await start_run(client, request, run_id=name)
        for name in NAMES:
            view = await assert_eventually(partial(stack.assert_ended, name, client=client))
            assert view.phase is Phase.COMPLETED, view
        chain = {
            "name": "leaky",
            "steps": {name: {"tool": {"name": name}, "on_error": "continue"} for name in NAMES},
        }
        (tmp_path / "chain.json").write_text(json.dumps(chain))
        ended = Command(stack)("chain", "run", str(tmp_path / "chain.json"), "--id", "leaky")
        assert (await look_at_chain(client, "leaky")).phase.is_end, ended
        histories = b""
        count = 0
        async for execution in client.list_workflows():
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            async for event in handle.fetch_history_events():
                histories += event.SerializeToString()
                count += 1
        assert count > 50
        log = stack.worker.log
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert any(path.match("tools/*.json") for path in files)
    assert secrets_in(histories) == []
    assert {str(path): found for path, content in files.items() if (found := secrets_in(content))} == {}
    # Nothing was held back: where a secret was, it says so.
    said = b"".join(content for path, content in files.items() if path.match("tools/*.json"))
    assert b"connected with [redacted]" in said
    assert b"401 for [redacted]" in histories
    assert b"no connection with [redacted] and [redacted]" in histories
    lines = [json.loads(line) for line in log.splitlines()]
    printed = [(line["event"], line["text"]) for line in lines if line["event"].endswith(".printed")]
    assert ("worker.printed", "imported with [redacted]") in printed
    for text in ("printed [redacted]", "no line end [redacted]", "complained [redacted]"):
        assert ("tool.printed", text) in printed
