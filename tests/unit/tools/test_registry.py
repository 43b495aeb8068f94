import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.errors import InvalidTool
from tools.registry import ToolRegistry, load_tools

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules into the current folder; afterwards nothing of them is left in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    before = set(sys.modules)

    def write(name: str, source: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def source(*names: str) -> str:
    """Return a module with tools of these names."""
    return "from tools import tool\n" + "\n".join(
        f"@tool\ndef {name}() -> str:\n    'Do it.'\n    return '{name}'\n" for name in names
    )


def test_modules_of_the_current_folder_are_loaded(write: Write) -> None:
    """A file beside where the worker is started will do; what is not decorated is no tool."""
    write("mine_tools.py", source("b", "a") + "def helper(): ...\n")
    registry = load_tools("mine_tools")
    assert registry.names == ("a", "b")
    assert len(registry) == 2
    assert registry.get("helper") is None


def test_several_modules_are_separated_by_commas(write: Write) -> None:
    """Names of packages, and spaces, are fine; a function that two modules have is one tool."""
    write("mine_pack/__init__.py", "from mine_pack.inner import a\n")
    write("mine_pack/inner.py", source("a", "b"))
    assert load_tools(" mine_pack , mine_pack.inner,").names == ("a", "b")


def test_no_module_is_no_tools() -> None:
    """A worker need not have any."""
    assert load_tools(" ").names == ()


def test_one_name_is_one_tool(write: Write) -> None:
    """The model could not say which it means; the message says where both are."""
    write("mine_one.py", source("a"))
    write("mine_two.py", source("b", "a"))
    with pytest.raises(InvalidTool) as caught:
        load_tools("mine_one,mine_two")
    assert "mine_one.py:2" in str(caught.value)
    assert "mine_two.py:7" in str(caught.value)
    assert "give one of them another name" in str(caught.value)


def test_an_installed_module_comes_first(write: Write) -> None:
    """No file in the folder where a worker is started may take the place of another module."""
    write("colorsys.py", source("a"))
    with pytest.raises(InvalidTool, match=r"comes before .*colorsys\.py; rename that file"):
        load_tools("colorsys")


def test_a_module_without_tools_is_said_to_be_one(write: Write) -> None:
    """Most often the decorator was forgotten."""
    write("mine_none.py", "def helper(): ...\n")
    with pytest.raises(InvalidTool, match=r"mine_none\.py\) has no tools; decorate"):
        load_tools("mine_none")


def test_a_module_that_breaks_is_said_with_its_line(write: Write) -> None:
    """It is the user's own line that helps, not ours."""
    write("mine_broken.py", "\n\n1 / 0\n")
    with pytest.raises(InvalidTool, match=r"ZeroDivisionError: .*mine_broken\.py:3"):
        load_tools("mine_broken")


@pytest.mark.parametrize("name", ["mine_nothing", "mine_nothing.inner", "mine_plain.inner"])
def test_a_missing_module_is_told_from_a_missing_library(write: Write, name: str) -> None:
    """What cannot be found may be the module itself, or what it needs."""
    write("mine_plain.py", source("a"))
    write("mine_needy.py", "import mine_library\n")
    with pytest.raises(InvalidTool, match=r"there is no module|is not a package"):
        load_tools(name)
    with pytest.raises(InvalidTool, match="importing 'mine_needy' failed: ModuleNotFoundError"):
        load_tools("mine_needy")


def test_a_registry_is_empty_by_itself() -> None:
    """What is not in it is not there."""
    assert ToolRegistry().get("a") is None
