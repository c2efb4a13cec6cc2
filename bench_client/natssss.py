"""Queries of the size space of NATS-Bench, with the types of their arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from bench_client.arguments import Reduction, plain_arch
from bench_client.choices import NatsSssDataset
from bench_client.frames import Batch, Items
from bench_client.models.natssss import MODELS, NatsSssArchitecture, NatsSssCurves, NatsSssStats
from bench_client.operations import Question, Steps, ask
from bench_client.tables import curves_table, query_table, query_table_many

__all__ = [
    "Channels",
    "curves_natssss",
    "describe_natssss",
    "query_natssss",
    "query_natssss_many",
]

Channels: TypeAlias = str | int | Sequence[int]
"""The architecture string, the index (an integer or digits) or the list of five channel numbers."""

_NAME = MODELS.spec.name


def query_natssss(
    arch: Channels | None = None,
    num_epochs: int | None = None,
    dataset: NatsSssDataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Items[NatsSssStats]]:
    """Return the runs of NATS-Bench's size space that match, or one item per configuration.

    None is a wildcard: without any filter, all runs of the benchmark are fetched, page by page. The
    order is stable. With `reduction` there is one item per configuration.

    Args:
        arch: Architecture in any spelling: the string `8:8:8:16:32`, the index 0 to 32,767, or the
            list of its five channel numbers.
        num_epochs: Training budget, in epochs: 1, 12 or 90.
        dataset: `cifar10-valid`, `cifar10`, `cifar100` or `imagenet16-120`, in any case.
        seed: Seed of the run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            then None and `num_runs` the number of runs.
        include_intermediates: Whether items include their learning curves, one object per epoch.
            `curves_natssss` returns them as columns, several times faster.

    Returns:
        The matching items, possibly none. Accuracies are in percent, times in seconds, `parameters`
        and `flops` in millions; None means "not recorded".

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no size space.
    """
    which = (arch, num_epochs, dataset, seed)
    curves = include_intermediates
    return query_table(_NAME, *which, reduction=reduction, include_intermediates=curves)


def query_natssss_many(
    archs: Iterable[Channels],
    num_epochs: int | None = None,
    dataset: NatsSssDataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[NatsSssStats]]:
    """Return the result of `query_natssss` for each of many architectures, in the same order.

    One request covers 10,000 architectures, or 64 if learning curves are included. `archs` is any
    iterable; the other arguments and errors are those of `query_natssss`.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; the error's `positions` lists
            them and its `results` holds the results of the others.
    """
    which = (num_epochs, dataset, seed)
    curves = include_intermediates
    return query_table_many(_NAME, archs, *which, reduction=reduction, include_intermediates=curves)


def curves_natssss(
    arch: Channels | None = None,
    num_epochs: int | None = None,
    dataset: NatsSssDataset | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
) -> Steps[Items[NatsSssCurves]]:
    """Return the learning curves of the runs that match, as columns: one list per statistic.

    Arguments, order and errors are those of `query_natssss`. Each list has one value per epoch.
    """
    return curves_table(_NAME, arch, num_epochs, dataset, seed, reduction=reduction)


def describe_natssss(arch: Channels) -> Steps[NatsSssArchitecture]:
    """Return all spellings of an architecture.

    Args:
        arch: Architecture in any spelling.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
    """
    options = {"arch": plain_arch(arch)}
    return ask(Question("architecture", NatsSssArchitecture, _NAME, options=options))
