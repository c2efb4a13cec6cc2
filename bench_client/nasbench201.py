"""The questions of NAS-Bench-201, and of HW-NAS-Bench about its architectures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from bench_client.arguments import Reduction, plain
from bench_client.frames import Batch, Items
from bench_client.models.nasbench201 import (
    Nb201Architecture,
    Nb201Curves,
    Nb201Hardware,
    Nb201Stats,
)
from bench_client.nats_bench import RunFilters, RunQuestions
from bench_client.operations import Question, Steps, ask
from bench_client.pages import every_page, page_of, page_size

__all__ = [
    "Architecture",
    "curves_nb201",
    "describe_nb201",
    "hardware_nb201",
    "query_nb201",
    "query_nb201_many",
]

Architecture: TypeAlias = str | int | Mapping[str, str] | Sequence[str]
"""The published string, the index (also in digits), the dict of edges or the list of six ops."""

_NAME: Final = "nasbench201"
_QUESTIONS: Final = RunQuestions(
    name=_NAME,
    stats=Nb201Stats,
    curves=Nb201Curves,
    sendable=plain,
)


def query_nb201(
    arch: Architecture | None = None,
    num_epochs: int | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Items[Nb201Stats]]:
    """Return the runs that match, in stable order, or one item a configuration when reduced.

    None is a wildcard: without any filter, every run of the benchmark comes back, page by page.

    Args:
        arch: The architecture in any of its spellings: the string
            `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, the index 0 to 15,624, the dict `{"0_1": op, …}`
            in any order, or the list of its six operations.
        num_epochs: Training budget, in epochs: 12 or 200.
        dataset: `cifar10-valid`, `cifar10`, `cifar100` or `imagenet16-120`, in any case.
        seed: Seed of the run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            None then, and `num_runs` says how many they were.
        include_intermediates: Whether each item carries its learning curves, one object an epoch.
            `curves_nb201` gives them in columns, several times faster.

    Returns:
        The items; empty when nothing matches. Accuracies are in percent, times in seconds,
        `parameters` and `flops` in millions; None stands for "not recorded".

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: Another filter is.
        BenchmarkNotInstalledError: The server has no NAS-Bench-201.
    """
    which = RunFilters(num_epochs=num_epochs, dataset=dataset, seed=seed)
    curves = include_intermediates
    return (yield from _QUESTIONS.query(arch, which, reduction, include_intermediates=curves))


def query_nb201_many(
    archs: Iterable[Architecture],
    num_epochs: int | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[Nb201Stats]]:
    """Return the runs of many architectures, aligned with them.

    One request answers for 10,000 architectures, or for 64 when learning curves are included.

    Args:
        archs: The architectures, each in any of its spellings; any iterable.
        num_epochs: Training budget, in epochs: 12 or 200.
        dataset: `cifar10-valid`, `cifar10`, `cifar100` or `imagenet16-120`, in any case.
        seed: Seed of the runs.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        include_intermediates: Whether each item carries its learning curves, one object an epoch.

    Returns:
        For each architecture what `query_nb201` returns for it.

    Raises:
        InvalidArchitectureError: Some architectures are malformed. Its `positions` says which, its
            `results` holds what was found for the others.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no NAS-Bench-201.
    """
    which = RunFilters(num_epochs=num_epochs, dataset=dataset, seed=seed)
    curves = include_intermediates
    return (yield from _QUESTIONS.query_many(archs, which, reduction, include_intermediates=curves))


def curves_nb201(
    arch: Architecture | None = None,
    num_epochs: int | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    *,
    reduction: Reduction | None = None,
) -> Steps[Items[Nb201Curves]]:
    """Return the learning curves of the runs that match, in columns: one list a statistic.

    Arguments, order and errors are those of `query_nb201`.

    Returns:
        The curves of each run; in an item all lists have one value an epoch. At 200 epochs some
        splits are recorded at the last epoch only and None before it.
    """
    which = RunFilters(num_epochs=num_epochs, dataset=dataset, seed=seed)
    return (yield from _QUESTIONS.query_curves(arch, which, reduction))


def describe_nb201(arch: Architecture) -> Steps[Nb201Architecture]:
    """Return every name of an architecture, and the architectures isomorphic to it.

    Args:
        arch: The architecture in any of its spellings.

    Raises:
        InvalidArchitectureError: It is malformed.
    """
    options = {"arch": plain(arch)}
    return (yield from ask(Question("architecture", Nb201Architecture, _NAME, options=options)))


def hardware_nb201(
    arch: Architecture | None = None, dataset: str | None = None, device: str | None = None
) -> Steps[Items[Nb201Hardware]]:
    """Return what architectures of NAS-Bench-201 cost on devices: HW-NAS-Bench.

    None is a wildcard: without any filter, the costs of all 15,625 architectures for all three
    data sets come back, page by page.

    Args:
        arch: The architecture in any of its spellings, as for `query_nb201`.
        dataset: `cifar10`, `cifar100` or `imagenet16-120`, in any case; for `cifar10-valid` the
            costs of `cifar10` come back, whose networks are the same.
        device: `edgegpu`, `raspi4`, `edgetpu`, `pixel3`, `eyeriss` or `fpga`, in any case: items
            carry the costs on it alone, those on the others being None.

    Returns:
        One item an architecture and data set, in that order. Latencies are in milliseconds,
        energies in millijoules, arithmetic intensity in FLOP a byte; None where a device has no
        figure.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: There is no such data set or device.
        BenchmarkNotInstalledError: The server has no HW-NAS-Bench.
    """
    filters = {"arch": plain(arch), "dataset": dataset, "device": device}
    options = {"limit": page_size(with_curves=False)}
    question = Question("hardware", page_of(Nb201Hardware), "nasbench201", filters, options)
    return (yield from every_page(question))
