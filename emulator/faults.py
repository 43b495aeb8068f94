"""Every shape of bad luck the emulator can produce, as one table that is code and documentation alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emulator.errors import UNAVAILABLE


class Moment(StrEnum):
    """When a fault acts."""

    CREATE = "create"
    """The POST that creates an interaction."""
    BACKGROUND = "background"
    """The same, when it asks for work in the background."""
    LOOK = "look"
    """A GET of one interaction, plain or streaming."""
    CANCEL = "cancel"
    DELETE = "delete"
    LIFE = "life"
    """How the interaction goes; chosen once, when it is created."""
    STREAM = "stream"
    """A connection over which events are sent."""
    WEBHOOK = "webhook"
    """A webhook delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One shape of bad luck.

    Attributes:
        name: What a directive or the admin path calls it.
        moment: When it acts.
        what: What the client sees.
        default_times: How often it fires for one submission when ``times`` is not given; None means always.
        accepted: For create faults: whether an interaction exists afterwards. That is what the client cannot
            know and must not guess.
    """

    name: str
    moment: Moment
    what: str
    default_times: int | None = None
    accepted: bool = False


def _create(name: str, what: str, *, accepted: bool = False) -> Fault:
    # A create fault that never ended could not be recovered from, so it fires once unless told otherwise.
    return Fault(name=name, moment=Moment.CREATE, what=what, default_times=1, accepted=accepted)


def _at(moment: Moment, **faults: str) -> Iterator[Fault]:
    for name, what in faults.items():
        yield Fault(name=name.replace("_", "-"), moment=moment, what=what)


REJECTIONS: Final[dict[str, tuple[str, str]]] = {
    "400": ("invalid_request", "Request contains an invalid argument."),
    "401": ("authentication", "API key not valid. Please pass a valid API key."),
    "402": ("payment_required", "The project has no active billing account."),
    "403": ("permission_denied", "The caller does not have permission."),
    "404": ("model_not_found", "The requested model or agent was not found."),
    "409": ("aborted", "The operation was aborted by a concurrent change."),
    "416": ("out_of_range", "The request is out of range."),
    "422": ("unprocessable_entity", "The request could not be processed."),
    "501": ("unimplemented", "The operation is not implemented."),
}
"""Create faults that are plain refusals: fault name (the HTTP status) → API code and message."""

_TABLE: Final[tuple[Fault, ...]] = (
    *(_create(status, f"{status} {code}; nothing was created.") for status, (code, _) in REJECTIONS.items()),
    _create("429", "429 rate_limit_exceeded, with Retry-After when retry_after_s is given."),
    _create("408", "408 cancelled by a time limit; nothing was created."),
    *(
        _create(f"{status}-before", f"{status} {code} before the interaction was created.")
        for status, (code, _) in UNAVAILABLE.items()
    ),
    _create("500-after", "500 api_error after the interaction was created.", accepted=True),
    _create("503-after", "Created, then 503 from the gateway, in the older form.", accepted=True),
    _create("504-after", "504 deadline_exceeded after the interaction was created.", accepted=True),
    _create("502-html", "502 with a gateway's HTML page; nothing was created."),
    _create("refused-drop", "The connection is dropped without a byte; nothing was created."),
    _create(
        "accepted-then-dropped", "Created, then the connection is dropped without a byte.", accepted=True
    ),
    _create("hang-before", "No answer, ever; nothing was created."),
    _create("hang-after", "Created, but no answer, ever.", accepted=True),
    _create("delay-before", "Accepted after delay_s, unless the client has gone by then."),
    _create("delay-after", "Created, and answered after delay_s.", accepted=True),
    _create("html", "200 with an HTML page; created all the same.", accepted=True),
    _create("empty-body", "200 with an empty body; created all the same.", accepted=True),
    _create("cut-body", "200 whose body is cut short by a dropped connection; created.", accepted=True),
    _create("rpc-error", "503 in the older form with a numeric code and a status word; nothing was created."),
    _create("array-error", "503 whose body is an array that holds the error; nothing was created."),
    _create("reply-before", "The answer that status and form say; nothing was created."),
    _create("reply-after", "Created, then the answer that status and form say.", accepted=True),
    _create("id-dots", "Created, and answered with `..` for an id.", accepted=True),
    _create("id-spaces", "Created, and answered with an id with spaces in it.", accepted=True),
    _create("id-long", "Created, and answered with an id of 5,000 characters.", accepted=True),
    _create("id-empty", "Created, and answered with an empty id.", accepted=True),
    _create("id-taken", "Created, and answered with the last id that was given out.", accepted=True),
    *_at(
        Moment.BACKGROUND,
        no_background="400 invalid_request that names `background`, in later turns too; nothing was created.",
    ),
    *_at(
        Moment.LOOK,
        get_403_early="403 permission_denied for the first emulated minute, or for the first `times` looks.",
        get_404_early="404 not_found for the first emulated minute, or for the first `times` looks.",
        get_429="429 rate_limit_exceeded, with Retry-After when retry_after_s is given.",
        get_500="500 api_error.",
        get_400_credentials="400 Multiple authentication credentials received.",
        get_html="502 with a gateway's HTML page.",
        get_empty="200 with an empty body.",
        get_cut="200 whose body is cut short by a dropped connection.",
        get_drop="The connection is dropped without a byte.",
        get_hang="No answer, ever.",
        giant_body="200 with a valid but giant body (result_bytes, by default 256 MiB).",
        endless_stream="200 with a body, or a stream of events, that never ends.",
        wrong_types="200 with JSON whose fields have the wrong types.",
        get_reply="The answer that status and form say.",
        get_another="200 with another interaction, which has ended.",
        get_no_id="200 with the interaction, but without its id.",
        get_ended_early="200 that says completed, without output, of an interaction that still runs.",
    ),
    *_at(
        Moment.CANCEL,
        cancel_404="404 Method not found; the run goes on.",
        cancel_ignored="200, but the run goes on.",
        cancel_500="500 api_error; the run goes on.",
    ),
    *_at(Moment.DELETE, delete_501="501 unimplemented; the interaction stays."),
    *_at(
        Moment.LIFE,
        zombie="in_progress for ever, without steps and with updated equal to created.",
        no_text="completed, with thoughts and searches but no output.",
        failed="failed halfway, with errors[] and a model_output.error.",
        incomplete="incomplete, with part of the report.",
        queued="queued for the first tenth of the run.",
        unknown_status="A status no client knows through the middle of the run.",
        unknown_end="A status no client knows from the end of the run on, for ever.",
        idle="idle at the end, in place of completed.",
        big_cookies="Its answers set five cookies of 4,000 bytes each.",
        requires_continuation="A model's answer stops halfway with a continuation_token.",
        unknown_function="A model calls a function that was not declared.",
        bad_arguments="Function calls whose arguments do not fit the declared parameters.",
        wrong_json="JSON that does not follow the schema.",
        cut_json="JSON that breaks off in the middle, though completed.",
        mcp_tool_call="MCP calls are shown as a step tool_call, without tool or answer.",
        unknown_step="Steps, contents and annotations of types no client knows.",
        expired="404 for good after expire_after_s emulated seconds (by default half the run).",
        many_steps="As many steps as the directive's `steps` says (by default 10000).",
        control_characters="Escape sequences, NUL, bidirectional and zero-width characters in every text.",
        html_title="Script tags, brackets, javascript: addresses in report, titles and citations.",
    ),
    *_at(
        Moment.STREAM,
        stream_cut_600="The connection is cut after 600 emulated seconds.",
        stream_json_tail="After 600 emulated seconds a raw JSON error array, then the connection is cut.",
        stream_cut="Every connection is cut in the middle of an event, after cut_s or cut_events.",
        stream_stall="After two events nothing more comes, and the connection stays open.",
        stream_resume_400="400 invalid_request for every last_event_id.",
        stream_resume_hangs="A resumed stream tells two events again, and then nothing more.",
        stream_rechunked="Texts and thoughts come in other pieces on every connection.",
        stream_few_ids="Only one delta in five has an event_id.",
        stream_error_only="A failed run's stream ends with an error event alone.",
        no_usage="The completed event has no usage; a later GET has.",
    ),
    *_at(
        Moment.WEBHOOK,
        webhook_lost="Never delivered.",
        webhook_duplicate="Delivered three times with the same webhook-id.",
        webhook_reordered="Held back until the next delivery went out, or for an emulated hour.",
        webhook_forged="Delivered once with a wrong signature, and never rightly.",
        webhook_stale="Signed with a time stamp ten minutes old.",
    ),
)

FAULTS: Final[dict[str, Fault]] = {fault.name: fault for fault in _TABLE}
"""Every fault by name."""
