"""Wire models of NATS-Bench's size space; the statistics are those of both spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, TypeAlias

from pydantic import Field

from bench_client.models.answers import NetworkModel
from bench_client.models.described import TableModels
from bench_client.models.nats_bench import NatsCurves, NatsEpoch, NatsStats, TrainedOn
from bench_client.models.quantities import Epochs
from benchmark_spec.published import NATSSSS

__all__ = [
    "MODELS",
    "NatsSssArchitecture",
    "NatsSssConfig",
    "NatsSssCurves",
    "NatsSssEpoch",
    "NatsSssStats",
]

_Arch: TypeAlias = Annotated[
    list[int],
    Field(
        description="Channels of each of the five layers: 8, 16, …, 64.",
        examples=[[8, 8, 8, 16, 32]],
    ),
]
_ArchStr: TypeAlias = Annotated[
    str, Field(description="Architecture string.", examples=["8:8:8:16:32"])
]
_Index: TypeAlias = Annotated[
    int,
    Field(
        description="Index of the architecture in the order of the channels, 0 to 32,767.",
        examples=[11],
    ),
]

_LAYERS: Final[Mapping[str, int]] = MappingProxyType(
    {f"channels{layer}": layer - 1 for layer in range(1, 6)}
)


class NatsSssConfig(NetworkModel):
    """Trained architecture, data set and training budget."""

    arch_columns: ClassVar[Mapping[str, str | int]] = _LAYERS

    arch: _Arch
    arch_str: _ArchStr
    index: _Index
    num_epochs: Epochs = Field(description="Training budget, in epochs: 1, 12 or 90.")
    dataset: TrainedOn


class NatsSssEpoch(NatsEpoch):
    """Statistics of a run at the end of an epoch; null if not recorded."""


class NatsSssStats(NatsStats[NatsSssConfig, NatsSssEpoch]):
    """Final statistics of a run, or of several runs of one configuration reduced to one item."""


class NatsSssCurves(NatsCurves[NatsSssConfig]):
    """Learning curves of a run, as lists with one value per epoch."""


class NatsSssArchitecture(NetworkModel):
    """All spellings of an architecture."""

    arch_columns: ClassVar[Mapping[str, str | int]] = _LAYERS

    index: _Index
    arch_str: _ArchStr
    arch: _Arch


MODELS = TableModels(
    spec=NATSSSS,
    config=NatsSssConfig,
    stats=NatsSssStats,
    architecture=NatsSssArchitecture,
    epoch=NatsSssEpoch,
    curves=NatsSssCurves,
)
"""The models of this benchmark."""
