"""What there is to list. By itself, so that the command's help need not load what describes it."""

from enum import StrEnum


class RunKind(StrEnum):
    """What a line of a list stands for."""

    RUN = "run"
    CHAIN = "chain"
    CHAT = "chat"
