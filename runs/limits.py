"""Bounds on what a run may carry, each with its reason.

Temporal refuses a payload over 2 MiB, and where that payload is a workflow's result the run is
stuck for ever; so everything that enters history is bounded well below, here.
"""

from typing import Final

MAX_INPUT_BYTES: Final = 256 * 1024
"""A question's length. It stands in history twice (start and submission), far below 2 MiB; longer
material belongs in an attachment."""

MAX_ATTACHMENTS: Final = 50
"""Attachments of one run. Each is a reference of under 2 KB in history."""

MAX_ATTACHMENT_BYTES: Final = 50 * 1024 * 1024
"""One attached local file. The API takes PDFs up to 50 MB inline
(https://ai.google.dev/gemini-api/docs/file-input-methods, read 2026-11-22)."""

MAX_ATTACHMENTS_BYTES: Final = 70 * 1024 * 1024
"""All attached local files together. The API takes 100 MB of request, and base64 adds a third."""

MAX_URI_CHARS: Final = 2_048
"""One reference to an attachment or an artifact."""

MAX_ID_CHARS: Final = 200
"""A run's id. Temporal servers on SQL are commonly limited to 255, and children add a suffix."""

MAX_LABELS: Final = 20
MAX_LABEL_CHARS: Final = 100
"""Labels are search attributes: they are indexed, and never meant for text."""

MAX_INDEXED_BYTES: Final = 2_000
"""One search attribute, as JSON with escapes: the server terminates a workflow that sets one of more than
2,048 bytes (server 1.32.0), and with it a run that may be paid for."""

MAX_KEYWORD_CHARS: Final = 255
"""A Keyword search attribute: the width of the column in SQL visibility stores."""

MAX_INTERACTION_ID_CHARS: Final = 1_024
"""An interaction's id, as long as the API client takes; those seen have about a hundred characters."""

MAX_TOKENS: Final = 10**12
"""No interaction uses more; a larger number is a mistake of the API, and past 2^63 one that no search
attribute takes, which would leave the workflow stuck."""

MAX_NOTES: Final = 20
MAX_NOTE_CHARS: Final = 300
"""Notes on the parts of an answer, of which there may be any number: enough to see what is odd."""

MAX_EXCERPT_BYTES: Final = 4 * 1024
"""What a result keeps of the report's text; the whole report is an artifact."""

MAX_ERROR_CHARS: Final = 1_000
"""An error message in a result or in history; servers have been seen to answer whole pages."""

MAX_THOUGHT_CHARS: Final = 500
"""The latest thought in a sighting, rewritten into heartbeat details at every look."""

MAX_WAKES: Final = 100
"""Looks brought forward by ``notified``. Each adds about nine events to history; past the bound a run
still looks at its own pace, so nothing is lost but a little time."""

MAX_RESUBMISSIONS: Final = 3
"""How often the policy ``resubmit`` sends again after an unknown outcome. Each time may pay once more, and
an API that leaves four answers in a row unknown is a matter for a person."""

DEFAULT_DEADLINE_S: Final = 75 * 60
"""The API ends a Deep Research run within 60 minutes
(https://ai.google.dev/gemini-api/docs/deep-research, read 2026-11-22); interactions have been seen to
stay in progress for days, so a run stops waiting a little after that."""

MIN_DEADLINE_S: Final = 10
MAX_DEADLINE_S: Final = 7 * 24 * 3600
"""A deadline outside of this is a slip of the keyboard."""
