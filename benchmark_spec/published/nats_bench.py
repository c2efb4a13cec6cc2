"""Both spaces of NATS-Bench: NAS-Bench-201 (topologies) and the size space."""

from __future__ import annotations

from typing import Final

from benchmark_spec.names import Field
from benchmark_spec.published.statistics import accuracy, loss, millions, seconds
from benchmark_spec.spaces import Coded
from benchmark_spec.spec import Axis, BenchmarkSpec, Column, Curve, Label, RawFile

__all__ = ["NASBENCH201", "NATSSSS"]

_NO_VALIDATION: Final = {"dataset": ("cifar10",)}

_STATS: Final = (
    accuracy(
        "train_acc",
        "Accuracy on the training split, over the epoch as it was trained, in percent.",
        example=57.82,
    ),
    accuracy(
        "valid_acc",
        "Accuracy on the validation split; null for cifar10, which has none, in percent.",
        example=53.14,
        absent=_NO_VALIDATION,
    ),
    accuracy("test_acc", "Accuracy on the test split, in percent.", example=53.08),
    accuracy(
        "ori_test_acc",
        "Accuracy on the original test set, which cifar100 and imagenet16-120 divide "
        "into validation and test, in percent.",
        example=53.11,
    ),
    loss("train_loss", "Cross-entropy on the training split, over the epoch as it was trained."),
    loss(
        "valid_loss",
        "Cross-entropy on the validation split; null for cifar10, which has none.",
        absent=_NO_VALIDATION,
    ),
    loss("test_loss", "Cross-entropy on the test split."),
    loss(
        "ori_test_loss",
        "Cross-entropy on the original test set, which cifar100 and imagenet16-120 "
        "divide into validation and test.",
    ),
    millions("parameters", "Trainable parameters, in millions."),
    millions("flops", "Multiply-adds of one forward pass, in millions."),
    seconds("latency", "Latency of the network as recorded, in seconds."),
    seconds(
        "training_time",
        "Time of the whole training, in seconds; derived: the time of the last epoch "
        "times the number of epochs, the same for every seed.",
        derived=True,
    ),
    seconds(
        "valid_evaluation_time",
        "Time of one pass over the validation split, in seconds; null for cifar10, which has none.",
        absent=_NO_VALIDATION,
    ),
    seconds("test_evaluation_time", "Time of one pass over the test split, in seconds."),
    seconds("ori_test_evaluation_time", "Time of one pass over the original test set, in seconds."),
)

_CURVES: Final = tuple(
    Curve(name=stat.name, unit=stat.unit, description=stat.description, of=stat.name)
    for stat in _STATS[:8]
)
"""The four accuracies and the four losses."""

_DATASET: Final = Axis(
    name="dataset",
    values=("cifar10-valid", "cifar10", "cifar100", "imagenet16-120"),
    description=(
        "Data set: cifar10-valid (trained on half of CIFAR-10's training images), "
        "cifar10 (on all of them), cifar100 or imagenet16-120."
    ),
)
_SEED: Final = Label(
    name="seed", description="Seed of the run; null if several runs are reduced to one item."
)
_NOTES: Final = (
    (
        "cifar10-valid is trained on half of CIFAR-10's training images and validated"
        " on the other half; cifar10 is trained on all of them."
    ),
    (
        "valid_acc, valid_loss and valid_evaluation_time of cifar10 are null, because it is "
        "trained on all images and has no validation split; its test accuracy is no substitute."
    ),
    (
        "training_time is derived: the time of the last epoch times the number of "
        "epochs, the same for every seed."
    ),
    (
        "Single runs have the recorded parameters and flops. If the runs of an architecture "
        "and data set disagree on them, as those of about 200 do in the archive of "
        "NAS-Bench-201, reduced items and all queries that compare architectures use values "
        "counted from the network's structure, and size_source is counted."
    ),
)

_OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

