"""An API that fails, lies or attacks: each run ends in a way that its table allows, and the worker stays."""

import contextlib
import html
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio
from markdown_it import MarkdownIt
from temporalio.client import Client

from runs.budget import Budget
from runs.errors import RunErrorCode
from runs.phase import Phase
from starter.runs import cancel_run, look_at_run, start_run
from starter.views import RunView
from tests.e2e.stack import Stack, assert_eventually, request_for, running_stack, worker_of

SHORT: Final = "duration_s=60"
"""One second at the stack's time scale."""


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for this module."""
    with running_stack(tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The stack, whose worker must be the same process, and well, after the test as before."""
    shared_stack.mend()
    pid = shared_stack.worker.pid
    yield shared_stack
    shared_stack.worker.show_news()
    assert (shared_stack.worker.is_running, shared_stack.worker.pid) == (True, pid)
    assert shared_stack.worker.health()["ok"] is True


@pytest_asyncio.fixture
async def client(stack: Stack) -> Client:
    """A client of the stack's server."""
    return await stack.client()


async def ended(stack: Stack, run_id: str, *, client: Client) -> RunView:
    """Wait for the end of a run."""
    return await assert_eventually(lambda: stack.assert_ended(run_id, client=client), within_s=60)


LOOK_FAULTS: Final = (
    "get-500",
    "get-html",
    "get-empty",
    "get-cut",
    "get-drop",
    "get-429 retry_after_s=1",
    "get-403-early",
    "get-404-early",
    "get-400-credentials",
    "wrong-types",
    "giant-body",
    "get-reply status=404 form=html",
    "get-another",
    "get-no-id",
)


async def test_looks_that_fail_are_taken_again(stack: Stack, client: Client) -> None:
    """Whatever a look runs into, the run completes: nothing that a GET answers says that the run is over."""
    faults = {fault.partition(" ")[0]: fault for fault in LOOK_FAULTS}
    for name, fault in faults.items():
        directive = f"{SHORT} fault={fault} times=2"
        await stack.start(name, client=client, request=request_for(name, directive=directive))
    phases = {name: (await ended(stack, name, client=client)).phase for name in faults}
    assert phases == dict.fromkeys(faults, Phase.COMPLETED)
    for name in faults:
        counted = stack.emulator.submission(name)
        assert (counted["creates"], counted["interactions"]) == (1, 1), name
        assert counted["looks"] >= 3, name  # two that failed, and one that did not


WORDS: Final = {
    "429-html": "fault=reply-after status=429 form=html times=100",
    "400-empty": "fault=reply-after status=400 form=empty times=100",
    "404-json": "fault=reply-after status=404 form=json times=100",
    "501-array": "fault=reply-after status=501 form=array times=100",
    "dots": "fault=id-dots times=100",
}
"""Answers to a create that was accepted, none of them the API's own word that it was not."""


async def test_what_anybody_else_says_of_a_submission_is_not_believed(stack: Stack, client: Client) -> None:
    """It was accepted, so it is held and paid for once, whatever something on the way says instead."""
    for name, fault in WORDS.items():
        request = request_for(f"word-{name}", directive=f"{SHORT} {fault}")
        request = request.model_copy(update={"budget": Budget(max_interactions=1)})
        await stack.start(f"word-{name}", client=client, request=request)

    async def assert_held(run_id: str) -> None:
        assert (await look_at_run(client, run_id)).phase is Phase.SUBMISSION_UNKNOWN

    for name in WORDS:
        await assert_eventually(partial(assert_held, f"word-{name}"))
        counted = stack.emulator.submission(f"word-{name}")
        assert (counted["creates"], counted["interactions"]) == (1, 1), name


async def test_what_refuses_by_its_nature_says_what_to_do(stack: Stack, client: Client) -> None:
    """Nothing can have run, so nobody has to decide; the model's body is sent once, not four times."""
    name = "too-large"
    directive = f"{SHORT} fault=reply-before status=413 form=html times=100"
    await stack.start(name, client=client, request=request_for(name, directive=directive))
    view = await ended(stack, name, client=client)
    assert view.phase is Phase.FAILED
    assert view.result is not None
    assert view.result.error is not None
    assert "attach less, or by URL" in view.result.error.message
    assert stack.emulator.submission(name)["creates"] == 1


async def test_a_rejected_key_is_named(stack: Stack, client: Client, tmp_path: Path) -> None:
    """The failure says which variable to look at; it was tried once, and nothing was created."""
    name = "rejected-key"
    environ = {"GEMINI_API_KEY": "bad-key", "LONGHAUL_TASK_QUEUE": name}
    with worker_of(stack.server, stack.emulator, home=tmp_path, **environ) as worker:
        await start_run(client, request_for(name), run_id=name, task_queue=name)
        view = await ended(stack, name, client=client)
        worker.show_news()
        assert "bad-key" not in worker.log
    assert view.phase is Phase.FAILED
    assert view.result is not None
    assert view.result.error is not None
    assert view.result.error.code is RunErrorCode.BAD_CREDENTIALS
    assert "GEMINI_API_KEY" in view.result.error.message
    assert stack.emulator.admin("GET", "/stats")["submissions"].get(name, {}).get("interactions", 0) == 0


def _put_a_file_in_the_place_of(folder: Path) -> None:
    for number in itertools.count():
        folder.rename(folder.with_name(f"away-{number}"))
        # A worker that looks after its store in between makes the folder again.
        with contextlib.suppress(IsADirectoryError):
            folder.write_text("a file where the folder was")
            return


