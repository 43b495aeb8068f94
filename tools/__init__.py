"""What a module of function tools imports: ``from tools import tool``."""

from tools.contents import Image
from tools.context import call_id, calling, heartbeat
from tools.declaring import tool
from tools.errors import InvalidTool, ToolError

__all__ = ["Image", "InvalidTool", "ToolError", "call_id", "calling", "heartbeat", "tool"]
