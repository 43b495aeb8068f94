from pathlib import Path

import pytest

from emulator.directives import DIRECTIVE_KEYS
from emulator.faults import FAULTS

_DOCUMENT = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_documented(name: str) -> None:
    """The document's table is the code's table."""
    fault = FAULTS[name]
    times = "always" if fault.default_times is None else fault.default_times
    assert f"| `{name}` | {fault.moment} | {times} | {fault.what} |" in _DOCUMENT


@pytest.mark.parametrize("key", DIRECTIVE_KEYS)
def test_every_directive_is_documented(key: str) -> None:
    """So are the keys of a directive."""
    assert f"| `{key}` | {DIRECTIVE_KEYS[key]} |" in _DOCUMENT


def test_nothing_else_is_documented() -> None:
    """No row speaks of a fault that is gone."""
    table = _DOCUMENT.partition("| fault | when |")[2].partition("\n\n")[0]
    assert len(table.splitlines()) == 2 + len(FAULTS)
