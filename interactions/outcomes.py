"""What an error status says about the request: a row, and in it the reason, for each status in each form.

Only Google's own word is believed. It has two forms: that of the service, and an older one of the front end
before it, which checks keys, quotas and paths. Anything may stand between Google and us (a company's proxy, a
cache, a gateway of one's own) and answer in Google's place, also after the service has accepted the request.

Source:
    https://ai.google.dev/gemini-api/docs/api-errors, read 2026-11-22, for the service's form and its words;
    RFC 9110, section 15, RFC 6585 and RFC 7725 for what refuses by its nature;
    https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/ for 520
    to 530.
"""

from collections.abc import Container
from enum import StrEnum
from typing import Final, NamedTuple


class Form(StrEnum):
    """Who speaks, as far as the body of an answer shows it."""

    SERVICE = "service"
    """``{"error": {"code": "snake_case", "message": …}}``: the service itself."""
    FRONT_END = "front end"
    """``{"error": {"code": <the HTTP status>, "status": "UPPER_CASE", "message": …}}``: what Google has in
    front of it."""
    OTHER = "other"
    """HTML, nothing, another JSON, either of the two in an array: whoever stands in between, or part of a
    stream that broke off."""


class Outcome(NamedTuple):
    """What an error status says about the request."""

    may_have_run: bool
    is_transient: bool


REFUSED: Final = Outcome(may_have_run=False, is_transient=True)
"""Certainly not run, and worth sending again."""
REJECTED: Final = Outcome(may_have_run=False, is_transient=False)
"""Looked at and turned down; sending it again changes nothing."""
UNKNOWN: Final = Outcome(may_have_run=True, is_transient=True)
"""From the service or from something in front of it, before or after it began."""


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        statuses: Which it is about.
        forms: In which forms of body.
        outcome: What they say.
        reason: Why.
        advice: What to do about it, for people; empty where the answer itself has to say it.
    """

    statuses: Container[int]
    forms: Container[Form]
    outcome: Outcome
    reason: str
    advice: str = ""


_ANY: Final = frozenset(Form)
_GOOGLES: Final = frozenset({Form.SERVICE, Form.FRONT_END})
_SERVICES: Final = frozenset({Form.SERVICE})
_OTHERS: Final = frozenset({Form.OTHER})

_ADDRESS: Final = "check LONGHAUL_API_BASE_URL, and whatever stands between it and the API"

TABLE: Final[tuple[Row, ...]] = (
    # What refuses by its nature, whoever says it: whoever answers this has not passed the request on.
    Row(
        frozenset({301, 302, 303, 307, 308}),
        _ANY,
        REJECTED,
        "A redirect asks for another request, and none is sent: the client follows none. (A 303 may also "
        "point at the result of a POST; the API has none, but pages to log in at are reached by it.)",
        "LONGHAUL_API_BASE_URL points at something that redirects, such as a page to log in at, or http in "
        "place of https; set it to where the API itself answers",
    ),
    Row(
        frozenset({405}),
        _ANY,
        REJECTED,
        "There is no such method at this address, so nothing was called.",
        _ADDRESS,
    ),
    Row(
        frozenset({406, 415}),
        _ANY,
        REJECTED,
        "The form of the request, or of the answer it asks for, is refused before the content is looked at.",
        f"something on the way takes no JSON; {_ADDRESS}",
    ),
    Row(
        frozenset({407}),
        _ANY,
        REJECTED,
        "A proxy wants to know who is asking before it passes anything on.",
        "the proxy wants a name and a password: put them into HTTPS_PROXY, as in http://NAME:PASSWORD@HOST",
    ),
    Row(
        frozenset({411, 417, 421, 426}),
        _ANY,
        REJECTED,
        "The request is refused for how it was sent, not for what it says.",
        _ADDRESS,
    ),
    Row(
        frozenset({413}),
        _ANY,
        REJECTED,
        "The body is refused for its length, mostly before it was read.",
        "too large for something on the way: attach less, or by URL",
    ),
    Row(
        frozenset({414}),
        _ANY,
        REJECTED,
        "The address is refused for its length, before the rest is read.",
        _ADDRESS,
    ),
    Row(
        frozenset({431}),
        _ANY,
        REJECTED,
        "The headers are refused for their length, before the body is read.",
        "the headers are too long for something on the way; a proxy may add some",
    ),
    Row(
        frozenset({451}),
        _ANY,
        REJECTED,
        "Somebody is not allowed to serve this.",
        "something on the way blocks the API, or the API this country",
    ),
    Row(
        frozenset({521, 523, 525, 526}),
        _ANY,
        REJECTED,
        "Cloudflare could not connect to what is behind it, so nothing was sent there.",
        "the gateway at LONGHAUL_API_BASE_URL could not reach what is behind it (521 and 523: is it down? "
        "525 and 526: its certificate)",
    ),
    # The service's and its front end's own word.
    Row(
        frozenset({408, 425, 499}),
        _ANY,
        UNKNOWN,
        "A time limit or a lost connection, at whatever moment: what ran until then may have been accepted.",
    ),
    Row(
        frozenset({429}),
        _GOOGLES,
        REFUSED,
        "Rate limits and quotas are checked before anything runs, some by the front end. Should it be wrong, "
        "the pauses between attempts bound what that costs.",
    ),
    Row(
        frozenset({503}),
        _SERVICES,
        REFUSED,
        "A service that says of itself that it is overloaded has not begun. The front end's 503 may come "
        "after the service accepted.",
    ),
    Row(
        frozenset({501}),
        _GOOGLES,
        REJECTED,
        "Google has nothing that could have run.",
    ),
    Row(
        range(400, 500),
        _GOOGLES,
        REJECTED,
        "Google looked at the request and turned it down: what it asks for, its key, or its path.",
    ),
    # Everything else may come from anywhere, before or after the service accepted.
    Row(
        range(400, 500),
        _OTHERS,
        UNKNOWN,
        "Not in one of Google's forms, so from something on the way, which may have passed the request on.",
        f"this is not the API's own answer; if it comes every time, {_ADDRESS}",
    ),
    Row(
        range(500, 600),
        _ANY,
        UNKNOWN,
        "Something failed or gave up waiting, before or after the service accepted.",
    ),
    Row(
        range(200, 300),
        _ANY,
        UNKNOWN,
        "Accepted, as it seems; an answer without the interaction that it promises says nothing more.",
    ),
    Row(
        range(100, 400),
        _ANY,
        UNKNOWN,
        "No answer to a POST has this status, so nobody knows what it means.",
        _ADDRESS,
    ),
    Row(
        range(1000),
        _ANY,
        UNKNOWN,
        "No status of HTTP.",
        _ADDRESS,
    ),
)
"""The first row that has status and form counts. It decides whether a submission may be sent again, so a test
goes over every status in every form."""


def row_of(status_code: int, form: Form) -> Row:
    """Return the row that decides about an answer."""
    return next(row for row in TABLE if status_code in row.statuses and form in row.forms)
