"""The content of a NAS-Bench-201 archive, to be changed before it is written and converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark_db.nasbench201.benchmark import NasBench201
from generators.nasbench201 import generate

Content = dict[str, Any]
WriteArchive = Callable[[Path, Content], Path]
Refusal = Callable[..., str]

SEED = 111
FIRST = ("cifar100", SEED)


def runs(content: Content, budget: str = "less") -> dict[Any, Any]:
    found: dict[Any, Any] = content["arch2infos"][0][budget]["all_results"]
    return found


def run(content: Content) -> Any:
    return runs(content)[FIRST]


def items(folder: Path, **filters: Any) -> list[Any]:
    benchmark = NasBench201(folder / "nasbench201.db")
    try:
        return benchmark.computed_stats(filters, include_intermediates=True, limit=1000).items
    finally:
        benchmark.close()


def convert(write: WriteArchive, content: Content, folder: Path, **filters: Any) -> list[Any]:
    generate(write(folder, content), folder)
    return items(folder, **filters)
