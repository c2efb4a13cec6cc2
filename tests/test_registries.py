"""A benchmark is known everywhere or nowhere: what any list of the product forgets, this finds.

Every collection in a module or class that has names of benchmarks is found by looking, so that a
new list needs no line here.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import missing_extra
from benchmark_db.registry import BENCHMARKS, INSTALLABLE
from missing_extra import PACKAGES
from service.app import create_app

ONLY_SOME: Final = {
    # Not every combination of its choices is a cell, which code has to tell.
    "_CODED": {"nasbench101"},
    # The others are asked what their descriptions say.
    "_OWN": {"nasbench101", "nds"},
    # Archives of records that may be damaged one by one, or come in parts.
    "TOLERANT_GENERATORS": {"nasbench101"},
    "PARTIAL_GENERATORS": {"nds"},
    # Samples of all architectures, made without an archive.
    "WHOLE_SAMPLES": {"nasbench201"},
}
"""Lists that are meant to name only some, by their names."""
EVERYTHING: Final = {
    "GENERATORS",
    "INSTALLABLE",
    "PUBLISHED",
    "SAMPLES",
    "_WRITTEN",
}
"""Lists that name what has no runs, too; the others are of benchmarks that have."""


def collections_of(module: ModuleType) -> Iterator[tuple[object, str, Any]]:
    """Yield what holds a collection that names benchmarks, its name there, and the collection."""
    mine = [v for v in vars(module).values() if isinstance(v, type)]
    owners = [module, *(kind for kind in mine if kind.__module__ == module.__name__)]
    for owner in owners:
        for name, value in list(vars(owner).items()):
            is_plain = isinstance(value, (Mapping, AbstractSet, list, tuple)) and name[:2] != "__"
            if is_plain and names_in(value):
                yield owner, name, value


def names_in(value: Iterable[Any]) -> set[str]:
    return {name for name in value if isinstance(name, str) and name in INSTALLABLE}


def modules() -> Iterator[ModuleType]:
    for package in sorted(PACKAGES):
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


FOUND: Final = list(
    {id(found[2]): found for module in modules() for found in collections_of(module)}.values()
)


def forgotten(owner: object, name: str) -> set[str]:
    """Return the benchmarks that a collection should name and does not."""
    whole = set(INSTALLABLE) if name in EVERYTHING else set(BENCHMARKS)
    return ONLY_SOME.get(name, whole) - names_in(getattr(owner, name))


def title(owner: object, name: str) -> str:
    return f"{getattr(owner, '__module__', None) or owner.__name__}.{name}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("owner", "name"), [found[:2] for found in FOUND], ids=[title(*found[:2]) for found in FOUND]
)
def test_no_list_forgets_one(owner: object, name: str) -> None:
    assert forgotten(owner, name) == set()


@pytest.mark.parametrize(
    ("owner", "name", "entry"),
    [(owner, name, entry) for owner, name, value in FOUND for entry in sorted(names_in(value))],
    ids=[
        f"{title(owner, name)}-{entry}"
        for owner, name, value in FOUND
        for entry in sorted(names_in(value))
    ],
)
def test_an_entry_that_is_taken_out_is_missed(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, entry: str
) -> None:
    kept: Any = getattr(owner, name)
    without: Any = (
        {key: value for key, value in kept.items() if key != entry}
        if isinstance(kept, Mapping)
        else tuple(value for value in kept if value != entry)
    )
    monkeypatch.setattr(owner, name, without)
    assert entry in forgotten(owner, name)


def test_the_lists_are_found() -> None:
    assert EVERYTHING | set(ONLY_SOME) <= {name for _, name, _ in FOUND}


@pytest.mark.parametrize(("owner", "name", "value"), FOUND, ids=[title(*f[:2]) for f in FOUND])
def test_what_names_more_than_the_benchmarks_with_runs_is_meant_to(
    owner: object, name: str, value: Any
) -> None:
    if names_in(value) - set(BENCHMARKS):
        assert name in EVERYTHING or name in ONLY_SOME, title(owner, name)


@pytest.fixture(scope="module")
def paths() -> set[str]:
    """The addresses of the service."""
    return set(create_app().openapi()["paths"])


@pytest.mark.parametrize("name", INSTALLABLE)
def test_everything_that_can_be_installed_is_exported(name: str, paths: set[str]) -> None:
    assert f"/v1/{name}/export" in paths


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_answers_the_questions_that_all_have(name: str, paths: set[str]) -> None:
    topics = (
        *("computed-stats", "computed-stats/query", "intermediate-stats"),
        *("top", "pareto", "distribution", "architectures/random"),
    )
    assert {f"/v1/{name}/{topic}" for topic in topics} <= paths


REGISTERED: Final = {
    # One list a package, which its own modules are in.
    "bench_client/models/__init__.py",
    "bench_client/written.py",
    "benchmark_db/registry.py",
    "benchmark_spec/published/nats_bench.py",
    "model_hub/rows/__init__.py",
    "model_hub/spaces/__init__.py",
    # Its documentation has the size space as an example.
    "model_hub/benchmark_rows.py",
}
"""Files that name the size space beside those that are its own."""


def test_a_benchmark_is_named_by_its_own_modules_and_where_it_is_registered() -> None:
    root = Path(missing_extra.__file__).parents[1]
    naming = {
        str(path.relative_to(root))
        for package in PACKAGES
        for path in (root / package).rglob("*.[pj][ys]")  # the pages name none, either
        if re.search(r"\bnatssss\b", path.read_text(encoding="utf-8"))
    }
    others = {
        path
        for path in naming - REGISTERED
        # An adapter has another project's names.
        if "natssss" not in path and not path.startswith("bench_client/compat_nats_bench/")
    }
    assert naming
    assert others == set()
