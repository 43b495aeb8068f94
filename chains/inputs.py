"""The values for a chain's inputs: checked, and completed with defaults, before anything is started.

Workflow code: see docs/changing.md.
"""

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from chains.checking import suggestion
from chains.errors import InvalidInputs
from chains.limits import MAX_INPUTS_BYTES
from chains.spec import ChainSpec, InputSpec, InputType, type_of


def read_inputs(spec: ChainSpec, given: Sequence[str]) -> dict[str, JsonValue]:
    """Return the inputs of ``spec`` by ``key=value`` as people type them, completed with defaults.

    A text is taken as it stands; any other kind of value is JSON, such as ``topics=["tea", "coffee"]``.

    Raises:
        InvalidInputs: A key is unknown or given twice, a value is of the wrong kind, or one is missing.
    """
    values: dict[str, JsonValue] = {}
    problems: list[str] = []
    for pair in given:
        key, separator, text = pair.partition("=")
        key = key.strip()
        declared = spec.inputs.get(key)
        if not separator:
            problems.append(f"{pair[:60]!r} is no input; write KEY=VALUE")
        elif key in values:
            problems.append(f"the input {key!r} is given twice")
        elif declared is None:
            # Said with the others, by the same words.
            values[key] = text
        else:
            try:
                values[key] = _read(declared, text)
            except ValueError:
                problems.append(f"the input {key!r} is to be {_described(declared.kind)}, not {text[:60]!r}")
    return _completed(spec, values, problems)


def complete_inputs(spec: ChainSpec, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return ``values`` with the defaults of ``spec``.

    Raises:
        InvalidInputs: A key is unknown, a value is of the wrong kind, or one is missing.
    """
    return _completed(spec, values, [])


def _completed(spec: ChainSpec, values: Mapping[str, JsonValue], problems: list[str]) -> dict[str, JsonValue]:
    said = {key for problem in problems for key in spec.inputs if repr(key) in problem}
    for key, value in values.items():
        declared = spec.inputs.get(key)
        if declared is None:
            known = ", ".join(spec.inputs) or "none"
            hint = suggestion(key, spec.inputs) or f"; this chain takes {known}"
            problems.append(f"there is no input {key!r}{hint}")
        elif value is not None and type_of(value) is not declared.kind:
            problems.append(f"the input {key!r} is to be {_described(declared.kind)}")
    completed: dict[str, JsonValue] = {}
    for key, declared in spec.inputs.items():
        value = values.get(key)
        completed[key] = declared.default if value is None else value
        if completed[key] is None and key not in said:
            described = f" ({declared.description})" if declared.description else ""
            problems.append(f"the input {key!r}{described} is missing; give it with --set {key}=VALUE")
    size_bytes = len(json.dumps(completed).encode())
    if size_bytes > MAX_INPUTS_BYTES:
        problems.append(
            f"the inputs have {size_bytes:,} bytes together, the limit is {MAX_INPUTS_BYTES:,}; "
            "attach longer material as a file"
        )
    if problems:
        raise InvalidInputs(tuple(problems))
    return completed


def _read(declared: InputSpec, text: str) -> JsonValue:
    if declared.kind is InputType.TEXT:
        return text
    value: JsonValue = json.loads(text, parse_constant=_refuse)
    if type_of(value) is not declared.kind or value is None:
        raise ValueError(text)
    return value


def _refuse(constant: str) -> JsonValue:
    # Infinity and NaN are no JSON, whatever Python thinks.
    raise ValueError(constant)


def _described(kind: InputType) -> str:
    match kind:
        case InputType.TEXT:
            return "text"
        case InputType.NUMBER:
            return "a number"
        case InputType.BOOLEAN:
            return "true or false"
        case InputType.LIST:
            return 'a list, as JSON: ["a", "b"]'
        case InputType.OBJECT:
            return 'an object, as JSON: {"key": "value"}'
