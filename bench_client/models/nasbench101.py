"""Wire models of NAS-Bench-101: cells trained on CIFAR-10.

10,000 of the training images are held out for validation. Accuracies are measured half-way through
the training and at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, TypeAlias

from pydantic import Field

from bench_client.models.answers import BatchError, Listed, NetworkModel, WireModel
from bench_client.models.described import TableModels
from bench_client.models.quantities import (
    Epochs,
    Millions,
    Percent,
    PercentCurve,
    Seconds,
    SecondsCurve,
)
from benchmark_spec.published import NASBENCH101

__all__ = [
    "MODELS",
    "Nb101Config",
    "Nb101Curves",
    "Nb101Epoch",
    "Nb101Hash",
    "Nb101Hashes",
    "Nb101Stats",
]

_EXAMPLE_ARCH = {
    "op1": "conv3x3",
    "op2": "maxpool",
    "op3": "conv3x3",
    "op4": "conv3x3",
    "op5": "conv1x1",
    "input1": [0],
    "input2": [1],
    "input3": [2],
    "input4": [0],
    "input5": [0, 3, 4],
    "input6": [2, 5],
}

_ON_TRAIN = "on the training images"
_ON_VALID = "on the 10,000 training images held out"
_ON_TEST = "on the test images"

_TrainAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_TRAIN}, in percent.", examples=[100.0])
]
_ValidAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_VALID}, in percent.", examples=[92.41786599159241])
]
_TestAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_TEST}, in percent.", examples=[92.11738705635071])
]
_TrainingTime: TypeAlias = Annotated[
    Seconds, Field(description="Time since the training began, in seconds.", examples=[1769.1])
]
_Arch: TypeAlias = dict[str, str | list[int]]
_Hash: TypeAlias = Annotated[
    str,
    Field(
        description="Published hash of 32 hexadecimal digits, the same for isomorphic cells.",
        examples=["00005c142e6f48ac74fdcf73e3439874"],
    ),
]
_Repeat: TypeAlias = Annotated[
    int | None,
    Field(
        description="Number of the run among those of its cell and budget, 0 to 2, in the order of "
        "the archive, which records no seeds; null if several runs are reduced to one item."
    ),
]
_NumRuns: TypeAlias = Annotated[
    int, Field(description="Number of runs that the item summarises; 1 unless reduced.")
]
_SPELLING = (
    "`op1`, … are the operations of the vertices between input and output: conv3x3, conv1x1 or "
    "maxpool; `input1`, … list the vertices that feed each of them, 0 being the input of the cell; "
    "the last `input` is that of the output."
)


_VERTICES: Final[Mapping[str, str]] = MappingProxyType({f"op{n}": f"op{n}" for n in range(1, 6)})


class Nb101Config(NetworkModel):
    """Trained cell and training budget."""

    arch_columns: ClassVar[Mapping[str, str | int]] = _VERTICES

    arch: _Arch = Field(description=f"The trained cell. {_SPELLING}", examples=[_EXAMPLE_ARCH])
    num_vertices: int = Field(
        description="Vertices of the cell, input and output included, 2 to 7.", examples=[7]
    )
    hash: _Hash
    num_epochs: Epochs = Field(description="Training budget, in epochs: 4, 12, 36 or 108.")
    trainable_parameters: int = Field(
        description="Exact number of trainable parameters of the whole network.",
        examples=[8_555_530],
    )


class Nb101Epoch(WireModel):
    """Statistics of a run half-way through or at its end."""

    current_epoch: Epochs = Field(
        description="The epoch, counting from 1: half of the budget or all of it."
    )
    train_acc: _TrainAcc
    valid_acc: _ValidAcc
    test_acc: _TestAcc
    training_time: _TrainingTime


class Nb101Stats(WireModel):
    """Final statistics of a run, or of several runs of one configuration reduced to one item."""

    config: Nb101Config = Field(description="Trained configuration.")
    repeat: _Repeat
    num_runs: _NumRuns
    train_acc: _TrainAcc
    valid_acc: _ValidAcc
    test_acc: _TestAcc
    parameters: Millions = Field(
        description="Trainable parameters, in millions.", examples=[8.55553]
    )
    training_time: Seconds = Field(
        description="Time of the whole training, in seconds.", examples=[1769.1279296875]
    )
    intermediates: Listed[Nb101Epoch] | None = Field(
        None,
        description="Statistics half-way and at the end, one object each; only if requested.",
    )


class Nb101Curves(WireModel):
    """Statistics of a run half-way and at its end, as lists of equal length."""

    config: Nb101Config = Field(description="Trained configuration.")
    repeat: _Repeat
    num_runs: _NumRuns
    current_epoch: Listed[int] = Field(description="The epochs, counting from 1.")
    train_acc: PercentCurve = Field(description=f"Accuracy {_ON_TRAIN}, in percent.")
    valid_acc: PercentCurve = Field(description=f"Accuracy {_ON_VALID}, in percent.")
    test_acc: PercentCurve = Field(description=f"Accuracy {_ON_TEST}, in percent.")
    training_time: SecondsCurve = Field(description="Time since the training began, in seconds.")


class Nb101Hash(NetworkModel):
    """A cell without the vertices that are on no path from input to output, and its hash.

    If only a hash was given and no runs of it are recorded, the other fields are null.
    """

    arch_columns: ClassVar[Mapping[str, str | int]] = _VERTICES

    hash: _Hash
    num_vertices: int | None = Field(description="Remaining vertices, 2 to 7.", examples=[7])
    num_edges: int | None = Field(description="Remaining edges, at most 9.", examples=[9])
    arch: _Arch | None = Field(
        description=f"The remaining cell. {_SPELLING}", examples=[_EXAMPLE_ARCH]
    )
    in_benchmark: bool = Field(description="Whether the installed database has runs of it.")


class Nb101Hashes(WireModel):
    """Hashes of many cells."""

    results: Listed[Nb101Hash | BatchError] = Field(
        description="One entry per cell, in the order of the request: its hash and pruned form, or "
        "the error of a malformed cell."
    )


MODELS = TableModels(
    spec=NASBENCH101,
    config=Nb101Config,
    stats=Nb101Stats,
    architecture=Nb101Hash,
    epoch=Nb101Epoch,
    curves=Nb101Curves,
)
"""The models of this benchmark."""
