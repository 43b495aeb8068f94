"""What a run thinks and writes, on the screen while it happens: text as the answer, the rest beside it.

The run does not depend on any of this. The command reads the API's stream by itself, with the worker's
settings; where it cannot, it says so in one line and shows the usual progress.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from typing import Final, TextIO

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from interactions.errors import InteractionsError
from interactions.following import Patience, Piece, PieceKind, follow, is_credential_refused
from runs.text import TextCleaner
from settings import Settings, SettingsError
from starter import formats
from starter.errors import InvalidInput
from starter.output import Output
from starter.progress import Progress, shown_progress
from starter.views import RunView

_IDLE_TIMEOUT_S: Final = 60.0
"""Somebody is watching, and a stream that has hung is resumed at the price of two requests."""

_LAST_WORDS_S: Final = 30.0
"""For the rest of an interaction that the run has done with: one failed stream, and one more try."""

_THOUGHT_STYLE: Final = "\x1b[2;3m"
_ACTIVITY_STYLE: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"

_THOUGHT_PREFIX: Final = "thought: "
_ACTIVITY_PREFIX: Final = "- "


def check_streaming(*, is_streamed: bool, as_json: bool, is_waiting: bool = True) -> None:
    """Return if what was typed beside ``--stream`` goes with it.

    Raises:
        InvalidInput: It does not.
    """
    if is_streamed and as_json:
        raise InvalidInput("--stream prints text while it is written, --json one document; give one of them")
    if is_streamed and not is_waiting:
        raise InvalidInput("--stream shows what --no-wait does not wait for; give one of them")


def api_to_stream_from(settings: Settings, *, output: Output) -> ApiConfig | None:
    """Return the API as the worker sees it, or None after saying why there is no stream of it."""
    try:
        return settings.api_config()
    except SettingsError as error:
        output.say(f"note: the API cannot be streamed from here ({error}); the run goes on, without --stream")
        return None


class Screen:
    """Puts pieces where they belong: text on one stream, thoughts and activities on another.

    What is shown on a terminal, or beside the answer, is cleaned of what a terminal would act on. Where the
    answer goes to a file or a program it is not touched, so that it is the answer to the last byte.

    Args:
        answer: Where the text goes.
        beside: Where everything else goes.
        is_terminal: Whether ``beside`` is something that knows styles; elsewhere, lines have prefixes.
    """

    def __init__(self, answer: TextIO, beside: TextIO, *, is_terminal: bool) -> None:
        self._answer, self._beside = answer, beside
        self._is_terminal = is_terminal
        self._is_cleaned = answer.isatty()
        # Both on one terminal: neither may go on in a line that the other has begun.
        self._is_shared = self._is_cleaned and beside.isatty()
        self._text_cleaner, self._thought_cleaner = TextCleaner(), TextCleaner()
        self._thought: int | None = None
        self._is_answer_open = False
        self._is_beside_open = False
        self.has_text = False
        self._separator = ""

    def show(self, piece: Piece) -> None:
        """Show something new."""
        match piece.kind:
            case PieceKind.TEXT:
                self._end_thought()
                self._write(self._text_cleaner.feed(piece.text) if self._is_cleaned else piece.text)
            case PieceKind.THOUGHT:
                if piece.index != self._thought:
                    self._end_thought()
                    self._thought = piece.index
                self._think(self._thought_cleaner.feed(piece.text))
            case PieceKind.ACTIVITY:
                self._end_thought()
                self._tell(formats.one_line(piece.text), style=_ACTIVITY_STYLE, prefix=_ACTIVITY_PREFIX)

    def say(self, text: str) -> None:
        """Tell something of our own, on a line beside the answer."""
        self._end_thought()
        self._tell(text)

    def end_interaction(self) -> None:
        """Show what was held back, and let the text of a further interaction be a paragraph of its own."""
        self._end_thought()
        self._write(self._text_cleaner.flush())
        if self.has_text:
            self._separator = "\n\n" if self._is_answer_open else "\n"

    def end_lines(self) -> None:
        """Leave a terminal at the beginning of a line."""
        self._end_thought()
        if self._is_cleaned:
            self._end_answer_line()

    def _write(self, text: str) -> None:
        if not text:
            return
        text, self._separator = self._separator + text, ""
        if self._is_cleaned:
            self._answer.write(text)
            self._answer.flush()
        else:
            # UTF-8 whatever the terminal's language, like every document of an answer.
            self._answer.buffer.write(text.encode(errors="replace"))
            self._answer.buffer.flush()
        self.has_text = True
        self._is_answer_open = not text.endswith("\n")

    def _think(self, text: str) -> None:
        if not text:
            return
        self._make_way()
        if self._is_terminal:
            self._beside.write(f"{_THOUGHT_STYLE}{text}{_PLAIN}")
            self._is_beside_open = not text.endswith("\n")
        else:
            for line in text.splitlines(keepends=True):
                prefix = "" if self._is_beside_open or line == "\n" else _THOUGHT_PREFIX
                self._beside.write(prefix + line)
                self._is_beside_open = not line.endswith("\n")
        self._beside.flush()

    def _end_thought(self) -> None:
        if self._thought is None:
            return
        self._think(self._thought_cleaner.flush())
        if self._is_beside_open:
            self._beside.write("\n")
            self._is_beside_open = False
        self._thought = None

    def _tell(self, line: str, *, style: str = "", prefix: str = "") -> None:
        self._make_way()
        styled = f"{style}{prefix}{line}{_PLAIN}" if style and self._is_terminal else f"{prefix}{line}"
        self._beside.write(f"{styled}\n")
        self._beside.flush()

    def _make_way(self) -> None:
        """Get ready to write beside the answer."""
        if self._is_shared:
            self._end_answer_line()

    def _end_answer_line(self) -> None:
        if self._is_answer_open:
            self._answer.write("\n")
            self._answer.flush()
            self._is_answer_open = False


class StreamedProgress:
    """Shows what the interactions of a run say, one after the other.

    Args:
        client: Of the API.
        screen: Where it is shown.
        fallback: Opens the usual progress, for when the stream cannot be read.
        last_words_s: How long the rest of an interaction is waited for that the run is past.
    """

    def __init__(
        self,
        client: InteractionsClient,
        screen: Screen,
        *,
        fallback: Callable[[], Progress],
        last_words_s: float = _LAST_WORDS_S,
    ) -> None:
        self._client = client
        self._screen = screen
        self._fallback = fallback
        self._last_words_s = last_words_s
        self._usual: Progress | None = None
        self._newest: RunView | None = None
        self._headline: str | None = None
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._last_words: asyncio.Timeout | None = None
        self._may_show = asyncio.Event()
        self._may_show.set()
        self._following = asyncio.create_task(self._follow_all())

    def show(self, view: RunView) -> None:
        """Show where the run stands, and follow its newest interaction.

        Raises:
            BrokenPipeError: Nobody reads the answer any more.
        """
        before, self._newest = self._newest, view
        if view.interaction_id is not None and (
            before is None or view.interaction_id != before.interaction_id
        ):
            self._waiting.put_nowait(view.interaction_id)
            self._allow_last_words()
        if self._following.done():
            self._following.result()
        if self._usual is not None:
            self._usual.show(view)
            return
        headline = _headline(view)
        if headline != self._headline:
            self._headline = headline
            self._screen.say(f"[{formats.elapsed(view.elapsed_s)}] {headline}")

    @property
    def has_shown_text(self) -> bool:
        """Whether any of the answer was shown."""
        return self._screen.has_text

    def pause(self) -> None:
        """Leave the screen to something else. The stream waits, or breaks and is resumed."""
        self._may_show.clear()
        self._screen.end_lines()
        if self._usual is not None:
            self._usual.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._may_show.set()
        if self._usual is not None:
            self._usual.resume()

    async def drain(self) -> None:
        """Wait for the rest of what is being followed; the run itself has done with it."""
        self._waiting.put_nowait(None)
        self._allow_last_words()
        await self._following

    async def aclose(self) -> None:
        """Stop following."""
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)

    def _allow_last_words(self) -> None:
        """Let what is being followed come to its end soon: the run is past it."""
        if self._last_words is not None and self._last_words.when() is None:
            self._last_words.reschedule(asyncio.get_running_loop().time() + self._last_words_s)

    async def _follow_all(self) -> None:
        while (interaction_id := await self._waiting.get()) is not None:
            try:
                await self._follow(interaction_id)
            except TimeoutError:
                await self._may_show.wait()
                self._screen.say("note: not all of it could be streamed; `longhaul result` has it")
            except InteractionsError as error:
                await self._may_show.wait()
                self._screen.say(_why_not(error))
                self._usual = self._fallback()
                return

    async def _follow(self, interaction_id: str) -> None:
        is_over = self._newest is not None and self._newest.phase.is_end
        # What is over and not there will not come.
        patience = Patience(missing_for_s=0.0) if is_over else Patience()
        try:
            async with (
                asyncio.timeout(None) as self._last_words,
                aclosing(follow(self._client, interaction_id, patience=patience)) as pieces,
            ):
                if not self._waiting.empty():
                    self._allow_last_words()
                async for piece in pieces:
                    await self._may_show.wait()
                    self._screen.show(piece)
        finally:
            self._last_words = None
            self._screen.end_interaction()


@asynccontextmanager
async def live_progress(api: ApiConfig | None, *, output: Output) -> AsyncIterator[Progress]:
    """Show a run's stream while the block lasts, and what is left of it when the block ends by itself.

    Args:
        api: Where the interactions are; None shows the usual progress.
        output: Of the command.
    """
    if api is None:
        with shown_progress(sys.stderr, is_terminal=output.is_terminal) as progress:
            yield progress
        return
    screen = Screen(sys.stdout, sys.stderr, is_terminal=output.is_terminal)
    with ExitStack() as stack:
        client = InteractionsClient(api.model_copy(update={"stream_idle_timeout_s": _IDLE_TIMEOUT_S}))

        def fallback() -> Progress:
            screen.end_lines()
            return stack.enter_context(shown_progress(sys.stderr, is_terminal=output.is_terminal))

        async with client:
            progress = StreamedProgress(client, screen, fallback=fallback)
            try:
                yield progress
                await progress.drain()
            finally:
                await progress.aclose()
                screen.end_lines()


def _headline(view: RunView) -> str:
    phase = view.phase.value.replace("_", " ")
    reason = None if view.phase.is_end else formats.hint(view)
    return f"{phase} ({reason})" if reason else phase


def _why_not(error: InteractionsError) -> str:
    reason = formats.one_line(error.message)
    if is_credential_refused(error):
        return f"note: the API refuses the key set here ({reason}); the run goes on, without --stream"
    return f"note: the stream cannot be read ({reason}); the run goes on, without --stream"
