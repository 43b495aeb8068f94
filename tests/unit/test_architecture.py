"""Who may import whom, and where: the arrows of ``docs/architecture.md``, held by reading the source."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

ARROWS: Final[dict[str, frozenset[str]]] = {
    "runs": frozenset(),
    "interactions": frozenset(),
    "artifacts": frozenset({"regular_files", "runs"}),
    "tools": frozenset({"runs"}),
    "chains": frozenset({"runs"}),
    # It carries out whatever it is given, and knows none of it.
    "isolation": frozenset(),
    "activities": frozenset({"runs", "interactions", "artifacts", "tools", "isolation"}),
    "workflows": frozenset({"runs", "activities", "chains"}),
    "starter": frozenset(
        {"workflows", "runs", "artifacts", "chains", "interactions", "regular_files", "settings"}
    ),
    # It imports none of our code, so that it cannot share a client's mistake.
    "emulator": frozenset(),
    "prefetch": frozenset(),
    "printing": frozenset(),
    "regular_files": frozenset(),
    "settings": frozenset({"runs", "interactions", "regular_files"}),
    "telemetry": frozenset(),
    "health": frozenset(),
    "watchdog": frozenset(),
    "startup": frozenset(
        {
            "activities",
            "artifacts",
            "health",
            "interactions",
            "runs",
            "settings",
            "telemetry",
            "tools",
            "workflows",
        }
    ),
    "worker": frozenset(
        {
            "activities",
            "artifacts",
            "health",
            "interactions",
            "isolation",
            "prefetch",
            "printing",
            "runs",
            "settings",
            "startup",
            "telemetry",
            "tools",
            "watchdog",
            "workflows",
        }
    ),
}
"""For each of ours, by the name it is imported by: which others of ours it may import."""

THIRD_PARTY: Final = {
    # Pure: a workflow runs it on every replay. The extensions are the standard library of a later Python.
    "runs": {"pydantic"},
    "chains": {"pydantic", "pydantic_core"},
    # Whatever else a workflow imports would have to be safe to replay.
    "workflows": {"pydantic", "temporalio"},
}
"""Where only some libraries may be imported; elsewhere any that is declared."""

YAML_PLACE: Final = Path("chains/yaml_nodes.py")
"""Reads YAML, before anything is started. No workflow may come to import it, and so none of the rest of the
rules about chains may, but for the module that reads a chain's file."""

HTTP_CLIENTS: Final = {"httpx2", "httpcore2"}
HTTP_PLACES: Final = (
    "interactions/",
    "emulator/",
    "starter/dev_stack.py",
    "starter/commands/doctor.py",
    "health.py",
)
"""Google is called by `interactions` alone; the others speak to programs on the same machine."""


@dataclass(frozen=True)
class Import:
    """One imported module, and where the statement stands."""

    module: str
    line: int
    passed_through: bool

    @property
    def top(self) -> str:
        """The first part of the name."""
        return self.module.partition(".")[0]


def imports_of(tree: ast.AST, *, passed_through: bool = False) -> Iterator[Import]:
    """Yield every import under ``tree``, wherever it stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, passed_through)
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays in its package, and the linter refuses it anyway.
            yield Import("." * node.level + (node.module or ""), node.lineno, passed_through)
        else:
            yield from imports_of(node, passed_through=passed_through or is_passing_through(node))


def is_passing_through(node: ast.AST) -> bool:
    """Whether ``node`` is an ``imports_passed_through()`` block."""
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).endswith("imports_passed_through")
        for item in node.items
    )


def sources() -> list[Path]:
    """Return every module of ours but the tests', relative to the root."""
    modules = [Path(f"{name}.py") for name in ARROWS if (ROOT / f"{name}.py").exists()]
    for name in ARROWS:
        modules += sorted(path.relative_to(ROOT) for path in (ROOT / name).rglob("*.py"))
    return modules


def owner_of(module: Path) -> str:
    """Return the package, or the top-level module, that ``module`` belongs to."""
    return module.parts[0].removesuffix(".py")


def objection(module: Path, imported: Import) -> str | None:
    """Return why ``module`` may not import ``imported``; None when it may."""
    owner = owner_of(module)
    if imported.top in ARROWS:
        allowed = imported.top == owner or imported.top in ARROWS[owner]
        return None if allowed else f"there is no arrow {owner} → {imported.top}"
    if imported.top in sys.stdlib_module_names:
        return None
    if module == YAML_PLACE and imported.top == "yaml":
        return None
    if owner in THIRD_PARTY and imported.top not in THIRD_PARTY[owner]:
        return f"{owner} imports no {imported.top}"
    if imported.top in HTTP_CLIENTS and not module.as_posix().startswith(HTTP_PLACES):
        return "HTTP is spoken elsewhere"
    return None


def violations(module: Path, source: str) -> list[str]:
    """Return what ``module`` imports but may not, as lines for a person."""
    tree = ast.parse(source)
    imports = list(imports_of(tree))
    found = [(line.line, f"{line.module}: {why}") for line in imports if (why := objection(module, line))]
    if owner_of(module) == "workflows" and "@workflow.defn" in source:
        # The sandbox loads such a module for every run, and with it all that is not passed through.
        free = sys.stdlib_module_names | {"temporalio"}
        loose = [line for line in imports if line.top not in free and not line.passed_through]
        found += [(line.line, f"{line.module}: not inside imports_passed_through()") for line in loose]
    blocks = [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.With) and is_passing_through(node)
    ]
    found += [(line, "a second imports_passed_through() block") for line in blocks[1:]]
    return [f"{module}:{line}: {what}" for line, what in sorted(found)]


