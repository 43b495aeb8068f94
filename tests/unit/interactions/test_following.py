"""Following an interaction through every way in which streams are known to break."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Final

import httpx2 as httpx
import pytest

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from interactions.errors import ApiStatusError, InteractionsError, ResponseTooLarge
from interactions.following import Patience, Piece, PieceKind, follow, is_credential_refused
from interactions.requests import CreateInteraction, DeepResearchConfig
from interactions.tools import Function
from tests.emulator_server import EmulatorServer
from tests.unit.interactions.support import KEY, SSE_HEADERS, client_over, sse_body

IMPATIENT: Final = Patience(reconnect_after_s=0.01, reconnect_at_most_s=0.1, missing_for_s=60)
AT_ONCE: Final = Patience(reconnect_after_s=0, reconnect_at_most_s=0, missing_for_s=0)

Told = dict[tuple[PieceKind, int], str]


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """An emulator whose research takes little more than half a second."""
    with EmulatorServer(time_scale=1_200) as running:
        yield running


@pytest.fixture
async def client(server: EmulatorServer) -> AsyncIterator[InteractionsClient]:
    """A client of ``server`` that does not wait long for a silent stream."""
    config = ApiConfig.model_validate(
        {"api_key": KEY, "base_url": server.base_url, "stream_idle_timeout_s": 0.5}
    )
    async with InteractionsClient(config) as client:
        yield client


async def started(client: InteractionsClient, directive: str) -> str:
    """Start a research that shows its thoughts, and return its id."""
    created = await client.create(
        CreateInteraction(
            agent="deep-research-preview-04-2026",
            input=f"Why is tea bitter? [[emulator {directive}]]",
            background=True,
            agent_config=DeepResearchConfig(thinking_summaries="auto"),
        )
    )
    return created.id


async def told_by(pieces: AsyncIterator[Piece]) -> Told:
    """All pieces, put together by what they are pieces of."""
    told: defaultdict[tuple[PieceKind, int], str] = defaultdict(str)
    async for piece in pieces:
        told[piece.kind, piece.index] += piece.text
    return dict(told)


async def truth(client: InteractionsClient, interaction_id: str) -> Told:
    """The thoughts and texts of the finished interaction, read from its JSON by other means."""
    steps = json.loads((await client.get(interaction_id)).raw_json)["steps"]
    thoughts = ["".join(p["text"] for p in s.get("summary", [])) for s in steps if s["type"] == "thought"]
    texts = [
        "".join(part.get("text", "") for part in step["content"])
        for step in steps
        if step["type"] == "model_output"
    ]
    return {
        (kind, index): text
        for kind, many in ((PieceKind.THOUGHT, thoughts), (PieceKind.TEXT, texts))
        for index, text in enumerate(many)
        if text
    }


def words(told: Told) -> Told:
    """Without the activities."""
    return {key: text for key, text in told.items() if key[0] is not PieceKind.ACTIVITY}


@pytest.mark.parametrize(
    "faults",
    [
        "",
        "fault=stream-cut cut_events=4",
        "fault=stream-cut cut_events=5",
        "fault=stream-cut cut_events=7",
        "fault=stream-cut cut_events=60",
        "fault=stream-cut,stream-few-ids cut_events=9",
        "fault=stream-cut,stream-rechunked cut_events=8",
        "fault=stream-cut,stream-rechunked,stream-few-ids cut_s=0.1",
        "fault=stream-cut,stream-resume-400 cut_s=0.2",
        "fault=stream-cut,stream-resume-hangs cut_s=0.2",
        "fault=stream-cut-600",
        "fault=stream-json-tail",
        "fault=stream-stall",
        "fault=get-404-early times=3",
        "fault=get-403-early times=2",
        "fault=get-html times=2",
        "fault=get-500 times=1",
        "fault=get-drop times=2",
        "fault=get-empty times=2",
        "fault=get-400-credentials times=2",
        "fault=many-steps steps=300",
        "fault=no-usage",
        "fault=queued",
        "fault=unknown-status",
        "fault=unknown-step",
        "fault=incomplete",
        "fault=no-text",
        "fault=failed",
        "fault=failed,stream-error-only",
        "fault=control-characters",
    ],
)
async def test_everything_is_told_once_however_streams_break(client: InteractionsClient, faults: str) -> None:
    """What was told is, thought by thought and text by text, what the finished interaction says."""
    interaction_id = await started(client, faults)
    async with asyncio.timeout(30):
        told = await told_by(follow(client, interaction_id, patience=IMPATIENT))
    assert words(told) == await truth(client, interaction_id)
    activities = [text for (kind, _), text in told.items() if kind is PieceKind.ACTIVITY]
    searches = sum(text.startswith("searching: ") for text in activities)
    steps = json.loads((await client.get(interaction_id)).raw_json)["steps"]
    assert searches == sum(step["type"] == "google_search_call" for step in steps)


async def test_the_text_comes_while_it_is_written(client: InteractionsClient) -> None:
    """Thoughts and activities are told long before the end, in the order in which they happened."""
    interaction_id = await started(client, "duration_s=36000")
    kinds: list[PieceKind] = []
    async with asyncio.timeout(10), aclosing(follow(client, interaction_id, patience=IMPATIENT)) as pieces:
        async for piece in pieces:
            kinds.append(piece.kind)
            if len(kinds) == 4:
                break
    assert kinds[0] is PieceKind.THOUGHT
    assert PieceKind.ACTIVITY in kinds
    await client.cancel(interaction_id)


async def test_a_finished_interaction_is_told_from_its_start(client: InteractionsClient) -> None:
    """Whoever comes late misses nothing."""
    interaction_id = await started(client, "duration_s=1")
    assert words(await told_by(follow(client, interaction_id))) == await truth(client, interaction_id)


async def test_following_ends_with_a_cancelled_interaction(client: InteractionsClient) -> None:
    """The end is what a GET says it is, however late."""
    interaction_id = await started(client, "duration_s=100000")
    await client.cancel(interaction_id)
    async with asyncio.timeout(20):
        await told_by(follow(client, interaction_id, patience=IMPATIENT))
    assert (await client.get(interaction_id)).status == "cancelled"


async def test_a_turn_that_asks_for_functions_is_over(client: InteractionsClient) -> None:
    """A call that the caller has to carry out is told by its name, and ends the following."""
    created = await client.create(
        CreateInteraction(
            model="gemini-3.8-flash",
            input="The weather in Paris?",
            background=True,
            tools=(Function(name="get_weather"),),
        )
    )
    told = await told_by(follow(client, created.id, patience=IMPATIENT))
    assert told[PieceKind.ACTIVITY, 0] == "calling get_weather(…)"


async def test_a_stream_without_end_is_left(
    client: InteractionsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that never stops talking does not eat the memory of whoever listens."""
    monkeypatch.setattr("interactions.transcript._MAX_CHARS", 10_000)
    interaction_id = await started(client, "fault=endless-stream")
    with pytest.raises(ResponseTooLarge):
        await told_by(follow(client, interaction_id, patience=IMPATIENT))


