"""The question of HW-NAS-Bench, about architectures of NAS-Bench-201."""

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
"""What costs were measured on."""


def hardware_nb201(
    arch: Architecture | None = None,
    dataset: HwNasBenchDataset | None = None,
    device: CostDevice | None = None,
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
    filters = {"arch": plain_arch(arch), "dataset": dataset, "device": device}
    options = {"limit": page_size(with_curves=False)}
    question = Question("hardware", page_of(Nb201Hardware), "nasbench201", filters, options)
    return (yield from every_page(question))
