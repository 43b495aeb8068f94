"""A run's stream on the screen: the answer alone on one stream, everything else on another."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext

import pytest

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from interactions.following import Piece, PieceKind
from interactions.requests import CreateInteraction, DeepResearchConfig
from runs.phase import Phase
from settings import Settings
from starter.errors import InvalidInput
from starter.live import Screen, StreamedProgress, api_to_stream_from, check_streaming
from starter.output import Output
from starter.views import RunView
from tests.emulator_server import EmulatorServer
from tests.unit.starter.sample import view

THOUGHT, TEXT, ACTIVITY = PieceKind.THOUGHT, PieceKind.TEXT, PieceKind.ACTIVITY


class Terminal(io.TextIOWrapper):
    """A stream in memory that passes for a terminal, or for a file."""

    def __init__(self, *, is_tty: bool, shared: "Terminal | None" = None) -> None:
        self.raw_bytes: io.BytesIO = io.BytesIO() if shared is None else shared.raw_bytes
        super().__init__(self.raw_bytes, encoding="utf-8", errors="replace", write_through=True)
        self._is_tty = is_tty

    def isatty(self) -> bool:
        """Whether it passes for a terminal."""
        return self._is_tty

    @property
    def text(self) -> str:
        """All that was written."""
        return self.raw_bytes.getvalue().decode()


def on_a_terminal() -> tuple[Screen, Terminal]:
    """A screen whose both streams are one terminal."""
    answer = Terminal(is_tty=True)
    return Screen(answer, Terminal(is_tty=True, shared=answer), is_terminal=True), answer


def in_files() -> tuple[Screen, Terminal, Terminal]:
    """A screen whose streams are two files."""
    answer, beside = Terminal(is_tty=False), Terminal(is_tty=False)
    return Screen(answer, beside, is_terminal=False), answer, beside


def show(screen: Screen, *pieces: tuple[PieceKind, int, str]) -> None:
    """Show pieces one after the other."""
    for kind, index, text in pieces:
        screen.show(Piece(index, kind, text))


def test_in_a_file_the_text_is_the_answer_to_the_last_byte() -> None:
    """Nothing is added to the text and nothing taken from it, whatever it holds."""
    screen, answer, beside = in_files()
    show(
        screen,
        (THOUGHT, 0, "Hm"),
        (TEXT, 0, "# Zü\x1b[31"),
        (ACTIVITY, 0, "reading"),
        (TEXT, 1, "mrich\r\n \ud800"),
    )
    screen.end_interaction()
    screen.end_lines()
    assert answer.text == "# Zü\x1b[31mrich\r\n ?"
    assert beside.text == "thought: Hm\n- reading\n"


def test_in_a_log_each_line_says_what_it_is() -> None:
    """Thoughts have their prefix on every line that shows something, however they were cut."""
    screen, _, beside = in_files()
    screen.say("[0s] running")
    show(screen, (THOUGHT, 0, "**Tid"), (THOUGHT, 0, "es**\n\nPulled"), (THOUGHT, 0, " by the moon\n"))
    show(screen, (THOUGHT, 1, "Next"), (ACTIVITY, 0, "searching: a\x1b[2J\nb"))
    assert beside.text.splitlines() == [
        "[0s] running",
        "thought: **Tides**",
        "",
        "thought: Pulled by the moon",
        "thought: Next",
        "- searching: a",
    ]


def test_on_a_terminal_nobody_writes_into_the_line_of_another() -> None:
    """Thoughts are dim and italic, and begin on a line of their own; so does the text after them."""
    screen, terminal = on_a_terminal()
    show(screen, (THOUGHT, 0, "Hm"), (THOUGHT, 0, "m"), (TEXT, 0, "Tides "), (ACTIVITY, 0, "reading x"))
    show(screen, (TEXT, 0, "are pulled"))
    screen.end_interaction()
    screen.end_lines()
    assert terminal.text == (
        "\x1b[2;3mHm\x1b[0m\x1b[2;3mm\x1b[0m\n"  # a thought in two pieces
        "Tides \n"
        "\x1b[2m- reading x\x1b[0m\n"
        "are pulled\n"
    )


def test_nothing_in_a_piece_acts_on_a_terminal() -> None:
    """Escape sequences are taken out, also where they come in two pieces; what is no sequence is shown."""
    screen, terminal = on_a_terminal()
    show(
        screen, (TEXT, 0, "a\x1b[3"), (TEXT, 0, "1mb\x1b]0;title"), (TEXT, 0, "\x07c\r"), (TEXT, 0, "\nd\x1b")
    )
    show(screen, (TEXT, 1, "]8;;"))
    screen.end_interaction()
    assert terminal.text == "abc\nd8;;"


def test_the_text_of_a_further_interaction_is_a_paragraph_of_its_own() -> None:
    """A plan and the report that follows it are not run together."""
    screen, answer, _ = in_files()
    for text in ("The plan", "The report\n", "More"):
        show(screen, (TEXT, 0, text))
        screen.end_interaction()
    screen.end_interaction()
    assert answer.text == "The plan\n\nThe report\n\nMore"


@pytest.mark.parametrize(
    ("beside", "is_refused"),
    [
        ({"is_streamed": True, "as_json": True}, True),
        ({"is_streamed": True, "as_json": False, "is_waiting": False}, True),
        ({"is_streamed": True, "as_json": False}, False),
        ({"is_streamed": False, "as_json": True, "is_waiting": False}, False),
    ],
)
def test_what_does_not_go_with_a_stream_is_refused(beside: dict[str, bool], *, is_refused: bool) -> None:
    """One document cannot be printed in pieces, nor can what nobody waits for."""
    with pytest.raises(InvalidInput) if is_refused else nullcontext():
        check_streaming(**beside)


@pytest.mark.parametrize(
    ("environ", "proxy", "reason"),
    [
        (
            {"LONGHAUL_API_BASE_URL": "http://a.b"},
            "",
            "LONGHAUL_API_BASE_URL: the key would be sent in clear",
        ),
        ({}, "socks5://host", "HTTPS_PROXY: SOCKS proxies are not supported"),
    ],
)
def test_what_keeps_the_api_from_being_streamed_is_told(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    proxy: str,
    reason: str,
) -> None:
    """In one line; the run goes on without it."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    settings = Settings.from_env({**environ, "GEMINI_API_KEY": "key"})
    assert api_to_stream_from(settings, output=Output(as_json=False)) is None
    told = capsys.readouterr().err
    assert told.startswith(f"note: the API cannot be streamed from here ({reason}")
    assert told.count("\n") == 1


