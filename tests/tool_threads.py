"""Where the tools of tests run."""

import atexit
from functools import cache

from activities.tool_threads import ToolThreads


@cache
def tool_threads() -> ToolThreads:
    """Return threads that all tests of this process share."""
    made = ToolThreads(max_calls=8)
    atexit.register(made.close)
    return made