async def test_a_store_that_fails_is_found_before_paying(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    """A store that takes nothing any more fails the run before anything was sent."""
    name = "no-store"
    with worker_of(stack.server, stack.emulator, home=tmp_path, LONGHAUL_TASK_QUEUE=name) as worker:
        _put_a_file_in_the_place_of(tmp_path / "artifacts")
        await start_run(client, request_for(name), run_id=name, task_queue=name)
        view = await ended(stack, name, client=client)
        worker.show_news()
    assert view.phase is Phase.FAILED
    assert view.result is not None
    assert view.result.error is not None
    assert view.result.error.code is RunErrorCode.ARTIFACT_STORE
    assert "nothing was submitted" in view.result.error.message
    assert name not in stack.emulator.admin("GET", "/stats")["submissions"]


async def test_what_never_ends_is_stopped_at_the_deadline(stack: Stack, client: Client) -> None:
    """An interaction that stays in progress for ever is cancelled, and the run says that this worked."""
    name = "zombie"
    # Ten seconds are the least deadline there is.
    request = request_for(name, directive="fault=zombie", deadline_s=10)
    await stack.start(name, client=client, request=request)
    view = await ended(stack, name, client=client)
    assert view.phase is Phase.TIMED_OUT
    assert view.result is not None
    assert view.result.cancel is not None
    assert view.result.cancel.was_confirmed is True
    assert view.result.error is not None
    assert view.result.error.code is RunErrorCode.DEADLINE
    assert stack.emulator.submission(name)["cancels"] >= 1


async def test_a_run_cancelled_by_a_person_is_cancelled_at_the_api(stack: Stack, client: Client) -> None:
    """`longhaul cancel` reaches the API, and its answer says that it did."""
    name = "cancelled"
    await stack.start(name, client=client, request=request_for(name, directive="duration_s=6000"))
    await assert_eventually(lambda: stack.assert_running(name, client=client))
    outcome = await cancel_run(client, name)
    assert outcome.phase is Phase.CANCELLED
    assert outcome.report is not None
    assert outcome.report.was_confirmed is True
    assert stack.emulator.submission(name)["cancels"] >= 1
    [listed] = [
        each
        for each in stack.emulator.admin("GET", "/interactions")["interactions"]
        if each["submission"] == name
    ]
    assert listed["status"] == "cancelled"


UNSHOWABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]")
"""Characters by which text acts on a terminal, or reads as other text than it is."""


class Attack(HTMLParser):
    """Collects whatever a page would do besides showing text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        if tag in {"script", "iframe", "object", "embed", "form", "base"}:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append(f"{name}={value}")
            address = unquote(html.unescape(value or ""))
            if name == "href" and urlsplit(address.strip()).scheme.lower() not in {"http", "https", ""}:
                self.found.append(f"{name}={value}")
            if name == "src" and not address.startswith(("data:image/", "image-")):
                self.found.append(f"{name}={value}")


def attacks_in(page: str) -> list[str]:
    """Return what an HTML page would do besides showing text."""
    attack = Attack()
    attack.feed(page)
    return attack.found


def as_lenient_viewer(markdown: str) -> str:
    """Return the HTML of a Markdown viewer that takes everything for what it says it is."""
    viewer = MarkdownIt("commonmark", {"html": True})

    def allow(url: str) -> bool:
        del url
        return True

    viewer.validateLink = allow  # type: ignore[method-assign] # how the library wants it replaced
    rendered: str = viewer.render(markdown)
    return rendered


@pytest.mark.parametrize("fault", ["html-title", "control-characters", "many-steps", "unknown-step"])
async def test_hostile_replies_are_shown_and_not_obeyed(
    stack: Stack, client: Client, fault: str, tmp_path: Path
) -> None:
    """Neither report.html nor report.md nor a terminal does what the text of a model or a stranger says."""
    await stack.start(fault, client=client, request=request_for(fault, directive=f"{SHORT} fault={fault}"))
    view = await ended(stack, fault, client=client)
    assert view.phase is Phase.COMPLETED, view
    longhaul(stack, "result", fault, "--out", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    report = (tmp_path / "report.md").read_text()
    assert attacks_in(page) == []
    # Links and images in the agent's own Markdown are left to the reader, whose viewer knows which to follow;
    # HTML is not, nor is any link in the list of sources.
    assert [
        each for each in attacks_in(as_lenient_viewer(report)) if not each.startswith(("href=", "src="))
    ] == []
    sources = report[report.index("## Sources") :]
    assert "example" in sources
    assert attacks_in(as_lenient_viewer(sources)) == []
    printed = [longhaul(stack, command, fault) for command in ("result", "watch")]
    for text in (page, html.unescape(page), report, html.unescape(report), *printed):
        assert UNSHOWABLE.findall(text) == []


def longhaul(stack: Stack, *arguments: str) -> str:
    """Run the command on a terminal without any abilities; return what it printed there."""
    environ = {**stack.worker.environ, "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", "from starter.main import main; main()", *arguments]
    terminal, inside = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as output:
        process = subprocess.Popen(command, env=environ, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        printed = b""
        # Linux ends a terminal that nobody writes to any more with an error instead of an end of file.
        with contextlib.suppress(OSError):
            while chunk := output.read(65_536):
                printed += chunk
        assert process.wait() == 0, printed
    return printed.decode().replace("\r\n", "\n")
