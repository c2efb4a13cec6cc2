"""Wire models of statistics and curves that both spaces of NATS-Bench share.

Splits by data set (valid / test / ori_test): cifar10-valid: half of the training images held out /
original test set / the same; cifar10: none / original test set / the same; cifar100 and
imagenet16-120: half of the original test set / the other half / all of it.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeAlias, TypeVar

from pydantic import Field

from bench_client.models.answers import Listed, WireModel
from bench_client.models.quantities import (
    DERIVED,
    Epochs,
    Loss,
    LossCurve,
    Millions,
    Percent,
    PercentCurve,
    Seconds,
    SizeSource,
)

__all__ = ["NatsCurves", "NatsEpoch", "NatsStats", "TrainedOn"]

C = TypeVar("C", bound=WireModel)
E = TypeVar("E", bound=WireModel)

_ON_TRAIN = "on the training split, over the epoch as it was trained"
_ON_VALID = "on the validation split; null for cifar10, which has none"
_ON_TEST = "on the test split"
_ON_ORI_TEST = (
    "on the original test set, which cifar100 and imagenet16-120 divide into validation and test"
)

TrainedOn: TypeAlias = Annotated[
    str,
    Field(
        description="Data set: cifar10-valid (trained on half of CIFAR-10's training images), "
        "cifar10 (on all of them), cifar100 or imagenet16-120.",
        examples=["cifar100"],
    ),
]
_TrainAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_TRAIN}, in percent.", examples=[57.82])
]
_ValidAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_VALID}, in percent.", examples=[53.14])
]
_TestAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_TEST}, in percent.", examples=[53.08])
]
_OriTestAcc: TypeAlias = Annotated[
    Percent, Field(description=f"Accuracy {_ON_ORI_TEST}, in percent.", examples=[53.11])
]
_TrainLoss: TypeAlias = Annotated[Loss, Field(description=f"Cross-entropy {_ON_TRAIN}.")]
_ValidLoss: TypeAlias = Annotated[Loss, Field(description=f"Cross-entropy {_ON_VALID}.")]
_TestLoss: TypeAlias = Annotated[Loss, Field(description=f"Cross-entropy {_ON_TEST}.")]
_OriTestLoss: TypeAlias = Annotated[Loss, Field(description=f"Cross-entropy {_ON_ORI_TEST}.")]
_Seed: TypeAlias = Annotated[
    int | None, Field(description="Seed of the run; null if several runs are reduced to one item.")
]
_NumRuns: TypeAlias = Annotated[
    int, Field(description="Number of runs that the item summarises; 1 unless reduced.")
]
_CURRENT_EPOCH = "counting from 1"


class NatsEpoch(WireModel):
    """Statistics of a run at the end of an epoch; null if not recorded."""

    current_epoch: Epochs = Field(description=f"The epoch, {_CURRENT_EPOCH}.")
    train_acc: _TrainAcc
    valid_acc: _ValidAcc
    test_acc: _TestAcc
    ori_test_acc: _OriTestAcc
    train_loss: _TrainLoss
    valid_loss: _ValidLoss
    test_loss: _TestLoss
    ori_test_loss: _OriTestLoss


class NatsStats(WireModel, Generic[C, E]):
    """Final statistics of a run; `C` is its configuration, `E` one of its epochs."""

    config: C = Field(description="Trained configuration.")
    seed: _Seed
    num_runs: _NumRuns
    train_acc: _TrainAcc
    valid_acc: _ValidAcc
    test_acc: _TestAcc
    ori_test_acc: _OriTestAcc
    train_loss: _TrainLoss
    valid_loss: _ValidLoss
    test_loss: _TestLoss
    ori_test_loss: _OriTestLoss
    parameters: Millions = Field(description="Trainable parameters, in millions.")
    flops: Millions = Field(description="Multiply-adds of one forward pass, in millions.")
    latency: Seconds = Field(description="Latency of the network as recorded, in seconds.")
    training_time: Seconds = Field(
        description="Time of the whole training, in seconds; derived: the time of the last epoch "
        "times the number of epochs, the same for every seed.",
        json_schema_extra=DERIVED,
    )
    valid_evaluation_time: Seconds = Field(
        description="Time of one pass over the validation split, in seconds; null for cifar10, "
        "which has none."
    )
    test_evaluation_time: Seconds = Field(
        description="Time of one pass over the test split, in seconds."
    )
    ori_test_evaluation_time: Seconds = Field(
        description="Time of one pass over the original test set, in seconds."
    )
    size_source: SizeSource = "recorded"
    intermediates: Listed[E] | None = Field(
        None, description="Learning curves, one object per epoch; only if requested."
    )


class NatsCurves(WireModel, Generic[C]):
    """Learning curves of a run, as lists; `C` is its configuration."""

    config: C = Field(description="Trained configuration.")
    seed: _Seed
    num_runs: _NumRuns
    current_epoch: Listed[int] = Field(description=f"The epochs, {_CURRENT_EPOCH}.")
    train_acc: PercentCurve = Field(description=f"Accuracy {_ON_TRAIN}, in percent.")
    valid_acc: PercentCurve = Field(description=f"Accuracy {_ON_VALID}, in percent.")
    test_acc: PercentCurve = Field(description=f"Accuracy {_ON_TEST}, in percent.")
    ori_test_acc: PercentCurve = Field(description=f"Accuracy {_ON_ORI_TEST}, in percent.")
    train_loss: LossCurve = Field(description=f"Cross-entropy {_ON_TRAIN}.")
    valid_loss: LossCurve = Field(description=f"Cross-entropy {_ON_VALID}.")
    test_loss: LossCurve = Field(description=f"Cross-entropy {_ON_TEST}.")
    ori_test_loss: LossCurve = Field(description=f"Cross-entropy {_ON_ORI_TEST}.")