class Service:
    """An API that answers streams and looks in turn from two scripts; the last answer of each stays."""

    def __init__(self, *, streams: list[httpx.Response], looks: list[httpx.Response]) -> None:
        self.asked: list[str] = []
        self._streams, self._looks = streams, looks

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        query = request.url.params
        script = self._streams if "stream" in query else self._looks
        self.asked.append(query.get("last_event_id", "start") if "stream" in query else "look")
        answer = script.pop(0) if len(script) > 1 else script[0]
        # A response can be read once.
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


def streaming(*texts: str, mark: str | None = None, is_done: bool = False) -> httpx.Response:
    """A stream of pieces of one text; the last may be marked."""
    events: list[dict[str, Any]] = [
        {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
    ]
    events += [
        {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": text}} for text in texts
    ]
    if mark is not None:
        events[-1]["event_id"] = mark
    tail = ["[DONE]"] if is_done else []
    return httpx.Response(
        200, content=sse_body(*(json.dumps(event) for event in events), *tail), headers=SSE_HEADERS
    )


def looking(status: str, *texts: str) -> httpx.Response:
    """The interaction as JSON, with one step for each text."""
    steps = [{"type": "model_output", "content": [{"type": "text", "text": text}]} for text in texts]
    return httpx.Response(200, json={"id": "v1_a", "status": status, "steps": steps})


def refusing(status: int, message: str = "no") -> httpx.Response:
    """An error in the API's form."""
    return httpx.Response(status, json={"error": {"code": "some_code", "message": message}})


RUNNING: Final = looking("in_progress")


async def pieces_of(service: Service, patience: Patience = AT_ONCE) -> list[str]:
    """The texts of all pieces that are told of ``service``."""
    async with client_over(service) as client:
        return [piece.text async for piece in follow(client, "v1_a", patience=patience)]


async def test_a_resume_that_is_refused_is_followed_by_a_replay() -> None:
    """A service that has forgotten the mark still knows the beginning."""
    service = Service(
        streams=[streaming("ab", mark="m"), refusing(400), streaming("a", "bcd", is_done=True)],
        looks=[RUNNING, RUNNING, looking("completed", "abcd")],
    )
    assert await pieces_of(service) == ["ab", "cd"]
    assert service.asked == ["start", "look", "m", "look", "start", "look"]


async def test_a_resume_that_never_began_is_tried_again() -> None:
    """An overloaded service has not forgotten the mark."""
    service = Service(
        streams=[streaming("ab", mark="m"), refusing(503), streaming("cd", is_done=True)],
        looks=[RUNNING, RUNNING, looking("completed", "abcd")],
    )
    assert await pieces_of(service) == ["ab", "cd"]
    assert service.asked == ["start", "look", "m", "look", "m", "look"]


async def test_the_end_of_a_stream_is_not_the_end() -> None:
    """A stream that says done is asked again until a GET says so, too."""
    service = Service(
        streams=[streaming("ab", mark="m", is_done=True), streaming(is_done=True)],
        looks=[RUNNING, RUNNING, looking("completed", "ab")],
    )
    assert await pieces_of(service) == ["ab"]
    assert service.asked == ["start", "look", "m", "look", "m", "look"]


async def test_without_streams_gets_tell_everything() -> None:
    """Where nothing but JSON arrives, progress is coarse and the text is whole."""
    service = Service(
        streams=[refusing(501)],
        looks=[RUNNING, looking("in_progress", "ab"), looking("completed", "abc", "d")],
    )
    assert await pieces_of(service) == ["ab", "c", "d"]


async def test_a_replay_that_contradicts_is_said_to() -> None:
    """What was shown stays; whoever watches learns that the answer has become another."""
    service = Service(
        streams=[streaming("ab", is_done=True)],
        looks=[looking("completed", "xyz")],
    )
    text, rest, remark = await pieces_of(service)
    assert (text, rest) == ("ab", "z")
    assert "the stored answer counts" in remark


@pytest.mark.parametrize(
    ("answer", "is_refused"),
    [
        (refusing(401), True),
        (refusing(400, "API key not valid. Please pass a valid API key."), True),
        (refusing(403, "Your API key was reported as leaked."), True),
        (refusing(404), False),
        (refusing(403), False),
    ],
)
async def test_what_cannot_be_read_is_given_up(answer: httpx.Response, *, is_refused: bool) -> None:
    """A key that is not taken at once; an interaction that is not known when patience has ended."""
    patience = Patience(missing_for_s=60 if is_refused else 0)
    with pytest.raises(ApiStatusError) as caught:
        await pieces_of(Service(streams=[answer], looks=[answer]), patience)
    assert is_credential_refused(caught.value) is is_refused


@pytest.mark.parametrize(
    ("fruitless", "retry_after_s", "delay_s"),
    [
        (0, None, 0.5),
        (1, None, 1),
        (3, None, 4),
        (5, None, 10),
        (10_000, None, 10),
        (0, 7, 7),
        (0, 9_999, 60),
    ],
)
def test_reconnecting_is_polite(fruitless: int, retry_after_s: float | None, delay_s: float) -> None:
    """Waiting doubles while nothing new is told, and heeds what the service asks for, within bounds."""
    fault = InteractionsError("busy", may_have_run=False, is_transient=True, retry_after_s=retry_after_s)
    assert Patience().delay_s(fruitless=fruitless, fault=fault) == delay_s
