"""NAS-Bench-201 on the wire, and HW-NAS-Bench: what its architectures cost on devices.

The statistics are those of both spaces of NATS-Bench (`nats_bench`).
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.nats_bench import NatsCurves, NatsEpoch, NatsStats, TrainedOn
from bench_client.models.quantities import Epochs, FlopPerByte, Millijoules, Milliseconds

__all__ = [
    "Nb201Arch",
    "Nb201ArchStr",
    "Nb201Architecture",
    "Nb201Config",
    "Nb201Curves",
    "Nb201Epoch",
    "Nb201Hardware",
    "Nb201HardwareConfig",
    "Nb201Index",
    "Nb201Stats",
]

_EXAMPLE_STR = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
_EXAMPLE_ARCH = {
    "0_1": "avg_pool_3x3",
    "0_2": "conv_1x1",
    "1_2": "skip_connect",
    "0_3": "conv_1x1",
    "1_3": "skip_connect",
    "2_3": "skip_connect",
}

Nb201Arch: TypeAlias = Annotated[
    dict[str, str],
    Field(
        description="The operation on each edge `source_target`: none, skip_connect, conv_1x1, "
        "conv_3x3 or avg_pool_3x3.",
        examples=[_EXAMPLE_ARCH],
    ),
]
Nb201ArchStr: TypeAlias = Annotated[
    str, Field(description="The architecture as published.", examples=[_EXAMPLE_STR])
]
Nb201Index: TypeAlias = Annotated[
    int, Field(description="Place of the architecture in the published list, 0 to 15,624.")
]


class Nb201Config(WireModel):
    """What was trained, and how long on what."""

    arch: Nb201Arch
    arch_str: Nb201ArchStr
    index: Nb201Index
    num_epochs: Epochs = Field(description="Training budget, in epochs: 12 or 200.")
    dataset: TrainedOn
    num_channels: int = Field(description="Channels of the first stage.", examples=[16])
    num_cells: int = Field(description="Cells in each of the three stages.", examples=[5])


class Nb201Epoch(NatsEpoch):
    """What a run recorded at the end of one epoch; null where it recorded nothing."""


class Nb201Stats(NatsStats[Nb201Config, Nb201Epoch]):
    """What a run recorded at its end, or several runs of one configuration reduced to one."""


class Nb201Curves(NatsCurves[Nb201Config]):
    """The learning curves of a run in columns: lists of one value an epoch, all equally long."""


class Nb201Architecture(WireModel):
    """Every name of an architecture, and its equals."""

    index: Nb201Index
    arch_str: Nb201ArchStr
    arch: Nb201Arch
    unique_str: str = Field(description="Key of the isomorphism class, as the benchmark writes it.")
    isomorphic_indices: Listed[int] = Field(
        description="Indices of all architectures of the class, this one included, ascending."
    )


_EDGEGPU = "on the edge GPU"
_RASPI4 = "on the Raspberry Pi 4"
_EDGETPU = "on the Edge TPU"
_PIXEL3 = "on the Pixel 3"
_EYERISS = "on Eyeriss, an accelerator"
_FPGA = "on the FPGA"


class Nb201HardwareConfig(WireModel):
    """Which network."""

    arch: Nb201Arch
    arch_str: Nb201ArchStr
    index: Nb201Index
    dataset: str = Field(
        description="For the images and classes of which data set: cifar10 (and with it "
        "cifar10-valid), cifar100 or imagenet16-120.",
        examples=["cifar10"],
    )


class Nb201Hardware(WireModel):
    """What an architecture costs; null where the device has no figure or was not asked for."""

    config: Nb201HardwareConfig = Field(description="Which network.")
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
        "architectures, for which the archive has none.",
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
        description=f"Arithmetic intensity {_EYERISS}: FLOP for each byte that is moved.",
        examples=[6.289297634665844],
    )
    fpga_latency: Milliseconds = Field(
        None, description=f"Latency {_FPGA}, in milliseconds.", examples=[2.57296]
    )
    fpga_energy: Millijoules = Field(
        None, description=f"Energy {_FPGA}, in millijoules.", examples=[18.01072]
    )
