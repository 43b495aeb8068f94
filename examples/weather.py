"""Two function tools, to begin your own with: ``LONGHAUL_TOOLS=examples.weather longhaul worker``."""

from typing import Annotated, Literal

from pydantic import Field

from tools import ToolError, call_id, heartbeat, tool

_RAIN_MM = {"Bergen": 7.1, "Cairo": 0.0, "Quito": 3.2}


@tool
def rain_today(city: str, unit: Literal["mm", "in"] = "mm") -> dict[str, object]:
    """Return how much rain fell in a city today.

    Args:
        city: In English, without the country.
        unit: Of the amount.
    """
    if city not in _RAIN_MM:
        raise ToolError(f"no rain gauge in {city}; there are some in {', '.join(_RAIN_MM)}")
    millimetres = _RAIN_MM[city]
    return {"city": city, "amount": millimetres if unit == "mm" else millimetres / 25.4, "unit": unit}


@tool(needs_approval=True, timeout_s=300, heartbeat_timeout_s=30)
async def order_umbrellas(city: str, count: Annotated[int, Field(ge=1, le=20)]) -> str:
    """Order umbrellas for the office in a city. They are paid for at once.

    Args:
        city: Where the office is.
        count: How many.
    """
    heartbeat(f"ordering {count} umbrellas")
    # The call may run again if its worker dies; a shop takes two orders under one key for one.
    return f"Ordered {count} umbrellas for the office in {city}, order {call_id()}."
