"""How modules hang together: no module imports one that, directly or through others, imports it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from missing_extra import PACKAGES

REPOSITORY = Path(__file__).resolve().parents[1]


def modules_of(package: Path) -> dict[str, Path]:
    """Return the files of a package by the names under which they are imported."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        *folders, name = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(folders if name == "__init__" else [*folders, name])] = path
    return found


def imported_names(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield what a file imports, in functions too; what type checkers alone read loads nothing.

    Each is a module, and the name taken from it, which may be a module as well.
    """
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}, line {node.lineno}: imports are absolute here"
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting.extend(ast.iter_child_nodes(node))


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return, of each module of a package, the modules of the package that it imports.

    That a module loads the packages it lies in does not count: `__init__` offers what is in them.
    """
    modules = modules_of(package)
    graph = {}
    for module, path in modules.items():
        names = (
            inner if (inner := f"{outer}.{name}") in modules else outer
            for outer, name in imported_names(path)
        )
        graph[module] = {name for name in names if name in modules and name != module}
    return graph


def cycle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of a cycle, each of which imports the one before it; none if none is."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_modules_import_each_other(package: str) -> None:
    graph = import_graph(REPOSITORY / package)
    assert graph
    assert cycle_in(graph) == []


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("errors.py", "from model_hub import zoo"),
        ("errors.py", "from model_hub.zoo import load"),
        ("errors.py", "import model_hub.zoo.models"),
        ("model_space.py", "def load():\n    from model_hub.zoo.models import load as it"),
    ],
)
def test_a_planted_cycle_is_found(module: str, planted: str, tmp_path: Path) -> None:
    copy = tmp_path / "model_hub"
    shutil.copytree(REPOSITORY / "model_hub", copy)
    with (copy / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{planted}\n")
    cycle = cycle_in(import_graph(copy))
    assert f"model_hub.{Path(module).stem}" in cycle
