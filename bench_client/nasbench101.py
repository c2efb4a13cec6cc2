"""The questions of NAS-Bench-101, with the types of their arguments and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from bench_client.arguments import Reduction, either, plain_arch, whole
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
    """Return the runs that match, in stable order, or one item a configuration when reduced.

    None is a wildcard: without any filter, every run of the benchmark comes back, page by page.

    Args:
        arch: The cell in any of its spellings: `{"op1": "conv3x3", "input1": [0], "input2": [1]}`,
            `{"module_adjacency": matrix, "module_operations": names}`, either as JSON text, or its
            hash of 32 hexadecimal digits.
        num_epochs: Training budget, in epochs: 4, 12, 36 or 108.
        isomorphism: Whether a cell answers for all cells isomorphic to it after pruning; False
            matches only the very cell that was trained.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `repeat` is
            None then, and `num_runs` says how many they were.
        include_intermediates: Whether each item carries the run half-way and at its end.

    Returns:
        The items; empty when nothing matches. Accuracies are in percent, times in seconds,
        `parameters` in millions.

    Raises:
        InvalidArchitectureError: The cell is malformed or outside the space; it says why.
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
    """Return for many cells, aligned with them, what `query_nb101` returns for each.

    One request answers for 10,000 cells, or for 64 when intermediate statistics are included.
    `archs` is any iterable; the other arguments and errors are those of `query_nb101`.

    Raises:
        InvalidArchitectureError: Some cells are malformed or outside the space. Its `positions`
            says which, its `results` holds what was found for the others.
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
    """Return the runs that match half-way and at their end, in columns: one list a statistic.

    Arguments, order and errors are those of `query_nb101`.
    """
    which = {"arch": plain_arch(arch), **_filters(num_epochs, isomorphism=isomorphism)}
    return curves(MODELS, which, reduction=reduction)


def hash_nb101(arch: Cell) -> Steps[Nb101Hash]:
    """Return the published hash of a cell, what remains of it once pruned, and whether it has runs.

    Args:
        arch: The cell in any of its spellings.

    Raises:
        InvalidArchitectureError: It is malformed or outside the space; it says why.
    """
    if arch is None:  # what a question leaves out is None, too
        raise InvalidArchitectureError(
            "None is no cell", errors=[FieldError(loc=["arch"], msg="None is no cell")]
        )
    options = {"arch": plain_arch(arch)}
    return ask(Question("hash", Nb101Hash, _NAME, options=options))


def hash_nb101_many(archs: Iterable[Cell]) -> Steps[Items[Nb101Hash]]:
    """Return for many cells, aligned with them, what `hash_nb101` returns for each.

    Args:
        archs: The cells, each in any of its spellings; any iterable.

    Raises:
        InvalidArchitectureError: Some cells are malformed or outside the space. Its `positions`
            says which, its `results` holds what was found for the others.
    """
    question = Question("hash_many", Nb101Hashes, _NAME)
    found = yield from every_result(question, archs, with_curves=False, sendable=plain_arch)
    return Items(found, Nb101Hash)


def _filters(num_epochs: int | None, *, isomorphism: bool) -> dict[str, Any]:
    return {
        "num_epochs": whole("num_epochs", num_epochs),
        # What is meant by default need not be said.
        "isomorphism": None if either("isomorphism", isomorphism) else False,
    }
