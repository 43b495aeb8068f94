"""What a submission may send of the artifact store: checked before anything of it is read.

A request names files by address, and whoever may start a run may write any. So a request gets only what was
stored to be attached; conversations and chains of ours say what else, from their own runs.
"""

import re
from typing import Final

from pydantic import ValidationError

from activities.failures import NotSendable
from artifacts.errors import ArtifactNotFound, InvalidKey
from artifacts.keys import key_of
from artifacts.store import ArtifactStore
from runs.messages import AgentRunRequest, SubmitInteraction, TranscriptTurn
from runs.places import is_upload

_FETCHED_BY_THE_API: Final = ("https://", "http://", "gs://")

_ORIGIN: Final = re.compile(r"(?P<folder>[^/]+/[^/]+)/(?:answer\.md|answer\.json|report\.md)")
"""The text of a run, which a conversation may follow up on; not its journal, request or raw interaction."""

_MAX_SHOWN_CHARS: Final = 300

_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""A stored request: Temporal takes two megabytes, which JSON for people writes out longer."""


def is_stored(uri: str, store: ArtifactStore) -> bool:
    """Return whether ``uri`` is for us to read, and not for the API to fetch.

    Also in a bucket that the API could read: it would with the project's rights, not with the run's.
    """
    return not uri.startswith(_FETCHED_BY_THE_API) or uri.startswith(f"{store.base_uri}/")


async def check_rights(submission: SubmitInteraction, store: ArtifactStore) -> None:
    """Return if all that ``submission`` refers to may be sent with it.

    Raises:
        ArtifactsError: The run that it follows up on cannot be read.
        NotSendable: Something may not; the message says what to do.
    """
    rights, request = submission.rights, submission.request
    if rights is None:
        return
    own = {_key(uri, store) for uri in rights.files}
    for attachment in request.attachments:
        if is_stored(attachment.uri, store):
            _check_file(attachment.uri, own, store, what=f"attachment {attachment.name!r}")
    for quote in request.quotes:
        _check_file(quote.uri, own, store, what="a quoted text")
    if request.transcript is None:
        return
    if not rights.is_part:
        raise NotSendable("only a conversation gives its runs a transcript; start one, or leave it out")
    await _check_origin(request.transcript, request, store)


def _check_file(uri: str, own: set[str | None], store: ArtifactStore, *, what: str) -> None:
    key = _key(uri, store)
    if key is None or not (is_upload(key) or key in own):
        raise NotSendable(
            f"{what} is a file that this run has no right to: {uri[:_MAX_SHOWN_CHARS]}; "
            "attach a copy of it, with --attach or starter.attachments"
        )


async def _check_origin(place: TranscriptTurn, request: AgentRunRequest, store: ArtifactStore) -> None:
    if place.origin_uri is None:
        return
    key = _key(place.origin_uri, store)
    found = _ORIGIN.fullmatch(key or "")
    if found is None:
        raise NotSendable(f"{place.origin_uri[:_MAX_SHOWN_CHARS]} is not the text of a run to follow up on")
    try:
        raw = await store.get(f"{found['folder']}/request.json", max_bytes=_MAX_REQUEST_BYTES)
        asked = AgentRunRequest.model_validate_json(raw)
    except (ArtifactNotFound, ValidationError):
        raise NotSendable(
            f"nobody knows whose {place.origin_uri[:_MAX_SHOWN_CHARS]} is, so it cannot be followed up on"
        ) from None
    if asked.tenant != request.tenant:
        raise NotSendable("the run to follow up on is of another tenant")


def _key(uri: str, store: ArtifactStore) -> str | None:
    try:
        return key_of(store.base_uri, uri)
    except InvalidKey:
        return None
