"""NDS: networks of ten design spaces, trained on CIFAR-10 and ImageNet."""

from __future__ import annotations

from typing import Final

from benchmark_spec.names import Field
from benchmark_spec.published.statistics import accuracy, loss, millions, seconds
from benchmark_spec.spaces import Coded
from benchmark_spec.spec import Axis, BenchmarkSpec, Column, Curve, Label, RawFile

__all__ = ["NDS"]

NDS: Final = BenchmarkSpec(
    name="nds",
    title="NDS",
    citation=(
        "I. Radosavovic, J. Johnson, S. Xie, W.-Y. Lo and P. Dollár. On Network "
        "Design Spaces for Visual Recognition. ICCV 2019."
    ),
    licence="MIT",
    homepage="https://github.com/facebookresearch/nds",
    raw_files=(RawFile(name="data.zip"),),
    notes=(
        (
            "A configuration (network, learning rate, weight decay, data set, epochs) may"
            " have several runs, even with the same seed, because the archive holds reruns."
        ),
        (
            "flops are multiply-adds as counted by the archive, which for cell networks are "
            "close to, but not equal to, the multiply-adds of the network."
        ),
        "A loss that was NaN is null; the best loss is the best of the others.",
        (
            "best_ is the value of the best epoch of a run, chosen by this value itself, so best_"
            " test accuracies are optimistic."
        ),
    ),
    space=Coded(
        size=None,
        fields=(
            Field(
                name="model_spec",
                kind="object",
                description=(
                    "The network: for nas_cell the number of nodes of either cell, depth, width, "
                    "aux and drop_prob; for the others one value per stage: ds (depths), ss "
                    "(strides), ws (widths) and, if the blocks have them, bot_muls and num_gs. "
                    "Empty lists are left out."
                ),
                example={"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]},
            ),
            Field(
                name="cell_spec",
                kind="object",
                description=(
                    "The cells of nas_cell: node i of `normal` applies `normal_{i}_op_x` to its "
                    "input `normal_{i}_input_x`, and `normal_{i}_op_y` to `normal_{i}_input_y`; "
                    "inputs 0 and 1 are those of the cell, 2 is node 0; `normal_concat` lists the "
                    "nodes of the cell's output; likewise for `reduce`. Empty for the other "
                    "families."
                ),
            ),
        ),
        arch=(
            'A network: {"model_spec": {…}, "cell_spec": {…}}, as JSON; networks without cells '
            "need no cell_spec."
        ),
        examples=(
            {"model_spec": {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}},
        ),
    ),
    axes=(
        Axis(
            name="model_family",
            values=("nas_cell", "residual_basic", "residual_bottleneck", "vanilla"),
            description="nas_cell, residual_basic, residual_bottleneck or vanilla.",
        ),
        Axis(
            name="proposer",
            values=(
                "amoeba",
                "darts",
                "enas",
                "nasnet",
                "pnas",
                "resnet",
                "resnet-b",
                "resnext-a",
                "resnext-b",
                "vanilla",
            ),
            description="Proposer of the design space, such as amoeba or resnext-a.",
        ),
        Axis(
            name="generator",
            values=("random", "fix_w_d", "tune_lr_wd"),
            description="How networks were sampled: random, fix_w_d or tune_lr_wd.",
        ),
        Axis(
            name="dataset",
            values=("cifar10", "imagenet"),
            description="Data set: cifar10 or imagenet.",
        ),
        Axis(
            name="num_epochs",
            values=(50, 100),
            unit="epochs",
            description="Training budget, in epochs.",
        ),
    ),
    label=Label(
        name="seed",
        description=(
            "Seed of the run, which reruns share; null if several runs are reduced to one item."
        ),
    ),
    described_by=(
        Column(name="base_lr", kind="number", description="Initial learning rate."),
        Column(name="weight_decay", kind="number", description="Weight decay."),
    ),
    stats=(
        accuracy(
            "final_train_acc",
            "Accuracy on the training images, over the epoch as it was trained, in "
            "percent, at the end.",
            example=99.772,
        ),
        loss(
            "final_train_loss",
            "Cross-entropy on the training images, over the epoch as it was trained, at the end.",
        ),
        accuracy(
            "final_test_acc", "Accuracy on the test images, in percent, at the end.", example=93.49
        ),
        accuracy(
            "best_train_acc",
            "Accuracy on the training images, over the epoch as it was trained, in "
            "percent, at the best epoch for it.",
        ),
        loss(
            "best_train_loss",
            "Cross-entropy on the training images, over the epoch as it was trained, at "
            "the best epoch for it, NaN left out.",
        ),
        accuracy(
            "best_test_acc",
            "Accuracy on the test images, in percent, at the best epoch for it.",
            example=93.58,
        ),
        millions("parameters", "Trainable parameters, in millions.", example=0.594138),
        millions(
            "flops",
            "Multiply-adds of one forward pass as the archive counts them, in millions.",
            example=184.519578,
        ),
        seconds("iter_time", "Time of one training iteration, in seconds."),
        seconds(
            "prec_time",
            "Time of computing the precise statistics of batch normalisation, in seconds.",
        ),
    ),
    curves=(
        Curve(
            name="train_loss",
            unit="cross-entropy",
            description=(
                "Cross-entropy on the training images, over the epoch as it was trained; null"
                " where it was NaN."
            ),
        ),
        Curve(
            name="train_acc",
            unit="percent",
            description=(
                "Accuracy on the training images, over the epoch as it was trained, in percent."
            ),
        ),
        Curve(
            name="test_acc", unit="percent", description="Accuracy on the test images, in percent."
        ),
    ),
    not_answered={
        "simulate": (
            "records the time of an iteration (iter_time), but neither a training time nor"
            " the number of iterations per epoch"
        ),
        "neighbors": (
            "is a sample of spaces too large to list: few neighbours of its networks were trained"
        ),
        "rank": "trained its networks in several ways",
    },
    own_questions=("families",),
)
