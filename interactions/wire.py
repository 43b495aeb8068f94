"""The two bases of all wire models: strict where we speak, lenient where we listen."""

from typing import Annotated, Any, Final, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
    model_validator,
)

T = TypeVar("T")

_KIND: Final = "type"


class RequestModel(BaseModel):
    """Something we send. An unknown field is our mistake and refused before it costs a request.

    Validation errors never quote their input: requests carry prompts, and tool headers carry tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WireModel(BaseModel):
    """Something the service sent. Unknown fields are kept; numbers may arrive where text is expected."""

    model_config = ConfigDict(
        extra="allow", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True
    )


class WireDocument(WireModel):
    """A whole JSON document of the service, kept beside its typed form exactly as it was received."""

    _raw_json: bytes = PrivateAttr(default=b"")

    @property
    def raw_json(self) -> bytes:
        """The document as received (with our credential blotted out, should it have been echoed)."""
        return self._raw_json

    def keep_raw(self, raw_json: bytes) -> Self:
        """Attach the bytes this document was parsed from, and return it."""
        # Private attributes may be set on a frozen model, but only through the attribute itself.
        self._raw_json = raw_json
        return self


class Unknown(WireModel):
    """A variant this client does not know, or a known one with fields of an unexpected type.

    Takes any JSON value; build one with ``model_validate(value)``. It serialises back to ``raw``.
    """

    type: str = ""
    raw: Any = None

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: Any, _handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, cls):
            return value
        kind = value.get(_KIND) if isinstance(value, dict) else None
        return cast("Self", cls.model_construct(type=kind if isinstance(kind, str) else "", raw=value))

    @model_serializer
    def _as_received(self) -> Any:
        return self.raw


def _none_if_wrong(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


def _empty_if_null(value: Any) -> Any:
    return () if value is None else value


def _empty_if_wrong(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(() if value is None else value)
    except ValidationError:
        return ()


def _blank_if_wrong(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return ""


Lenient = Annotated[T | None, WrapValidator(_none_if_wrong)]
"""None when absent or of an unexpected type; the received value is still in ``raw_json``."""

LenientText = Annotated[str, WrapValidator(_blank_if_wrong)]
"""Text, empty when of an unexpected type."""

Many = Annotated[tuple[T, ...], BeforeValidator(_empty_if_null)]
"""Any number of items; a null list counts as an empty one."""

LenientMany = Annotated[tuple[T, ...], WrapValidator(_empty_if_wrong)]
"""Like ``Many``, and empty too when what arrived is not a list of these."""
