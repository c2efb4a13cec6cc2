"""HW-NAS-Bench: costs of one inference of NAS-Bench-201's architectures on six devices."""

from __future__ import annotations

from typing import Final

from benchmark_spec.published.statistics import millijoules, milliseconds
from benchmark_spec.spaces import Like
from benchmark_spec.spec import Axis, BenchmarkSpec, RawFile, Stat

__all__ = ["HW_NAS_BENCH"]

HW_NAS_BENCH: Final = BenchmarkSpec(
    name="hw-nas-bench",
    title="HW-NAS-Bench",
    citation=(
        "C. Li, Z. Yu, Y. Fu, Y. Zhang, Y. Zhao, H. You, Q. Yu, Y. Wang, C. Hao and "
        "Y. Lin. HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark. "
        "ICLR 2021."
    ),
    licence="MIT",
    homepage="https://github.com/RICE-EIC/HW-NAS-Bench",
    raw_files=(RawFile(name="HW-NAS-Bench-v1_0.pickle"),),
    notes=(
        (
            "Costs are those of one inference and do not depend on training. Queries for "
            "cifar10-valid return the costs of cifar10, whose networks are the same."
        ),
        ("Latencies are in milliseconds, as published; NAS-Bench-201's own latency is in seconds."),
        "edgetpu_latency is null where the archive has -1, which means that it was not measured.",
    ),
    space=Like(benchmark="nasbench201"),
    axes=(
        Axis(
            name="dataset",
            values=("cifar10", "cifar100", "imagenet16-120"),
            description=(
                "Data set that defines image size and number of classes: cifar10 (also for "
                "cifar10-valid), cifar100 or imagenet16-120."
            ),
            same_as={"cifar10-valid": "cifar10"},
        ),
    ),
    stats=(
        milliseconds(
            "edgegpu_latency",
            "Latency on the edge GPU, in milliseconds.",
            example=5.807418537139893,
        ),
        millijoules(
            "edgegpu_energy", "Energy on the edge GPU, in millijoules.", example=24.226614330768584
        ),
        milliseconds(
            "raspi4_latency",
            "Latency on the Raspberry Pi 4, in milliseconds.",
            example=10.481976820010459,
        ),
        milliseconds(
            "edgetpu_latency",
            "Latency on the Edge TPU, in milliseconds; null for about a third of the "
            "architectures, for which the archive has no value.",
            example=0.9571811309997429,
        ),
        milliseconds("pixel3_latency", "Latency on the Pixel 3, in milliseconds.", example=3.60585),
        milliseconds(
            "eyeriss_latency",
            "Latency on Eyeriss, an accelerator, in milliseconds.",
            example=3.64562,
        ),
        millijoules(
            "eyeriss_energy",
            "Energy on Eyeriss, an accelerator, in millijoules.",
            example=0.6872827645,
        ),
        Stat(
            name="eyeriss_arithmetic_intensity",
            unit="FLOP/byte",
            better="larger",
            description="Arithmetic intensity on Eyeriss, an accelerator: FLOP per byte moved.",
            example=6.289297634665844,
        ),
        milliseconds("fpga_latency", "Latency on the FPGA, in milliseconds.", example=2.57296),
        millijoules("fpga_energy", "Energy on the FPGA, in millijoules.", example=18.01072),
    ),
    not_answered={"simulate": "is a table of hardware costs: nothing was trained"},
)
