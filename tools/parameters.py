"""A function's parameters: as JSON Schema for the model, and checked before the function is called."""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticUndefined, SchemaError

from runs.text import first_line
from tools.errors import InvalidTool

_MAX_SHOWN_PROBLEMS: Final = 10
_MAX_PROBLEM_CHARS: Final = 200
"""Of what is wrong with a call's arguments, told to the model: it corrects some at a time."""

_IS_ONE_TOO_MANY: Final = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})


_DATA: Final = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose value is no schema."""


class InvalidArguments(Exception):
    """A model's arguments do not fit. The message says what is wrong, per parameter."""


class Parameters:
    """The parameters of one function.

    Args:
        function: All of whose parameters have a name and a type.
        descriptions: What they mean, by name.

    Raises:
        InvalidTool: A parameter cannot be given by a model; the message does not say of which function.
    """

    def __init__(self, function: Callable[..., object], descriptions: Mapping[str, str]) -> None:
        signature = inspect.signature(function)
        if unknown := sorted(descriptions.keys() - signature.parameters.keys()):
            raise InvalidTool(
                f"its docstring describes {unknown[0]!r}, which is no parameter; correct the name"
            )
        hints = _hints_of(function)
        for parameter in signature.parameters.values():
            if parameter.kind in _IS_ONE_TOO_MANY:
                raise InvalidTool(f"*{parameter.name} has no JSON Schema; name each parameter")
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                raise InvalidTool(
                    f"{parameter.name!r} is positional-only, and models give arguments by name; "
                    "remove the '/'"
                )
            if parameter.name not in hints:
                raise InvalidTool(f"{parameter.name!r} has no type hint; give it one")
        self._names = {f"p{number}": name for number, name in enumerate(signature.parameters)}
        self._model = self._model_of(signature, hints)
        self.schema: Final = self._schema(descriptions)

    def check(
        self, arguments: Mapping[str, JsonValue], *, redact: Callable[[str], str] = str
    ) -> dict[str, Any]:
        """Return the arguments to call the function with.

        Args:
            arguments: As the model gave them.
            redact: Returns a text without secrets; what a type's own validator says may have some.

        Raises:
            InvalidArguments: They do not fit.
        """
        try:
            # As JSON, in which dates and bytes are text: what the schema says.
            checked = self._model.model_validate_json(json.dumps(arguments))
        except ValidationError as error:
            raise InvalidArguments(_told(error, redact)) from None
        # What the model left out is the function's own default.
        return {self._names[field]: getattr(checked, field) for field in checked.model_fields_set}

    def _model_of(self, signature: inspect.Signature, hints: Mapping[str, Any]) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        # Under names of ours: a parameter may be called `schema` or `_id`, which no field may.
        for field, name in self._names.items():
            default = signature.parameters[name].default
            fields[field] = (
                hints[name],
                Field(
                    default=PydanticUndefined if default is inspect.Parameter.empty else default, alias=name
                ),
            )
            try:
                create_model("Arguments", **{field: fields[field]})
            except (PydanticUserError, SchemaError, NameError, TypeError) as error:
                raise InvalidTool(
                    f"the type of {name!r} cannot be read from JSON ({first_line(str(error), 200)}); "
                    "use str, int, float, bool, list, dict, an Enum, a dataclass or a pydantic model"
                ) from None
        return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)

    def _schema(self, descriptions: Mapping[str, str]) -> dict[str, JsonValue]:
        try:
            schema = self._model.model_json_schema(schema_generator=_Quiet)
        except PydanticUserError as error:
            raise InvalidTool(
                f"a parameter has no JSON Schema ({first_line(str(error), 200)}); use str, int, float, bool, "
                "list, dict, an Enum, a dataclass or a pydantic model"
            ) from None
        inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}), within=())
        properties: dict[str, dict[str, JsonValue]] = inlined.setdefault("properties", {})
        for field, name in self._names.items():
            # Over what a class says of itself, but not over ``Annotated[…, Field(description=…)]``.
            if name in descriptions and self._model.model_fields[field].description is None:
                properties[name]["description"] = descriptions[name]
        return inlined


class _Quiet(GenerateJsonSchema):
    # A default that is no JSON is left out of the schema; the function has it all the same.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic declares it so


def _hints_of(function: Callable[..., object]) -> Mapping[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 - a hint in quotes is code, and may raise anything
        raise InvalidTool(
            f"its type hints cannot be resolved ({first_line(str(error), 200)}); define the types above it, "
            "at the top of the module"
        ) from None


def _inlined(schema: Any, definitions: Mapping[str, Any], *, within: tuple[str, ...]) -> Any:
    """Return ``schema`` with each definition in place of a reference to it, and without what says nothing.

    The service takes nothing but the reference beside one, so a described parameter could have none.
    """
    if isinstance(schema, list):
        return [_inlined(part, definitions, within=within) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in within:
            raise InvalidTool(f"{name} contains itself, which the model cannot be told; use a flat type")
        definition = _inlined(definitions[name], definitions, within=(*within, name))
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**definition, **_inlined(beside, definitions, within=within)}
    return {
        key: value if key in _DATA else _inlined(value, definitions, within=within)
        for key, value in schema.items()
        # Titles are names once more, and every word is paid for in every prompt; the keyword is not one that
        # all versions of the service take, and what the model gives is checked here anyway.
        if not (key == "title" and isinstance(value, str)) and (key, value) != ("additionalProperties", False)
    }


def _told(error: ValidationError, redact: Callable[[str], str]) -> str:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    lines = []
    for problem in problems[:_MAX_SHOWN_PROBLEMS]:
        where = ".".join(str(part) for part in problem["loc"]) or "arguments"
        what = {"extra_forbidden": "there is no such parameter", "missing": "is missing"}.get(
            problem["type"], problem["msg"]
        )
        lines.append(first_line(redact(f"{where}: {what}"), _MAX_PROBLEM_CHARS))
    if len(problems) > _MAX_SHOWN_PROBLEMS:
        lines.append(f"and {len(problems) - _MAX_SHOWN_PROBLEMS} more")
    return "; ".join(lines)
