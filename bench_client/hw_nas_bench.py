"""The query of HW-NAS-Bench: costs of NAS-Bench-201's architectures on devices."""

from __future__ import annotations

from typing import Literal, TypeAlias

from bench_client.arguments import plain_arch
from bench_client.choices import HwNasBenchDataset
from bench_client.frames import Items
from bench_client.models.hw_nas_bench import Nb201Hardware
from bench_client.nasbench201 import Architecture
from bench_client.operations import Question, Steps
from bench_client.pages import every_page, page_of, page_size

__all__ = ["CostDevice", "hardware_nb201"]

CostDevice: TypeAlias = Literal["edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga"]
"""Device that costs were measured on."""


def hardware_nb201(
    arch: Architecture | None = None,
    dataset: HwNasBenchDataset | None = None,
    device: CostDevice | None = None,
) -> Steps[Items[Nb201Hardware]]:
    """Return the costs of NAS-Bench-201's architectures on six devices, from HW-NAS-Bench.

    None is a wildcard: without any filter, the costs of all 15,625 architectures for all three
    data sets are fetched, page by page.

    Args:
        arch: Architecture in any spelling, as for `query_nb201`.
        dataset: `cifar10`, `cifar100` or `imagenet16-120`, in any case; `cifar10-valid` returns the
            costs of `cifar10`, whose networks are the same.
        device: `edgegpu`, `raspi4`, `edgetpu`, `pixel3`, `eyeriss` or `fpga`, in any case; costs on
            the other devices are then None.

    Returns:
        One item per architecture and data set, ordered by these. Latencies are in milliseconds,
        energies in millijoules, arithmetic intensity in FLOP per byte; None means that the cost
        was not measured on the device.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: The data set or device is unknown.
        BenchmarkNotInstalledError: The server has no HW-NAS-Bench.
    """
    filters = {"arch": plain_arch(arch), "dataset": dataset, "device": device}
    options = {"limit": page_size(with_curves=False)}
    question = Question("hardware", page_of(Nb201Hardware), "nasbench201", filters, options)
    return (yield from every_page(question))