NASBENCH201: Final = BenchmarkSpec(
    name="nasbench201",
    title="NAS-Bench-201",
    citation=(
        "X. Dong and Y. Yang. NAS-Bench-201: Extending the Scope of Reproducible "
        "Neural Architecture Search. ICLR 2020."
    ),
    licence="MIT",
    homepage="https://github.com/D-X-Y/NAS-Bench-201#preparation-and-download",
    raw_files=(
        RawFile(name="NAS-Bench-201-v1_1-096897.pth"),
        RawFile(name="NAS-Bench-201-v1_0-e61699.pth"),
        RawFile(name="NATS-tss-v1_0-3ffb9-simple.tar"),
        RawFile(name="NATS-tss-v1_0-3ffb9.pickle.pbz2"),
    ),
    notes=(
        *_NOTES,
        "At 200 epochs some splits are recorded only at the last epoch and null before it.",
    ),
    space=Coded(
        size=15_625,
        fields=(
            Field(
                name="arch",
                kind="object of text",
                description=(
                    "The operation on each edge `source_target`: none, skip_connect, conv_1x1, "
                    "conv_3x3 or avg_pool_3x3."
                ),
                example={
                    "0_1": "avg_pool_3x3",
                    "0_2": "conv_1x1",
                    "1_2": "skip_connect",
                    "0_3": "conv_1x1",
                    "1_3": "skip_connect",
                    "2_3": "skip_connect",
                },
            ),
            Field(
                name="arch_str",
                kind="text",
                description="Architecture string.",
                example=(
                    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1"
                    "|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
                ),
            ),
            Field(
                name="index",
                kind="integer",
                description="Index of the architecture in the published list, 0 to 15,624.",
            ),
        ),
        arch=(
            "An architecture: its string, its index, or its dict or list of six operations "
            "(as JSON)."
        ),
        examples=(
            (
                "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1"
                "|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
            ),
            11,
            {
                "0_1": "conv_3x3",
                "0_2": "conv_3x3",
                "1_2": "avg_pool_3x3",
                "0_3": "none",
                "1_3": "conv_3x3",
                "2_3": "avg_pool_3x3",
            },
            ["skip_connect"] * 6,
        ),
        choices=dict.fromkeys(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), _OPERATIONS),
        template="|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|",
    ),
    axes=(
        Axis(
            name="num_epochs",
            values=(12, 200),
            unit="epochs",
            description="Training budget, in epochs: 12 or 200.",
        ),
        _DATASET,
    ),
    label=_SEED,
    described_by=(
        Column(name="num_channels", kind="integer", description="Channels of the first stage."),
        Column(name="num_cells", kind="integer", description="Cells in each of the three stages."),
    ),
    stats=_STATS,
    curves=_CURVES,
    own_questions=("hardware",),
)

NATSSSS: Final = BenchmarkSpec(
    name="natssss",
    title="NATS-Bench size space",
    citation=(
        "X. Dong, L. Liu, K. Musial and B. Gabrys. NATS-Bench: Benchmarking NAS "
        "Algorithms for Architecture Topology and Size. IEEE TPAMI 2021."
    ),
    licence="MIT",
    homepage="https://github.com/D-X-Y/NATS-Bench#preparation-and-download",
    raw_files=(
        RawFile(name="NATS-sss-v1_0-50262-simple.tar"),
        RawFile(name="NATS-sss-v1_0-50262.pickle.pbz2"),
    ),
    notes=(*_NOTES, ("Splits are recorded at every epoch; at 1 and 90 epochs there is one seed.")),
    space=Coded(
        size=32_768,
        fields=(
            Field(
                name="arch",
                kind="list of integer",
                description="Channels of each of the five layers: 8, 16, …, 64.",
                example=[8, 8, 8, 16, 32],
            ),
            Field(
                name="arch_str",
                kind="text",
                description="Architecture string.",
                example="8:8:8:16:32",
            ),
            Field(
                name="index",
                kind="integer",
                description=(
                    "Index of the architecture in the order of the channels, 0 to 32,767."
                ),
                example=11,
            ),
        ),
        arch="An architecture: its string, its index, or the list of five channels (as JSON).",
        examples=("8:8:8:16:32", 11, [8, 8, 8, 16, 32]),
        choices={f"layer_{layer}": tuple(range(8, 65, 8)) for layer in range(1, 6)},
        template="{}:{}:{}:{}:{}",
    ),
    axes=(
        Axis(
            name="num_epochs",
            values=(1, 12, 90),
            unit="epochs",
            description="Training budget, in epochs: 1, 12 or 90.",
        ),
        _DATASET,
    ),
    label=_SEED,
    stats=_STATS,
    curves=_CURVES,
)
