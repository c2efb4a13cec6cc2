"""Wire models of NDS: networks of ten design spaces, trained on CIFAR-10 and ImageNet."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from bench_client.models.answers import Listed, NetworkModel, ProvenanceMark, WireModel
from bench_client.models.described import TableModels
from bench_client.models.oracle import Distribution
from bench_client.models.quantities import (
    Epochs,
    Loss,
    LossCurve,
    Millions,
    Percent,
    PercentCurve,
    Seconds,
)
from benchmark_spec.published import NDS

__all__ = [
    "MODELS",
    "NdsArchitecture",
    "NdsConfig",
    "NdsCurves",
    "NdsDistribution",
    "NdsDistributions",
    "NdsEpoch",
    "NdsFamilies",
    "NdsFamily",
    "NdsStats",
]

_EXAMPLE_MODEL = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}

_ON_TRAIN = "on the training images, over the epoch as it was trained"
_ON_TEST = "on the test images"

_Seed: TypeAlias = Annotated[
    int | None,
    Field(
        description="Seed of the run, which reruns share; null if several runs are reduced to one "
        "item."
    ),
]
_NumRuns: TypeAlias = Annotated[
    int, Field(description="Number of runs that the item summarises; 1 unless reduced.")
]


class _Space(WireModel):
    """A design space and how its networks were sampled and trained."""

    model_family: str = Field(
        description="nas_cell, residual_basic, residual_bottleneck or vanilla.",
        examples=["residual_basic"],
    )
    proposer: str = Field(
        description="Proposer of the design space: amoeba, darts, enas, nasnet, pnas, resnet, "
        "resnet-b, resnext-a, resnext-b or vanilla.",
        examples=["resnet"],
    )
    generator: str = Field(
        description="How networks were sampled: random, fix_w_d (with fixed width and depth) or "
        "tune_lr_wd (with random learning rate and weight decay).",
        examples=["random"],
    )
    dataset: str = Field(description="Data set: cifar10 or imagenet.", examples=["cifar10"])
    num_epochs: Epochs = Field(description="Training budget, in epochs.", examples=[100])


class NdsConfig(NetworkModel):
    """Trained network, data set and hyperparameters."""

    model_family: str = Field(
        description="nas_cell, residual_basic, residual_bottleneck or vanilla."
    )
    model_spec: dict[str, Any] = Field(
        description="The network: for nas_cell the number of nodes of either cell, depth, width, "
        "aux and drop_prob; for the others one value per stage: ds (depths), ss (strides), ws "
        "(widths) and, if the blocks have them, bot_muls and num_gs. Empty lists are left out.",
        examples=[_EXAMPLE_MODEL],
    )
    cell_spec: dict[str, Any] = Field(
        description="The cells of nas_cell: node i of `normal` applies `normal_{i}_op_x` to its "
        "input `normal_{i}_input_x`, and `normal_{i}_op_y` to `normal_{i}_input_y`; inputs 0 and 1 "
        "are those of the cell, 2 is node 0; `normal_concat` lists the nodes of the cell's output; "
        "likewise for `reduce`. Empty for the other families."
    )
    dataset: str = Field(description="Data set: cifar10 or imagenet.")
    generator: str = Field(description="How networks were sampled: random, fix_w_d or tune_lr_wd.")
    proposer: str = Field(description="Proposer of the design space, such as amoeba or resnext-a.")
    base_lr: float = Field(description="Initial learning rate.", examples=[0.1])
    weight_decay: float = Field(description="Weight decay.", examples=[0.0005])
    num_epochs: Epochs = Field(description="Training budget, in epochs.")


class NdsEpoch(WireModel):
    """Statistics of a run at the end of an epoch."""

    current_epoch: Epochs = Field(description="The epoch, counting from 1.")
    train_loss: Loss = Field(description=f"Cross-entropy {_ON_TRAIN}; null where it was NaN.")
    train_acc: Percent = Field(description=f"Accuracy {_ON_TRAIN}, in percent.")
    test_acc: Percent = Field(description=f"Accuracy {_ON_TEST}, in percent.")


class NdsStats(WireModel):
    """Statistics of a run, or of several runs of one configuration reduced to one item."""

    config: NdsConfig = Field(description="Trained configuration.")
    seed: _Seed
    num_runs: _NumRuns
    final_train_acc: Percent = Field(
        description=f"Accuracy {_ON_TRAIN}, in percent, at the end.", examples=[99.772]
    )
    final_train_loss: Loss = Field(description=f"Cross-entropy {_ON_TRAIN}, at the end.")
    final_test_acc: Percent = Field(
        description=f"Accuracy {_ON_TEST}, in percent, at the end.", examples=[93.49]
    )
    best_train_acc: Percent = Field(
        description=f"Accuracy {_ON_TRAIN}, in percent, at the best epoch for it."
    )
    best_train_loss: Loss = Field(
        description=f"Cross-entropy {_ON_TRAIN}, at the best epoch for it, NaN left out."
    )
    best_test_acc: Percent = Field(
        description=f"Accuracy {_ON_TEST}, in percent, at the best epoch for it.", examples=[93.58]
    )
    parameters: Millions = Field(
        description="Trainable parameters, in millions.", examples=[0.594138]
    )
    flops: Millions = Field(
        description="Multiply-adds of one forward pass as the archive counts them, in millions.",
        examples=[184.519578],
    )
    iter_time: Seconds = Field(description="Time of one training iteration, in seconds.")
    prec_time: Seconds = Field(
        description="Time of computing the precise statistics of batch normalisation, in seconds."
    )
    intermediates: Listed[NdsEpoch] | None = Field(
        None, description="Learning curves, one object per epoch; only if requested."
    )


class NdsCurves(WireModel):
    """Learning curves of a run, as lists with one value per epoch."""

    config: NdsConfig = Field(description="Trained configuration.")
    seed: _Seed
    num_runs: _NumRuns
    current_epoch: Listed[int] = Field(description="The epochs, counting from 1.")
    train_loss: LossCurve = Field(description=f"Cross-entropy {_ON_TRAIN}; null where it was NaN.")
    train_acc: PercentCurve = Field(description=f"Accuracy {_ON_TRAIN}, in percent.")
    test_acc: PercentCurve = Field(description=f"Accuracy {_ON_TEST}, in percent.")


class NdsFamily(_Space):
    """A design space as it was sampled and trained, with its numbers of runs and networks."""

    runs: int = Field(description="Number of recorded runs.")
    configurations: int = Field(
        description="Number of configurations: network, learning rate and weight decay."
    )
    architectures: int = Field(description="Number of networks.")


class NdsFamilies(WireModel):
    """The design spaces of NDS."""

    items: Listed[NdsFamily] = Field(description="One entry per design space.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class NdsDistribution(_Space, Distribution):
    """Distribution of a metric over the configurations of a design space.

    Each configuration counts once, with the mean over its runs. The metric is a statistic of the
    items, or an error: 100 minus an accuracy.
    """


class NdsDistributions(WireModel):
    """The distribution of a metric in each design space."""

    items: Listed[NdsDistribution] = Field(description="One entry per design space with values.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class NdsArchitecture(NetworkModel):
    """A network of NDS; an object with both fields is one of `archs` in a batch."""

    model_spec: dict[str, Any] = Field(description="The network, as in `config`.")
    cell_spec: dict[str, Any] = Field(description="Its cells, as in `config`; empty without cells.")


MODELS = TableModels(
    spec=NDS,
    config=NdsConfig,
    stats=NdsStats,
    architecture=NdsArchitecture,
    epoch=NdsEpoch,
    curves=NdsCurves,
    distribution=NdsDistributions,
)
"""The models of this benchmark."""
