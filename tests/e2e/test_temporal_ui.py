"""What a person sees of a run in Temporal's own UI, in a real browser."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError
from temporalio.client import Client

from chains.messages import ChainPhase, ChainRequest
from chains.spec import ChainSpec
from runs.messages import DEFAULT_AGENT, AgentRunRequest
from runs.phase import Phase
from starter.chains import look_at_chain, start_chain
from starter.runs import look_at_run
from tests.e2e.stack import Stack, assert_eventually, running_stack

_CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or ""

pytestmark = [
    pytest.mark.skipif(not _CHROMIUM, reason="Chromium is not installed"),
    # One browser serves all tests, and it lives in one event loop.
    pytest.mark.asyncio(loop_scope="module"),
    # The UI is megabytes of JavaScript, which on a busy machine takes half a minute to come up.
    pytest.mark.timeout(240),
]

_WITHIN_S: Final = 100.0
"""A page that loads in two seconds on an idle machine; see above."""

RUNNING: Final = "tea-running"
DONE: Final = "tea-done"

QUESTION: Final = "Why is black tea <b id=x>astringent</b>, *really*?"
"""Its markup must be shown, not obeyed."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own, whose server has the UI."""
    with running_stack(tmp_path_factory.mktemp("ui"), has_ui=True) as stack:
        yield stack
        stack.worker.show_news()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(stack: Stack) -> Client:
    """A client, once there is a run in progress that has been looked at, and one that has completed."""
    client = await stack.client()
    for run_id, duration_s in ((RUNNING, 60_000), (DONE, 60)):
        question = f"{QUESTION}\n[[emulator submission={run_id} duration_s={duration_s}]]"
        request = AgentRunRequest(agent=DEFAULT_AGENT, input=question, labels=("ui",))
        await stack.start(run_id, client=client, request=request)
    await assert_eventually(lambda: stack.assert_between_looks(RUNNING, client=client))
    done = await assert_eventually(lambda: stack.assert_ended(DONE, client=client))
    assert done.phase is Phase.COMPLETED, done
    return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a screen and without anything it would ask the internet for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=_CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page."""
    page = await browser.new_page(viewport={"width": 1400, "height": 1100})
    yield page
    await page.close()


async def text_of(page: Page) -> str:
    """Return all words on the page, with the frames in which the UI shows Markdown, in one line."""
    texts = []
    for frame in page.frames:
        # The UI replaces frames as it learns more, in the middle of the reading, too.
        with contextlib.suppress(PlaywrightError):
            texts.append(await frame.locator("body").inner_text())
    return " ".join(" ".join(texts).split())


async def assert_shows(page: Page, *parts: str) -> str:
    """Wait until the page shows all parts; return its whole text."""

    async def shows() -> str:
        text = await text_of(page)
        if "Uh oh. There's an error." in text:
            # One of its own requests took the UI too long, on a machine that is busy with other tests.
            await page.reload()
        missing = [part for part in parts if part not in text]
        assert not missing, f"not shown: {missing}, but:\n{text}"
        return text

    return await assert_eventually(shows, within_s=_WITHIN_S)


async def open_tab(page: Page, stack: Stack, client: Client, run_id: str, *, tab: str) -> None:
    """Open one of the tabs that the UI has for a run."""
    description = await client.get_workflow_handle(run_id).describe()
    await page.goto(f"{stack.server.ui_url}/{run_id}/{description.run_id}/{tab}")


async def test_the_list_finds_runs_by_phase(stack: Stack, client: Client, page: Page) -> None:
    """The list of workflows, filtered by phase, has the runs in that phase and no others."""
    assert (await look_at_run(client, RUNNING)).phase is Phase.RUNNING
    query = quote('`RunPhase`="running"')
    await page.goto(f"{stack.server.ui_url}?query={query}")
    text = await assert_shows(page, RUNNING, "RunPhase", "1 Workflow")
    assert DONE not in text


async def test_the_page_of_a_running_run_says_where_it_stands(
    stack: Stack, client: Client, page: Page
) -> None:
    """Question, phase, interaction and where the report will be; markup in the question stays text."""
    view = await look_at_run(client, RUNNING)
    assert view.interaction_id is not None
    await open_tab(page, stack, client, RUNNING, tab="user-metadata")
    text = await assert_shows(
        page,
        "Summary",
        QUESTION,
        "Current Details",
        "Running",
        f"Asked: {DEFAULT_AGENT}",
        "Deadline: ",
        f"Interaction: {view.interaction_id}",
        f"The report will be in: {(stack.home / 'artifacts' / RUNNING).as_uri()}/",
    )
    # In summary, details and current details, all of which the UI takes for Markdown.
    assert text.count(QUESTION) == 3, text
    assert [await frame.locator("#x").count() for frame in page.frames] == [0] * len(page.frames)


async def test_the_pending_look_shows_what_the_last_one_saw(stack: Stack, client: Client, page: Page) -> None:
    """The newest sighting is on the page of pending activities, between looks, and no stack trace."""
    await open_tab(page, stack, client, RUNNING, tab="pending-activities")
    text = await assert_shows(
        page, "watch_interaction", "Heartbeat Details", '"looks":', '"status": "in_progress"'
    )
    assert "Stack Trace" not in text


async def test_the_page_of_a_finished_run_names_its_files(stack: Stack, client: Client, page: Page) -> None:
    """What was found, what it cost and where the report is."""
    result = (await look_at_run(client, DONE)).result
    assert result is not None
    await open_tab(page, stack, client, DONE, tab="user-metadata")
    text = await assert_shows(
        page,
        "Completed",
        f"{result.usage.total_tokens:,} tokens",
        f"{result.counts.searches} searches",
    )
    assert [ref.name for ref in result.artifacts if ref.name not in text] == []
    assert (stack.home / "artifacts" / DONE).as_uri() in text


async def test_the_page_of_a_chain_shows_its_steps(stack: Stack, client: Client, page: Page) -> None:
    """Each step with where it stands, who is needed, and what the chain was started with."""
    spec = ChainSpec.model_validate(
        {
            "name": "brew",
            "inputs": {"topic": {}},
            "steps": {
                "leaves": {"ask": "Which leaves for {{ inputs.topic }}? [[emulator duration_s=60]]"},
                "taste": {"approve": {"message": "Is it *good*?"}, "after": "leaves"},
            },
        }
    )
    await start_chain(client, ChainRequest(spec=spec, inputs={"topic": QUESTION}), chain_id="brew")

    async def waits() -> None:
        assert (await look_at_chain(client, "brew")).phase is ChainPhase.AWAITING_APPROVAL

    await assert_eventually(waits)
    await open_tab(page, stack, client, "brew", tab="user-metadata")
    text = await assert_shows(
        page,
        "brew: awaiting approval",
        "Needs a person:",
        "leaves (ask): completed",
        "taste (approve): awaiting approval",
        "Is it *good*?",
    )
    assert text.count(QUESTION) == 2, text
    assert [await frame.locator("#x").count() for frame in page.frames] == [0] * len(page.frames)
