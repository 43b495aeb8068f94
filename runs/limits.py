"""Bounds on what a run may carry, each with its reason.

Workflow code: see docs/changing.md.

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

MAX_SYSTEM_INSTRUCTION_BYTES: Final = 64 * 1024
"""A system instruction's length. It stands in history with the question, and is sent with every turn."""

MAX_STOP_SEQUENCES: Final = 5
"""More are refused by the models of this family; the API's page names no number."""

MAX_SCHEMA_BYTES: Final = 64 * 1024
"""A JSON Schema for an answer. It stands in history, and far smaller ones are already hard to follow."""

MAX_TOOLS: Final = 128
"""Tools of one request. Each function's description goes into the prompt."""

MAX_TOOLS_BYTES: Final = 128 * 1024
"""The tools of one request as JSON, without what workers add of functions: they stand in history with every
turn, beside what the functions have answered."""

MAX_TOOL_ROUNDS: Final = 200
DEFAULT_TOOL_ROUNDS: Final = 25
"""Rounds of function calls in one run. Each is an interaction of its own, paid for, and some 40 events of
history; a model that is not done after 25 is mostly going in circles."""

MAX_RUN_EVENTS: Final = 40_000
MAX_RUN_HISTORY_BYTES: Final = 40 * 1024 * 1024
"""History after which no further round of calls is begun. Temporal ends a workflow at 51,200 events or 50 MB,
and with it a run that has been paid for; one round adds up to 500 events and 4 MB."""

MAX_CALLS_PER_ROUND: Final = 64
"""Function calls carried out of one answer. Each is an activity; the rest is refused, and the model told."""

MAX_ARGUMENTS_BYTES: Final = 64 * 1024
MAX_ROUND_ARGUMENTS_BYTES: Final = 512 * 1024
"""Arguments of one call, and of all calls of one answer: they stand in history. A longer one is refused, and
the model told; what is long belongs in a file."""

MAX_TOOL_RESULT_BYTES: Final = 4 * 1024 * 1024
"""What a tool may return, as JSON. It goes into the model's context, where four million characters are more
than any model reads."""

MAX_CATALOG_BYTES: Final = 512 * 1024
"""Descriptions of a run's tools together: they stand in history with every submission that offers them."""

DEFAULT_APPROVAL_S: Final = 24 * 3600
MAX_APPROVAL_S: Final = 30 * 24 * 3600
"""How long a plan or a call waits for a person: a day, a month at the most. Interactions are kept for 55 days
(https://ai.google.dev/gemini-api/docs/interactions-overview, read 2026-11-22)."""

MAX_FEEDBACK_CHARS: Final = 16_000
"""What a person writes about a plan."""

MAX_PLAN_BYTES: Final = 16 * 1024
"""What a run's status and details show of a plan; the whole is an artifact."""

MAX_QUOTES: Final = 100
MAX_QUOTED_BYTES: Final = 8 * 1024 * 1024
"""Stored texts put into a question at submission, and their length together: more than any model reads."""

MAX_DATA_BYTES: Final = 32 * 1024
"""What a result keeps of an answer's JSON; a longer one is in the artifact alone."""

MAX_CONTINUATIONS: Final = 50
"""How often an answer that stopped at the API's own limit is continued; each time is paid for."""

MAX_MESSAGE_ID_CHARS: Final = 200
"""A message's id. It is an update's id, too, and the last ones are carried along with a conversation."""

MAX_MESSAGE_BYTES: Final = 512 * 1024
"""One message of a conversation as JSON, attachments included: twice the longest question as most texts are
written. It stands in history up to four times (update, start and submission of its run, waiting list)."""

MAX_WAITING: Final = 50
MAX_WAITING_BYTES: Final = 1024 * 1024
"""Messages that wait for their turn, and their JSON together: they are carried in one payload from one
execution to the next, where 2 MiB would leave the conversation stuck."""

MAX_CONVERSATION_BYTES: Final = 512 * 1024
"""What a conversation was started with, as JSON. It is carried along with the waiting messages."""

MAX_RECENT_TURNS: Final = 100
MAX_RECENT_BYTES: Final = 128 * 1024
"""Turns that a conversation remembers, to know a message that is sent again; and their JSON together, since
they are carried along, too. Who has lost an answer asks again within minutes, not after a hundred turns."""

MAX_TURN_TEXT_BYTES: Final = 32 * 1024
"""What a turn holds of its answer. It stands in history three times; nearly all answers are shorter, and the
whole is an artifact."""

MAX_RECENT_TEXT_BYTES: Final = 400
"""What is remembered of an answer: enough to see which it was."""

MAX_ORIGIN_CHARS: Final = 4_000
"""The question of the run that a conversation follows up on. Each turn's request holds it."""

DEFAULT_IDLE_S: Final = 24 * 3600
MIN_IDLE_S: Final = 1
MAX_IDLE_S: Final = 55 * 24 * 3600
"""How long a conversation waits for the next message: over night by default. Waiting costs nothing, but open
conversations that nobody remembers make the list of those that matter unreadable. At the most as long as
the API keeps interactions (https://ai.google.dev/gemini-api/docs/interactions-overview, read 2026-11-22)."""

MESSAGES_PER_EXECUTION: Final = 250
"""Messages that one execution of a conversation's workflow answers. Temporal refuses an execution's 2,001st
update, and suggests a new execution after 4,096 events, which is about this many turns."""
