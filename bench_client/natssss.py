"""The questions of the size space of NATS-Bench, with the types of their arguments and answers."""

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
"""The published string, the index (also in digits) or the list of five numbers of channels."""

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
    """Return the runs that match, in stable order, or one item a configuration when reduced.

    None is a wildcard: without any filter, every run of the benchmark comes back, page by page.

    Args:
        arch: The architecture in any of its spellings: the string `8:8:8:16:32`, the index 0 to
            32,767, or the list of its five numbers of channels.
        num_epochs: Training budget, in epochs: 1, 12 or 90.
        dataset: `cifar10-valid`, `cifar10`, `cifar100` or `imagenet16-120`, in any case.
        seed: Seed of the run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            None then, and `num_runs` says how many they were.
        include_intermediates: Whether each item carries its learning curves, one object an epoch.
            `curves_natssss` gives them in columns, several times faster.

    Returns:
        The items; empty when nothing matches. Accuracies are in percent, times in seconds,
        `parameters` and `flops` in millions; None stands for "not recorded".

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another filter is.
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
    """Return for many architectures, aligned with them, what `query_natssss` returns for each.

    One request answers for 10,000 architectures, or for 64 when learning curves are included.
    `archs` is any iterable; the other arguments and errors are those of `query_natssss`.

    Raises:
        InvalidArchitectureError: Some architectures are malformed. Its `positions` says which, its
            `results` holds what was found for the others.
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
    """Return the learning curves of the runs that match, in columns: one list a statistic.

    Arguments, order and errors are those of `query_natssss`. In an item all lists have one value
    an epoch.
    """
    return curves_table(_NAME, arch, num_epochs, dataset, seed, reduction=reduction)


def describe_natssss(arch: Channels) -> Steps[NatsSssArchitecture]:
    """Return every name of an architecture.

    Args:
        arch: The architecture in any of its spellings.

    Raises:
        InvalidArchitectureError: It is malformed.
    """
    options = {"arch": plain_arch(arch)}
    return ask(Question("architecture", NatsSssArchitecture, _NAME, options=options))
