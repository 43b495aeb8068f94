"""What can go wrong with function tools."""


class ToolError(Exception):
    """Raised by a tool: the model is told this text, and the call is not tried again.

    For what the model can do something about, such as a city that there is none of. Anything else that a tool
    raises is tried again, up to its ``max_attempts``.
    """


class InvalidTool(Exception):
    """A function that cannot be a tool, or a module that has none. The message says where and what to do."""
