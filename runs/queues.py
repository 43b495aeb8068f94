"""The task queues of a worker: what must not wait for what has one of its own.

Workflow code: see docs/changing.md.

A worker has so many slots for each queue that it serves, and those of one are of no use to another. So
submissions, which everything begins with, have slots that looks, settling and tools cannot use up; and tools,
which may block for as long as they like, cannot use up those of the rest. No replay compares the queue of an
activity.
"""


def submissions_of(task_queue: str) -> str:
    """Return where submissions, and what became of them, are done for the runs on ``task_queue``."""
    return f"{task_queue}-submissions"


def tools_of(task_queue: str) -> str:
    """Return where function tools are called for the runs on ``task_queue``."""
    return f"{task_queue}-tools"