def test_without_a_key_there_is_no_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """The worker has its own key; whoever has none here is told so in one line."""
    output = Output(as_json=False)
    assert api_to_stream_from(Settings.from_env({}), output=output) is None
    assert capsys.readouterr().err.startswith("note: the API cannot be streamed from here (GEMINI_API_KEY: ")
    environ = {"LONGHAUL_API_BASE_URL": "http://127.0.0.1:8089"}
    api = api_to_stream_from(Settings.from_env(environ), output=output)
    assert api is not None
    assert api.root_url == "http://127.0.0.1:8089/v1beta"


class Usual:
    """The usual progress, for a test to see what it was shown."""

    def __init__(self) -> None:
        self.shown: list[RunView] = []

    def show(self, view: RunView) -> None:
        """Remember ``view``."""
        self.shown.append(view)

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""


class Watching:
    """Streamed progress into files, over a client."""

    def __init__(self, client: InteractionsClient, *, last_words_s: float = 30) -> None:
        self.screen, self.answer, self.beside = in_files()
        self.usual = Usual()
        self.progress = StreamedProgress(
            client, self.screen, fallback=lambda: self.usual, last_words_s=last_words_s
        )


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """An emulator whose research takes little more than half a second."""
    with EmulatorServer(time_scale=1_200) as running:
        yield running


@pytest.fixture
async def client(server: EmulatorServer) -> AsyncIterator[InteractionsClient]:
    """A client of ``server``."""
    config = ApiConfig.model_validate({"api_key": "any", "base_url": server.base_url})
    async with InteractionsClient(config) as client:
        yield client


@pytest.fixture
async def watching(client: InteractionsClient) -> AsyncIterator[Watching]:
    """Streamed progress over ``client``."""
    watching = Watching(client)
    yield watching
    await watching.progress.aclose()


async def started(client: InteractionsClient, directive: str = "") -> str:
    """Start a research that shows its thoughts, and return its id."""
    request = CreateInteraction(
        agent="deep-research-preview-04-2026",
        input=f"Why is tea bitter? [[emulator {directive}]]",
        background=True,
        agent_config=DeepResearchConfig(thinking_summaries="auto"),
    )
    return (await client.create(request)).id


