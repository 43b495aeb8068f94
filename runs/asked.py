"""Messages that a person or somebody's program writes: a field that they do not have is not ignored.

Workflow code: see docs/changing.md.
"""

from itertools import islice
from typing import Any, ClassVar, Final, Self

from pydantic import ModelWrapValidatorHandler, PrivateAttr, ValidationInfo, model_validator

from runs.message import Message
from runs.unknown_fields import unknown_fields

_MAX_TOLD: Final = 3
"""Misspelt fields that are told of; the first one is enough to look once more."""


class Asked(Message):
    """A message that begins or decides something, and so may cost money.

    It is decoded like any other, since it is stored, too, and read by other versions; ``unknown`` says what
    was left out, and whoever takes it as something new refuses it then. One that is made in Python is new for
    certain, and cannot be made with such a field.
    """

    what: ClassVar[str] = "a request"
    """What it is to people."""

    _unknown: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unknown(self) -> str | None:
        """What is wrong with the fields that it does not have; None when it came without any."""
        return "; ".join(self._unknown) or None

    @model_validator(mode="wrap")
    @classmethod
    def _note_unknown(
        cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        unknown = tuple(islice(unknown_fields(value, cls, what=cls.what), _MAX_TOLD))
        if unknown and info.mode == "python":
            raise ValueError("; ".join(unknown))
        asked = handler(value)
        if unknown:
            asked._unknown = unknown  # noqa: SLF001 - our own
        return asked
