"""Lists in pages."""

from typing import Any, Final

from starlette.requests import Request

from emulator.errors import invalid

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 1000


def page_of(request: Request, name: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of a list, as ``page_size`` and ``page_token`` ask.

    Args:
        request: Whose query to go by.
        name: What the list is called in the answer.
        values: The whole list.

    Raises:
        ApiError: 400; a number is none.
    """
    size = min(_number(request, "page_size", DEFAULT_PAGE) or DEFAULT_PAGE, MAX_PAGE)
    start = _number(request, "page_token", 0)
    page: dict[str, Any] = {name: values[start : start + size]}
    if start + size < len(values):
        page["next_page_token"] = str(start + size)
    return page


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name) or str(default)
    if not value.isdecimal():
        raise invalid(f"Invalid value {value!r} at '{name}'.")
    return int(value)