async def test_a_run_is_followed_from_one_interaction_to_the_next(
    client: InteractionsClient, watching: Watching
) -> None:
    """The texts come one after the other, and the phases once each."""
    first, second = await started(client), await started(client)
    watching.progress.show(view(Phase.REQUESTED, elapsed_s=0))
    for interaction_id in (first, first, second):
        watching.progress.show(view(interaction_id=interaction_id, elapsed_s=1))
    watching.progress.show(view(Phase.COMPLETED, interaction_id=second, elapsed_s=9))
    await watching.progress.drain()
    texts = [(await client.get(interaction_id)).text for interaction_id in (first, second)]
    assert watching.answer.text == "\n".join(texts)
    lines = watching.beside.text.splitlines()
    assert [line for line in lines if line.startswith("[")] == [
        "[0s] requested",
        "[1s] running",
        "[9s] completed",
    ]
    assert any(line.startswith("thought: ") for line in lines)
    assert any(line.startswith("- searching: ") for line in lines)
    assert not watching.usual.shown


async def test_a_run_that_never_was_at_the_api_has_nothing_to_stream(watching: Watching) -> None:
    """A run that is rejected ends without an interaction, and nobody waits for one."""
    watching.progress.show(view(Phase.FAILED))
    await watching.progress.drain()
    assert watching.answer.text == ""


async def test_a_refused_key_is_said_once_and_the_usual_progress_goes_on(server: EmulatorServer) -> None:
    """Whoever may watch a run in Temporal need not have the API's key."""
    config = ApiConfig.model_validate({"api_key": "bad-key", "base_url": server.base_url})
    async with InteractionsClient(config) as client:
        watching = Watching(client)
        watching.progress.show(view(interaction_id="v1_any"))
        async with asyncio.timeout(10):
            while not watching.usual.shown:
                await asyncio.sleep(0)
                watching.progress.show(view(interaction_id="v1_any"))
        watching.progress.show(view(interaction_id="v1_other"))
        await watching.progress.drain()
        await watching.progress.aclose()
    notes = [line for line in watching.beside.text.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert "refuses the key" in notes[0]


async def test_an_interaction_that_is_gone_is_not_waited_for(watching: Watching) -> None:
    """The API forgets; whoever watches a run of last year is told at once."""
    watching.progress.show(view(Phase.COMPLETED, interaction_id="v1_gone"))
    async with asyncio.timeout(10):
        await watching.progress.drain()
    assert "the stream cannot be read" in watching.beside.text


async def test_what_the_run_is_past_is_not_waited_for(client: InteractionsClient) -> None:
    """An interaction without an end does not keep the next one from being shown."""
    watching = Watching(client, last_words_s=1)
    endless, next_one = await started(client, "duration_s=1000000"), await started(client, "duration_s=1")
    watching.progress.show(view(interaction_id=endless))
    watching.progress.show(view(interaction_id=next_one))
    await watching.progress.drain()
    await watching.progress.aclose()
    assert watching.answer.text == (await client.get(next_one)).text
    assert "not all of it could be streamed" in watching.beside.text
    await client.cancel(endless)


async def test_nothing_is_shown_in_a_pause(client: InteractionsClient, watching: Watching) -> None:
    """While somebody is asked the screen is still; afterwards everything is there."""
    ended = view(Phase.COMPLETED, interaction_id=await started(client, "duration_s=1"))
    watching.progress.show(ended)
    watching.progress.pause()
    draining = asyncio.create_task(watching.progress.drain())
    other = Watching(client)
    other.progress.show(ended)
    await other.progress.drain()
    assert watching.answer.text == ""
    watching.progress.resume()
    await draining
    assert watching.answer.text == other.answer.text != ""


class Closed(Terminal):
    """A stream whose reader has gone."""

    def flush(self) -> None:
        """Fail as a pipe does."""
        raise BrokenPipeError


async def test_a_reader_that_leaves_ends_the_watching(client: InteractionsClient) -> None:
    """``longhaul watch --stream | head`` is not left watching for nobody."""
    screen = Screen(Closed(is_tty=True), Terminal(is_tty=False), is_terminal=False)
    progress = StreamedProgress(client, screen, fallback=Usual)
    shown = view(Phase.COMPLETED, interaction_id=await started(client, "duration_s=1"))
    progress.show(shown)
    with pytest.raises(BrokenPipeError):
        await progress.drain()
    with pytest.raises(BrokenPipeError):
        progress.show(shown)
    await progress.aclose()
