"""Options whose value may be left out: ``--image`` and ``--image 16:9``, ``--plan`` and ``--plan auto``."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple


class _Optional(NamedTuple):
    """What an option may be given, and what stands for nothing."""

    value: re.Pattern[str]
    left_out: str


_RATIO: Final = re.compile(r"auto|\d+[:x/]\d+")

OPTIONAL: Final = {
    "--image": _Optional(_RATIO, left_out="auto"),
    "--video": _Optional(_RATIO, left_out="auto"),
    "--plan": _Optional(re.compile(r"ask|auto"), left_out="ask"),
}


def with_values(arguments: Sequence[str]) -> list[str]:
    """Return ``arguments`` with a value for every option that was given none.

    Only what can be a value is taken for one: in ``--image "A cat"``, the cat is the question.
    """
    spelled_out: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*spelled_out, *arguments[place:]]
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        option = OPTIONAL.get(argument)
        if option is not None and not option.value.fullmatch(following):
            argument = f"{argument}={option.left_out}"  # noqa: PLW2901 - the same argument, spelled out
        spelled_out.append(argument)
    return spelled_out
