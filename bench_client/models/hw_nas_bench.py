"""Wire models of HW-NAS-Bench: costs of NAS-Bench-201's architectures on devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bench_client.models.answers import NetworkModel, WireModel
from bench_client.models.described import TableModels
from bench_client.models.nasbench201 import (
    OPERATION_COLUMNS,
    Nb201Arch,
    Nb201Architecture,
    Nb201ArchStr,
    Nb201Index,
)
from bench_client.models.quantities import FlopPerByte, Millijoules, Milliseconds
from benchmark_spec.published import HW_NAS_BENCH

__all__ = ["MODELS", "Nb201Hardware", "Nb201HardwareConfig"]

_EDGEGPU = "on the edge GPU"
_RASPI4 = "on the Raspberry Pi 4"
_EDGETPU = "on the Edge TPU"
_PIXEL3 = "on the Pixel 3"
_EYERISS = "on Eyeriss, an accelerator"
_FPGA = "on the FPGA"


class Nb201HardwareConfig(NetworkModel):
    """Architecture and data set of a network."""

    arch_columns: ClassVar[Mapping[str, str | int]] = OPERATION_COLUMNS

    arch: Nb201Arch
    arch_str: Nb201ArchStr
    index: Nb201Index
    dataset: str = Field(
        description="Data set that defines image size and number of classes: cifar10 (also for "
        "cifar10-valid), cifar100 or imagenet16-120.",
        examples=["cifar10"],
    )


class Nb201Hardware(WireModel):
    """Costs of an architecture; null if not measured on the device, or not requested."""

    config: Nb201HardwareConfig = Field(description="Architecture and data set.")
    edgegpu_latency: Milliseconds = Field(
        None, description=f"Latency {_EDGEGPU}, in milliseconds.", examples=[5.807418537139893]
    )
    edgegpu_energy: Millijoules = Field(
        None, description=f"Energy {_EDGEGPU}, in millijoules.", examples=[24.226614330768584]
    )
    raspi4_latency: Milliseconds = Field(
        None, description=f"Latency {_RASPI4}, in milliseconds.", examples=[10.481976820010459]
    )
    edgetpu_latency: Milliseconds = Field(
        None,
        description=f"Latency {_EDGETPU}, in milliseconds; null for about a third of the "
        "architectures, for which the archive has no value.",
        examples=[0.9571811309997429],
    )
    pixel3_latency: Milliseconds = Field(
        None, description=f"Latency {_PIXEL3}, in milliseconds.", examples=[3.60585]
    )
    eyeriss_latency: Milliseconds = Field(
        None, description=f"Latency {_EYERISS}, in milliseconds.", examples=[3.64562]
    )
    eyeriss_energy: Millijoules = Field(
        None, description=f"Energy {_EYERISS}, in millijoules.", examples=[0.6872827645]
    )
    eyeriss_arithmetic_intensity: FlopPerByte = Field(
        None,
        description=f"Arithmetic intensity {_EYERISS}: FLOP per byte moved.",
        examples=[6.289297634665844],
    )
    fpga_latency: Milliseconds = Field(
        None, description=f"Latency {_FPGA}, in milliseconds.", examples=[2.57296]
    )
    fpga_energy: Millijoules = Field(
        None, description=f"Energy {_FPGA}, in millijoules.", examples=[18.01072]
    )


MODELS = TableModels(
    spec=HW_NAS_BENCH,
    config=Nb201HardwareConfig,
    stats=Nb201Hardware,
    architecture=Nb201Architecture,
)
"""The models of this benchmark."""
