"""Recorded statistics of cells in the format of `nasbench`, for single cells and as mappings."""

from __future__ import annotations

import math
import re
import struct
from abc import abstractmethod
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from bench_client.clients import BenchClient
from bench_client.errors import TableReplacedError, UnexpectedAnswerError
from bench_client.models.answers import Page
from bench_client.models.benchmarks import BenchmarkInfo
from bench_client.models.nasbench101 import Nb101Config, Nb101Epoch, Nb101Stats
from bench_client.operations import Question
from bench_client.pages import check_progress
from benchmark_db.nasbench101.spelling import parse_cell
from missing_extra import needs

__all__ = [
    "NAME",
    "Computed",
    "ComputedStatistics",
    "Fixed",
    "FixedStatistics",
    "array",
    "computed",
    "fixed",
    "halfway",
    "measured",
]

V = TypeVar("V")

Fixed: TypeAlias = dict[str, Any]
"""`module_adjacency`, `module_operations` and `trainable_parameters` of a cell."""

Computed: TypeAlias = dict[int, list[dict[str, Any]]]
"""By budget, the statistics of each run of a cell half-way and at its end."""

NAME: Final = "nasbench101"

_StatsPage: Final = Page[Nb101Stats]
_PAGE: Final = 1000
_BATCH: Final = 64
"""Cells per request for runs."""

_HASH: Final = re.compile("[0-9a-f]{32}")
_PERCENT: Final = 100
_ROUNDING: Final = 4e-16
"""Relative error of two roundings."""

_SINGLE: Final = struct.Struct("<f")


class _Table(Mapping[str, V]):
    """Mapping from the hash of every cell with runs to a value, ascending by hash.

    Look-ups fetch single cells, iterations fetch pages.

    Args:
        bench: The client.
        info: Description of the installed benchmark.
    """

    def __init__(self, bench: BenchClient, info: BenchmarkInfo) -> None:
        contents = info.provenance.contents
        self._bench = bench
        self._cells: int = contents["cells"]
        self._budget = max(set(info.budgets) - set(contents["budgets_missing"]))
        self._complete = not contents["configurations_missing"]

    def __iter__(self) -> Iterator[str]:
        return (config.hash for config in self._configs())

    def __len__(self) -> int:
        return self._cells

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} cells)"

    def items(self) -> ItemsView[str, V]:
        """Return a view of hashes and values; each iteration fetches them page by page."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return a view of the values; each iteration fetches them page by page."""
        return _Values(self)

    @abstractmethod
    def rows(self) -> Iterator[tuple[str, V]]:
        """Yield hashes and values."""

    def _asked(self, module_hash: str, **options: Any) -> Sequence[Nb101Stats]:
        # Other spellings of a cell are not keys.
        known = _HASH.fullmatch(str(module_hash))
        runs = self._bench.query_nb101(module_hash, **options) if known else ()
        if not runs:
            raise KeyError(module_hash)
        return runs

    def _configs(self) -> Iterator[Nb101Config]:
        """Yield the configuration of each cell, a thousand per request.

        Raises:
            TableReplacedError: The database was replaced between two requests.
            UnexpectedAnswerError: The pages of the server do not end.
        """
        # If no cell lacks a budget, the runs at the largest budget include every cell.
        filters = {"num_epochs": self._budget} if self._complete else {}
        options: dict[str, Any] = {"reduction": "mean", "limit": _PAGE}
        last, content = "", None
        seen: set[str] = set()
        asked = 0
        while True:
            question = Question("computed_stats", _StatsPage, NAME, filters, options)
            page = self._bench._ask(question)  # noqa: SLF001 - no method returns single pages
            if content not in {None, page.provenance.content_digest}:
                raise TableReplacedError(
                    f"the database of {NAME} was replaced during the iteration: iterate again"
                )
            content = page.provenance.content_digest
            for item in page.items:
                if item.config.hash != last:
                    yield item.config
                last = item.config.hash
            if page.next_cursor is None:
                return
            asked += len(page.items)
            check_progress(page.next_cursor, seen, asked)
            options = {**options, "cursor": page.next_cursor}


class _Items(ItemsView[str, V]):
    _mapping: _Table[V]

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return self._mapping.rows()


class _Values(ValuesView[V]):
    _mapping: _Table[V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.rows())


class FixedStatistics(_Table[Fixed]):
    """Mapping from hashes to statistics of cells that do not depend on the training."""

    def rows(self) -> Iterator[tuple[str, Fixed]]:
        """Yield hashes and fixed statistics of cells."""
        return ((config.hash, fixed(config)) for config in self._configs())

    def __getitem__(self, module_hash: str) -> Fixed:
        return fixed(self._asked(module_hash, reduction="mean")[0].config)


class ComputedStatistics(_Table[Computed]):
    """Mapping from hashes to the statistics of the cells' runs, by budget."""

    def rows(self) -> Iterator[tuple[str, Computed]]:
        """Yield hashes and statistics of the cells' runs."""
        hashes = iter(self)
        while batch := list(islice(hashes, _BATCH)):
            found = self._bench.query_nb101_many(batch, include_intermediates=True)
            yield from zip(batch, map(computed, found), strict=True)

    def runs(self, module_hash: str) -> Sequence[Nb101Stats]:
        """Return all runs of a cell.

        Raises:
            KeyError: The cell has no runs.
        """
        return self._asked(module_hash, include_intermediates=True)

    def __getitem__(self, module_hash: str) -> Computed:
        return computed(self.runs(module_hash))


def fixed(config: Nb101Config) -> Fixed:
    """Return the fixed statistics of a cell."""
    module = parse_cell(config.arch).to_module()
    return {
        "module_adjacency": array(module["module_adjacency"]).astype("int8"),
        "module_operations": module["module_operations"],
        "trainable_parameters": config.trainable_parameters,
    }


def halfway(run: Nb101Stats) -> Nb101Epoch:
    """Return the half-way statistics of a run that was queried with intermediate statistics."""
    if run.intermediates is None:
        raise UnexpectedAnswerError("the response lacks the requested intermediate statistics")
    return run.intermediates[0]


def measured(at: Nb101Stats | Nb101Epoch) -> dict[str, Any]:
    """Return the statistics of a run: seconds, and accuracies from 0 to 1."""
    return {
        "training_time": at.training_time,
        "train_accuracy": _fraction(at.train_acc),
        "validation_accuracy": _fraction(at.valid_acc),
        "test_accuracy": _fraction(at.test_acc),
    }


def computed(runs: Iterable[Nb101Stats]) -> Computed:
    """Return the statistics of a cell's runs, by budget."""
    by_budget: Computed = {}
    for run in runs:
        by_budget.setdefault(run.config.num_epochs, []).append(
            _prefixed("halfway", measured(halfway(run))) | _prefixed("final", measured(run))
        )
    return by_budget


def _fraction(percent: float | None) -> float | None:
    """Convert an accuracy in percent to the recorded value from 0 to 1.

    The archive has float32 values; multiplying by 100 and dividing again may change the last bit.
    """
    if percent is None:
        return None
    fraction = percent / _PERCENT
    (single,) = _SINGLE.unpack(_SINGLE.pack(fraction))
    return float(single) if math.isclose(single, fraction, rel_tol=_ROUNDING) else fraction


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def array(matrix: Any) -> Any:
    """Return a copy of a matrix as an array.

    Raises:
        ImportError: numpy is not installed.
    """
    with needs("local", "a matrix of a cell"):
        # Imported here because nothing else in this module needs numpy.
        import numpy as np  # noqa: PLC0415
    return np.array(matrix)
