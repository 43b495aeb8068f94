from typing import Any

import pytest

from activities.failures import NotSendable
from activities.rights import check_rights, is_stored
from artifacts.store import ArtifactStore
from runs.messages import AgentRunRequest, Rights, SubmitInteraction, TranscriptTurn
from runs.places import upload_key

ALONE = Rights()
"""What a run has that anybody started."""

UPLOAD = upload_key(sha256="a1" * 32, name="notes.md")
EXECUTION = "victim/0190f3"
PLACE = TranscriptTurn(folder="chat/1", number=2, is_retold=True)


@pytest.fixture
async def store() -> ArtifactStore:
    """A store with the files of a run of one tenant."""
    store = ArtifactStore.open("memory://")
    asked = AgentRunRequest(model="m", input="?", tenant="kitchen")
    await store.put(f"{EXECUTION}/request.json", asked.model_dump_json().encode(), "application/json")
    return store


async def check(store: ArtifactStore, rights: Rights | None, **fields: Any) -> None:
    """Check a request with ``fields``."""
    request = AgentRunRequest.model_validate({"model": "m", "input": "?", **fields})
    await check_rights(SubmitInteraction(request=request, artifacts_prefix="own/1", rights=rights), store)


def attached(uri: str) -> dict[str, Any]:
    """A request's fields with one attachment."""
    return {"attachments": [{"uri": uri, "media_type": "text/plain", "name": "it"}]}


def quoted(uri: str) -> dict[str, Any]:
    """A request's fields with one quoted text."""
    return {"quotes": [{"placeholder": "{}", "uri": uri}]}


@pytest.mark.parametrize("named", [attached, quoted])
@pytest.mark.parametrize(
    "key",
    [
        f"{EXECUTION}/report.md",
        f"{EXECUTION}/request.json",
        f"{EXECUTION}/submission-1.sending.json",
        f"{EXECUTION}/interaction.json",
        "own/1/request.json",
        f"{EXECUTION}/{UPLOAD}",
        f"x{UPLOAD}",
        f"{UPLOAD}/more",
        "attachments/0190f3/report.md",
        f"attachments/{'A1' * 32}/notes.md",
        f"attachments/{'a1' * 32}/..%2Fnotes.md",
    ],
)
async def test_another_runs_file_is_refused(store: ArtifactStore, named: Any, key: str) -> None:
    """By its address, however written, and by its key; whatever it claims to be allowed to read."""
    for uri in (f"{store.base_uri}/{key}", key, f"{store.base_uri}/{key}".replace("r", "%72")):
        with pytest.raises(NotSendable, match=r"that this run has no right to: .*; attach a copy of it"):
            await check(store, ALONE, **named(uri), may_read=[uri])


@pytest.mark.parametrize("named", [attached, quoted])
async def test_what_was_stored_to_be_attached_is_not(store: ArtifactStore, named: Any) -> None:
    """Its content makes its place; also by its key, and percent-encoded."""
    for uri in (
        UPLOAD,
        f"{store.base_uri}/{UPLOAD}",
        f"{store.base_uri}/{UPLOAD}".replace("notes", "n%6ftes"),
    ):
        await check(store, ALONE, **named(uri))


@pytest.mark.parametrize("named", [attached, quoted])
async def test_a_part_has_what_its_parent_gives_it(store: ArtifactStore, named: Any) -> None:
    """Single files of the parent's own runs; nothing beside them."""
    given = Rights(files=(f"{store.base_uri}/chain.a/1/answer.md",), is_part=True)
    await check(store, given, **named("chain.a/1/answer.md"))
    with pytest.raises(NotSendable):
        await check(store, given, **named("chain.a/1/request.json"))


async def test_addresses_for_the_api_are_its_own_to_fetch(store: ArtifactStore) -> None:
    """But for those of the store itself, which it would read with the rights of the project."""
    for uri in ("https://e.org/x.pdf", "gs://other/x.pdf"):
        await check(store, ALONE, **attached(uri))
    bucket = ArtifactStore.open("gs://bucket/prefix")
    assert is_stored("gs://bucket/prefix/victim/1/report.md", bucket)
    assert not is_stored("gs://bucket/prefixed/report.md", bucket)
    with pytest.raises(NotSendable):
        await check(bucket, ALONE, **attached("gs://bucket/prefix/victim/1/report.md"))


async def test_a_store_elsewhere_is_none_to_read_from(store: ArtifactStore) -> None:
    """Nor is a file of the worker's machine."""
    for uri in ("file:///etc/passwd", f"s3://bucket/{UPLOAD}"):
        with pytest.raises(NotSendable, match="no right to"):
            await check(store, ALONE, **attached(uri))


async def test_only_a_part_of_a_conversation_has_a_transcript(store: ArtifactStore) -> None:
    """Else its turns, and where its own are left, would be whatever somebody names."""
    with pytest.raises(NotSendable, match="only a conversation gives its runs a transcript"):
        await check(store, ALONE, transcript=PLACE)
    await check(store, Rights(is_part=True), transcript=PLACE)


@pytest.mark.parametrize("name", ["answer.md", "answer.json", "report.md"])
async def test_a_run_of_the_same_tenant_is_followed_up(store: ArtifactStore, name: str) -> None:
    """By its text."""
    place = PLACE.model_copy(update={"origin_uri": f"{store.base_uri}/{EXECUTION}/{name}"})
    await check(store, Rights(is_part=True), transcript=place, tenant="kitchen")
    for tenant in (None, "cellar"):
        with pytest.raises(NotSendable, match="of another tenant"):
            await check(store, Rights(is_part=True), transcript=place, tenant=tenant)


@pytest.mark.parametrize(
    "key",
    [f"{EXECUTION}/request.json", f"{EXECUTION}/interaction.json", f"{EXECUTION}/turns/1/answer.md",
     "answer.md", "chat/1/turn-000001.json", "nobody/1/answer.md", "../answer.md"],
)  # fmt: skip
async def test_only_a_runs_text_is_followed_up(store: ArtifactStore, key: str) -> None:
    """Not its journal, nor another conversation's turns, nor what nobody knows the tenant of."""
    place = PLACE.model_copy(update={"origin_uri": key})
    with pytest.raises(NotSendable, match=r"to follow up on|cannot be followed up on"):
        await check(store, Rights(is_part=True), transcript=place, tenant="kitchen")


async def test_a_workflow_of_an_older_version_does_as_it_did(store: ArtifactStore) -> None:
    """It did not say what its run may read."""
    await check(store, None, **attached(f"{EXECUTION}/report.md"), transcript=PLACE)
