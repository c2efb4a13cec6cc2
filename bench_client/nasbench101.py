"""Queries of NAS-Bench-101, with the types of their arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from bench_client.arguments import Reduction, boolean, integer, plain_arch
from bench_client.errors import InvalidArchitectureError
from bench_client.frames import Batch, Items
from bench_client.models.answers import FieldError
from bench_client.models.nasbench101 import (
    MODELS,
    Nb101Curves,
    Nb101Hash,
    Nb101Hashes,
    Nb101Stats,
)
from bench_client.operations import Question, Steps, ask
from bench_client.pages import every_result
from bench_client.tables import curves, runs, runs_of_many

__all__ = [
    "Cell",
    "curves_nb101",
    "hash_nb101",
    "hash_nb101_many",
    "query_nb101",
    "query_nb101_many",
]

Cell: TypeAlias = str | Mapping[str, Any]
"""`{"op1": …, "input1": …}` or `{"module_adjacency": …, "module_operations": …}`, as a dict or as
JSON text, or the published hash."""

_NAME = MODELS.spec.name


def query_nb101(
    arch: Cell | None = None,
    num_epochs: int | None = None,
    *,
    isomorphism: bool = True,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Items[Nb101Stats]]:
    """Return the runs of NAS-Bench-101 that match, or one item per configuration if reduced.

    None is a wildcard: without any filter, all runs of the benchmark are fetched, page by page. The
    order is stable.

    Args:
        arch: Cell in any spelling: `{"op1": "conv3x3", "input1": [0], "input2": [1]}`,
            `{"module_adjacency": matrix, "module_operations": names}`, either of them as JSON text,
            or its hash of 32 hexadecimal digits.
        num_epochs: Training budget, in epochs: 4, 12, 36 or 108.
        isomorphism: Whether a cell also matches all cells isomorphic to it after pruning; False
            matches only the cell that was trained.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `repeat` is
            then None and `num_runs` the number of runs.
        include_intermediates: Whether items include the statistics half-way and at the end.

    Returns:
        The matching items, possibly none. Accuracies are in percent, times in seconds, `parameters`
        in millions.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space; the message says why.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no NAS-Bench-101.
    """
    which = {"arch": plain_arch(arch), **_filters(num_epochs, isomorphism=isomorphism)}
    whether = include_intermediates
    return runs(MODELS, which, reduction=reduction, include_intermediates=whether)


def query_nb101_many(
    archs: Iterable[Cell],
    num_epochs: int | None = None,
    *,
    isomorphism: bool = True,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[Nb101Stats]]:
    """Return the result of `query_nb101` for each of many cells, in the same order.

    One request covers 10,000 cells, or 64 if intermediate statistics are included. `archs` is any
    iterable; the other arguments and errors are those of `query_nb101`.

    Raises:
        InvalidArchitectureError: Some cells are malformed or outside the space; the error's
            `positions` lists them and its `results` holds the results of the others.
    """
    which = _filters(num_epochs, isomorphism=isomorphism)
    whether = include_intermediates
    return runs_of_many(MODELS, archs, which, reduction=reduction, include_intermediates=whether)


def curves_nb101(
    arch: Cell | None = None,
    num_epochs: int | None = None,
    *,
    isomorphism: bool = True,
    reduction: Reduction | None = None,
) -> Steps[Items[Nb101Curves]]:
    """Return the statistics half-way and at the end of the runs that match, one list per statistic.

    Arguments, order and errors are those of `query_nb101`.
    """
    which = {"arch": plain_arch(arch), **_filters(num_epochs, isomorphism=isomorphism)}
    return curves(MODELS, which, reduction=reduction)


def hash_nb101(arch: Cell) -> Steps[Nb101Hash]:
    """Return the published hash of a cell, the pruned cell, and whether runs of it are recorded.

    Args:
        arch: Cell in any spelling.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space; the message says why.
    """
    if arch is None:  # transports leave out arguments that are None
        raise InvalidArchitectureError(
            "None is not a cell", errors=[FieldError(loc=["arch"], msg="None is not a cell")]
        )
    options = {"arch": plain_arch(arch)}
    return ask(Question("hash", Nb101Hash, _NAME, options=options))


def hash_nb101_many(archs: Iterable[Cell]) -> Steps[Items[Nb101Hash]]:
    """Return the result of `hash_nb101` for each of many cells, in the same order.

    Args:
        archs: Cells in any spelling; any iterable.

    Raises:
        InvalidArchitectureError: Some cells are malformed or outside the space; the error's
            `positions` lists them and its `results` holds the results of the others.
    """
    question = Question("hash_many", Nb101Hashes, _NAME)
    found = yield from every_result(question, archs, with_curves=False, sendable=plain_arch)
    return Items(found, Nb101Hash)


def _filters(num_epochs: int | None, *, isomorphism: bool) -> dict[str, Any]:
    return {
        "num_epochs": integer("num_epochs", num_epochs),
        # True is the default and left out.
        "isomorphism": None if boolean("isomorphism", isomorphism) else False,
    }