@pytest.mark.parametrize("module", sources(), ids=str)
def test_imports_follow_the_arrows(module: Path) -> None:
    """No module imports what its place in the layout does not allow."""
    assert violations(module, (ROOT / module).read_text("utf-8")) == []


@pytest.mark.parametrize("package", [name for name in ARROWS if (ROOT / name).is_dir()])
def test_packages_hold_no_code_of_their_own(package: str) -> None:
    """A package's ``__init__`` is a docstring: importing one module must not load its siblings.

    That of `tools` gives its users' modules one place to import from, and does nothing else.
    """
    for init in (ROOT / package).rglob("__init__.py"):
        module = ast.parse(init.read_text("utf-8"))
        assert ast.get_docstring(module)
        kinds = [type(node) for node in module.body]
        if package == "tools":
            assert kinds.pop() is ast.Assign  # __all__
            kinds = [kind for kind in kinds if kind is not ast.ImportFrom]
        assert kinds == [ast.Expr], init


def imported_modules(module: Path) -> set[Path]:
    """Return the modules of ours that ``module`` imports, relative to the root."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {path for name in names if (ROOT / (path := Path(name.replace(".", "/") + ".py"))).exists()}


def test_no_workflow_comes_to_read_yaml() -> None:
    """Directly or through others, neither a workflow nor the rules it runs import what reads files."""
    pure = {module for module in sources() if owner_of(module) in ("workflows", "chains")}
    pure -= {YAML_PLACE, Path("chains/reading.py")}
    seen: set[Path] = set()
    following = set(pure)
    while following:
        seen |= following
        following = {other for module in following for other in imported_modules(module)} - seen
    assert pure
    assert YAML_PLACE not in seen
    assert YAML_PLACE in imported_modules(Path("chains/reading.py"))


def test_workflow_code_says_what_it_is() -> None:
    """What a replay runs says so in its first lines, so that nobody changes it as if it were any code.

    That is all of `workflows`, and what they import of `runs` and `chains`; activities they only name.
    """
    code: set[Path] = set()
    following = {module for module in sources() if owner_of(module) == "workflows"}
    while following:
        code |= following
        found = {other for module in following for other in imported_modules(module)}
        following = {other for other in found if owner_of(other) in ("runs", "chains", "workflows")} - code
    sentence = "Workflow code: see docs/changing.md."
    saying = {
        module
        for module in sources()
        if sentence
        in (ast.get_docstring(ast.parse((ROOT / module).read_text("utf-8"))) or "").splitlines()[:4]
    }
    code = {module for module in code if module.name != "__init__.py"}
    assert sorted(map(str, code - saying)) == [], f"say in the module's docstring: {sentence}"
    assert sorted(map(str, saying - code)) == [], "no workflow imports it"


def test_the_table_knows_every_module() -> None:
    """What is in the wheel is in the table of arrows and is measured, and the other way round."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    shipped = {
        name.removesuffix(".py") for name in project["hatch"]["build"]["targets"]["wheel"]["only-include"]
    }
    assert shipped == set(ARROWS) == set(project["coverage"]["run"]["source"])


def test_there_are_no_circles() -> None:
    """The arrows can be put in an order: whatever imports comes after what it imports."""
    left = dict(ARROWS)
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("runs/x.py", "import interactions.client"),
        ("runs/x.py", "import structlog"),
        ("runs/x.py", "from temporalio import workflow"),
        ("chains/x.py", "import yaml"),
        ("chains/x.py", "from activities import x"),
        ("interactions/x.py", "from runs.phase import Phase"),
        ("interactions/x.py", "def f():\n    import runs"),
        ("interactions/x.py", "if TYPE_CHECKING:\n    from activities import x"),
        ("artifacts/x.py", "from activities import x"),
        ("activities/x.py", "from settings import Settings"),
        ("tools/x.py", "from activities import x"),
        ("activities/x.py", "import httpx2 as httpx"),
        ("workflows/x.py", "from interactions.client import InteractionsClient"),
        ("workflows/x.py", "import structlog"),
        ("workflows/x.py", "from runs import limits\n@workflow.defn\nclass W: ..."),
        ("workflows/x.py", "import pydantic\n@workflow.defn\nclass W: ..."),
        ("workflows/x.py", "with imports_passed_through():\n    import runs\n" * 2),
        ("starter/x.py", "from activities import timeouts"),
        ("starter/x.py", "import worker"),
        ("starter/runs.py", "import httpx2"),
        ("emulator/x.py", "from runs.phase import Phase"),
        ("worker.py", "from starter import runs"),
        ("telemetry.py", "from settings import Settings"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    """The reading above sees each kind of import that it forbids."""
    assert len(violations(Path(module), source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("runs/x.py", "import math\nfrom pydantic import BaseModel\nfrom runs.phase import Phase"),
        ("workflows/x.py", "import asyncio\nfrom temporalio import workflow\n@workflow.defn\nclass W: ..."),
        (
            "workflows/x.py",
            "with workflow.unsafe.imports_passed_through():\n    import runs\n@workflow.defn\nclass W: ...",
        ),
        ("emulator/x.py", "import httpx2\nimport starlette"),
        ("worker.py", "from workflows.registry import WORKFLOWS"),
    ],
)
def test_a_right_import_is_left_alone(module: str, source: str) -> None:
    """What the layout allows is no violation."""
    assert violations(Path(module), source) == []
