"""How long each activity may take, and why: for the workflow that sets it and the worker that drains."""

from datetime import timedelta
from typing import Final

from temporalio.common import RetryPolicy

CALL_TIMEOUT: Final = timedelta(seconds=60)
"""One API call as a whole. A background create and a look answer within a second or two; a finished report
with its images is a few megabytes. Waiting longer only delays saying that the outcome is unknown."""

PREPARE_TIMEOUT: Final = timedelta(seconds=40)
"""Before a submission is sent: up to 70 MB of attachments to read, the request and the journal to write.
Past it nothing is sent, so that what is sent has time to be answered."""

CLAIM_TIMEOUT: Final = timedelta(seconds=4)
"""To look whether another submission was answered with the same interaction. Two small files; a longer wait
would only delay the record that a recovery reads."""

NOTE_TIMEOUT: Final = timedelta(seconds=10)
"""To record the answer. A store that hangs must not keep the id of a paid interaction from Temporal."""

SUBMIT_TIMEOUT: Final = PREPARE_TIMEOUT + CALL_TIMEOUT + CLAIM_TIMEOUT + NOTE_TIMEOUT + timedelta(seconds=6)
"""``submit_interaction``: its four parts, each with a bound of its own, and a little for a busy worker."""

FOREGROUND_TIMEOUT: Final = timedelta(minutes=10)
"""A create that is answered with the finished interaction: models think for minutes. The API cuts streams at
600 s (https://discuss.ai.google.dev/t/143098, read 2026-11-22), so hardly anything longer comes to an end."""

FOREGROUND_SUBMIT_TIMEOUT: Final = SUBMIT_TIMEOUT - CALL_TIMEOUT + FOREGROUND_TIMEOUT
"""``submit_interaction`` in the foreground. A worker that is told to stop cancels its activities earlier,
after ``SUBMIT_TIMEOUT``; a submission does not heed that, and goes on until somebody kills the worker. To let
every other activity go on for ten minutes, too, would delay each release for what costs cents."""

SUBMIT_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""After this long without a beat a submitting worker counts as gone, and the journal is read. Beats come
every three seconds, so that a busy event loop is not taken for a dead one."""

RECOVER_TIMEOUT: Final = timedelta(seconds=30)
"""One attempt of ``recover_submission``: a few small files."""

RECOVER_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    # Two minutes for a late answer, eleven in the foreground, half an hour for a store that is away; after
    # that the outcome counts as unknown, which loses nothing either. In attempts and not in time, because a
    # time runs on while there is no worker to ask, and would hold runs whose journal has the answer.
    maximum_attempts=180,
)

CHECK_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=60)
)
"""For ``check_interaction``, within its budget."""

CHECK_BUDGET: Final = timedelta(minutes=2)
"""All attempts of ``check_interaction``. A person waits for the answer, and may ask again."""

ONCE: Final = RetryPolicy(maximum_attempts=1)
"""For the submission: the API has no idempotency key, so only the workflow may decide to send again."""

LOOK_TIMEOUT: Final = CALL_TIMEOUT + timedelta(seconds=15)
"""One attempt of ``watch_interaction``: one call, and a little for a busy worker."""

LOOK_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=4)
"""After this long without a beat a looking worker counts as gone, and another looks. Beats come every 1.3 s,
and the worker passes them on within one more: that leaves a busy event loop some two seconds. Where that is
not enough the guess is wrong, and costs one GET more; what the look saw is seen by the next one."""

LOOK_RETRY: Final = RetryPolicy(
    # Only for a look whose worker vanished: every other failure carries its own delay, also one that the
    # activity did not foresee. Each look is an attempt, so a delay that grew with them would be at its
    # longest in every run that has gone on for minutes. Attempts have no bound: the run's deadline ends them.
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.0,
)

MISSING_GRACE: Final = timedelta(minutes=2)
"""How long the API may not know an interaction before it counts as lost. Right after a create, and now and
then later, a GET answers 403 or 404 for a while (googleapis/js-genai#1389, python-genai#2985)."""

SETTLE_TIMEOUT: Final = timedelta(minutes=10)
"""One attempt of ``settle_interaction``: one call, rendering, and writing up to 100 MB to a slow store."""

SETTLE_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    # An hour or more. The report is paid for, so a store that is full or away is waited for; an hour is
    # enough for a person to make room, and a run must end some time. The API keeps the interaction
    # meanwhile. In attempts and not in time: a worker that is away for a night must not cost the reports it
    # was settling.
    maximum_attempts=70,
)

SETTLE_AGAIN_AT_MOST: Final = timedelta(minutes=5)
"""The longest ``Retry-After`` heeded between two of them: a day of it would be 70 days in all."""

PARTIAL_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2.0,
    # A run that is over at its deadline is kept open for this: three calls to an API that does not answer are
    # three minutes, and to one that does, seconds. In attempts and not in time, for the sake of a worker that
    # is away.
    maximum_attempts=3,
)

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=20)
"""After this long without a beat a worker counts as gone, and settling starts again elsewhere."""

CANCEL_TIMEOUT: Final = 2 * CALL_TIMEOUT + timedelta(seconds=15)
"""One attempt of ``cancel_interaction``: two calls."""

CANCEL_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    # Five minutes or so. A cancel takes effect within seconds; the API's cancel has also been broken for days
    # (googleapis/python-genai#1971), and a person who cancels should be told rather than kept waiting. In
    # attempts and not in time: a worker that is away must not pass for an API that does not confirm.
    maximum_attempts=14,
)

DESCRIBE_TIMEOUT: Final = timedelta(seconds=10)
"""``describe_tools``: it reads what the worker has in memory."""

DESCRIBE_RETRY: Final = RetryPolicy(maximum_attempts=5)
"""It fails only by a bug, or with its worker; before anything was paid for."""

TOOL_MARGIN: Final = timedelta(seconds=30)
"""What an attempt of ``call_tool`` may take beside the tool's own ``timeout_s``: texts to read, and a few
megabytes to store. The activity itself holds the tool to its time, so that it can say what took too long."""

STORE_TEXT_TIMEOUT: Final = timedelta(minutes=2)
"""One attempt of ``store_text``: up to 8 MB of stored texts to read, and as much to write."""

STORE_TEXT_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    # An hour or more, as for settling: what is put together is paid for.
    maximum_attempts=70,
)

RPC_TIMEOUT: Final = timedelta(seconds=10)
"""One question to Temporal, which a worker sits beside."""

ATTACH_TIMEOUT: Final = 3 * RPC_TIMEOUT + timedelta(seconds=10)
"""One attempt of ``attach_run``: three questions, and a little for a busy worker."""

ATTACH_RETRY: Final = RetryPolicy(
    # Only for a look that broke, or whose worker vanished; "goes on" carries its own delay. Attempts have no
    # bound, as a workflow waits for a child without one.
    initial_interval=timedelta(seconds=5),
    backoff_coefficient=1.0,
)
