"""Messages that leave out what says nothing: a chain has up to a thousand of some.

Workflow code: see docs/changing.md.
"""

from typing import Any, Final

from pydantic import SerializerFunctionWrapHandler, model_serializer

from runs.message import Message

_NOTHING: Final[tuple[object, ...]] = (None, "", (), {})


class Sparse(Message):
    """A message without the fields in which nothing was given: null, or an empty text or list.

    Other defaults are written out: what was meant when it was sent must not change with a newer version.
    """

    @model_serializer(mode="wrap")
    def _leave_out_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value in _NOTHING and value == field.get_default(call_default_factory=True, validated_data={}):
                written.pop(field.serialization_alias or name, None)
        return written


class Compact(Message):
    """A message without the fields that are as they are by default, for states that only we write."""

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        return {
            name: value
            for name, value in written.items()
            if (field := type(self).model_fields[name]).is_required() or getattr(self, name) != field.default
        }
