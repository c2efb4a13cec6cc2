"""Wire models of NAS-Bench-201; the statistics are those of both spaces of NATS-Bench."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, TypeAlias

from pydantic import Field

from bench_client.models.answers import Listed, NetworkModel
from bench_client.models.described import TableModels
from bench_client.models.nats_bench import NatsCurves, NatsEpoch, NatsStats, TrainedOn
from bench_client.models.quantities import Epochs
from benchmark_spec.published import NASBENCH201

__all__ = [
    "MODELS",
    "OPERATION_COLUMNS",
    "Nb201Arch",
    "Nb201ArchStr",
    "Nb201Architecture",
    "Nb201Config",
    "Nb201Curves",
    "Nb201Epoch",
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
    str, Field(description="Architecture string.", examples=[_EXAMPLE_STR])
]
Nb201Index: TypeAlias = Annotated[
    int, Field(description="Index of the architecture in the published list, 0 to 15,624.")
]

OPERATION_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {f"op_{edge}": edge for edge in _EXAMPLE_ARCH}
)


class Nb201Config(NetworkModel):
    """Trained architecture, data set and training budget."""

    arch_columns: ClassVar[Mapping[str, str | int]] = OPERATION_COLUMNS

    arch: Nb201Arch
    arch_str: Nb201ArchStr
    index: Nb201Index
    num_epochs: Epochs = Field(description="Training budget, in epochs: 12 or 200.")
    dataset: TrainedOn
    num_channels: int = Field(description="Channels of the first stage.", examples=[16])
    num_cells: int = Field(description="Cells in each of the three stages.", examples=[5])


class Nb201Epoch(NatsEpoch):
    """Statistics of a run at the end of an epoch; null if not recorded."""


class Nb201Stats(NatsStats[Nb201Config, Nb201Epoch]):
    """Final statistics of a run, or of several runs of one configuration reduced to one item."""


class Nb201Curves(NatsCurves[Nb201Config]):
    """Learning curves of a run, as lists with one value per epoch."""


class Nb201Architecture(NetworkModel):
    """All spellings of an architecture, and the isomorphic architectures."""

    arch_columns: ClassVar[Mapping[str, str | int]] = OPERATION_COLUMNS

    index: Nb201Index
    arch_str: Nb201ArchStr
    arch: Nb201Arch
    unique_str: str = Field(description="Key of the isomorphism class, defined by the benchmark.")
    isomorphic_indices: Listed[int] = Field(
        description="Indices of all architectures of the class, this one included, ascending."
    )


MODELS = TableModels(
    spec=NASBENCH201,
    config=Nb201Config,
    stats=Nb201Stats,
    architecture=Nb201Architecture,
    epoch=Nb201Epoch,
    curves=Nb201Curves,
)
"""The models of this benchmark."""
