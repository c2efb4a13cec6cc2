"""Queries of NAS-Bench-201, with the types of their arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from bench_client.arguments import Reduction, plain_arch
from bench_client.choices import Nb201Dataset
from bench_client.frames import Batch, Items
from bench_client.models.nasbench201 import MODELS, Nb201Architecture, Nb201Curves, Nb201Stats
from bench_client.operations import Question, Steps, ask
from bench_client.tables import curves_table, query_table, query_table_many

__all__ = ["Architecture", "curves_nb201", "describe_nb201", "query_nb201", "query_nb201_many"]

Architecture: TypeAlias = str | int | Mapping[str, str] | Sequence[str]
"""The architecture string, the index (an integer or digits), the dict of edges or the list of six
operations."""

_NAME = MODELS.spec.name


def query_nb201(
    arch: Architecture | None = None,
    num_epochs: int | None = None,
    dataset: Nb201Dataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Items[Nb201Stats]]:
    """Return the runs of NAS-Bench-201 that match, or one item per configuration if reduced.

    None is a wildcard: without any filter, all runs of the benchmark are fetched, page by page. The
    order is stable.

    Args:
        arch: Architecture in any spelling: the string `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, the
            index 0 to 15,624, the dict `{"0_1": op, …}` in any order, or the list of its six
            operations.
        num_epochs: Training budget, in epochs: 12 or 200.
        dataset: `cifar10-valid`, `cifar10`, `cifar100` or `imagenet16-120`, in any case.
        seed: Seed of the run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            then None and `num_runs` the number of runs.
        include_intermediates: Whether items include their learning curves, one object per epoch.
            `curves_nb201` returns them as columns, several times faster.

    Returns:
        The matching items, possibly none. Accuracies are in percent, times in seconds, `parameters`
        and `flops` in millions; None means "not recorded".

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no NAS-Bench-201.
    """
    which = (arch, num_epochs, dataset, seed)
    curves = include_intermediates
    return query_table(_NAME, *which, reduction=reduction, include_intermediates=curves)


def query_nb201_many(
    archs: Iterable[Architecture],
    num_epochs: int | None = None,
    dataset: Nb201Dataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[Nb201Stats]]:
    """Return the result of `query_nb201` for each of many architectures, in the same order.

    One request covers 10,000 architectures, or 64 if learning curves are included. `archs` is any
    iterable; the other arguments and errors are those of `query_nb201`.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; the error's `positions` lists
            them and its `results` holds the results of the others.
    """
    which = (num_epochs, dataset, seed)
    curves = include_intermediates
    return query_table_many(_NAME, archs, *which, reduction=reduction, include_intermediates=curves)


def curves_nb201(
    arch: Architecture | None = None,
    num_epochs: int | None = None,
    dataset: Nb201Dataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
) -> Steps[Items[Nb201Curves]]:
    """Return the learning curves of the runs that match, as columns: one list per statistic.

    Arguments, order and errors are those of `query_nb201`. Each list has one value per epoch; at
    200 epochs some splits are recorded only at the last epoch and are None before it.
    """
    return curves_table(_NAME, arch, num_epochs, dataset, seed, reduction=reduction)


def describe_nb201(arch: Architecture) -> Steps[Nb201Architecture]:
    """Return all spellings of an architecture, and the architectures isomorphic to it.

    Args:
        arch: Architecture in any spelling.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
    """
    options = {"arch": plain_arch(arch)}
    return ask(Question("architecture", Nb201Architecture, _NAME, options=options))
