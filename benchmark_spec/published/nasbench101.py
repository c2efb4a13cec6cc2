"""NAS-Bench-101: cells trained on CIFAR-10."""

from __future__ import annotations

from itertools import combinations
from typing import Final

from benchmark_spec.names import Field
from benchmark_spec.published.statistics import accuracy, millions, seconds
from benchmark_spec.spaces import Coded
from benchmark_spec.spec import Axis, BenchmarkSpec, Column, Curve, Label, RawFile

__all__ = ["NASBENCH101"]

NASBENCH101: Final = BenchmarkSpec(
    name="nasbench101",
    title="NAS-Bench-101",
    citation=(
        "C. Ying, A. Klein, E. Christiansen, E. Real, K. Murphy and F. Hutter. "
        "NAS-Bench-101: Towards Reproducible Neural Architecture Search. ICML 2019."
    ),
    licence="Apache-2.0",
    homepage="https://github.com/google-research/nasbench",
    raw_files=(
        RawFile(name="nasbench_full.tfrecord"),
        RawFile(name="nasbench_only108.tfrecord"),
    ),
    notes=(
        (
            "A query for a cell matches every cell isomorphic to it after pruning; with "
            "isomorphism=false it matches only the matrix that was trained."
        ),
        "The archive records no seeds: repeat n is the n-th run of a cell and budget in it.",
        (
            "training_time is in seconds, as recorded; databases in which finished runs take 60 "
            "times as long mistook the seconds for minutes."
        ),
        "Intermediate statistics are recorded half-way through a run and at its end.",
    ),
    space=Coded(
        size=423_624,
        fields=(
            Field(
                name="arch",
                kind="object",
                description=(
                    "The trained cell. `op1`, … are the operations of the vertices between input "
                    "and output: conv3x3, conv1x1 or maxpool; `input1`, … list the vertices that "
                    "feed each of them, 0 being the input of the cell; the last `input` is that of "
                    "the output."
                ),
                example={
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
                },
            ),
            Field(
                name="num_vertices",
                kind="integer",
                description="Vertices of the cell, input and output included, 2 to 7.",
                example=7,
            ),
            Field(
                name="hash",
                kind="text",
                description=(
                    "Published hash of 32 hexadecimal digits, the same for isomorphic cells."
                ),
                example="00005c142e6f48ac74fdcf73e3439874",
            ),
        ),
        arch=(
            'A cell: {"op1": …, "input1": …} or {"module_adjacency": …, "module_operations": …}, '
            "as JSON, in any key order, of at most 7 vertices and 9 edges; or its published hash "
            "of 32 hexadecimal digits."
        ),
        examples=(
            "00005c142e6f48ac74fdcf73e3439874",
            {"op1": "conv3x3", "input1": [0], "input2": [0, 1]},
            {
                "module_adjacency": [[0, 1, 1], [0, 0, 1], [0, 0, 0]],
                "module_operations": ["input", "conv3x3-bn-relu", "output"],
            },
        ),
        choices={
            **{f"edge_{i}_{j}": (0, 1) for i, j in combinations(range(7), 2)},
            **{f"op_{vertex}": ("conv3x3", "conv1x1", "maxpool") for vertex in range(1, 6)},
        },
    ),
    axes=(
        Axis(name="dataset", values=("cifar10",), implied=True, description="Data set."),
        Axis(
            name="num_epochs",
            values=(4, 12, 36, 108),
            unit="epochs",
            description="Training budget, in epochs: 4, 12, 36 or 108.",
        ),
    ),
    label=Label(
        name="repeat",
        description=(
            "Number of the run among those of its cell and budget, 0 to 2, in the order "
            "of the archive, which records no seeds; null if several runs are reduced "
            "to one item."
        ),
    ),
    described_by=(
        Column(
            name="trainable_parameters",
            kind="integer",
            description="Exact number of trainable parameters of the whole network.",
        ),
    ),
    stats=(
        accuracy("train_acc", "Accuracy on the training images, in percent.", example=100.0),
        accuracy(
            "valid_acc",
            "Accuracy on the 10,000 training images held out, in percent.",
            example=92.41786599159241,
        ),
        accuracy("test_acc", "Accuracy on the test images, in percent.", example=92.11738705635071),
        millions("parameters", "Trainable parameters, in millions.", example=8.55553),
        seconds(
            "training_time", "Time of the whole training, in seconds.", example=1769.1279296875
        ),
    ),
    curves=(
        Curve(
            name="train_acc",
            unit="percent",
            description="Accuracy on the training images, in percent.",
            of="train_acc",
        ),
        Curve(
            name="valid_acc",
            unit="percent",
            description=("Accuracy on the 10,000 training images held out, in percent."),
            of="valid_acc",
        ),
        Curve(
            name="test_acc",
            unit="percent",
            description="Accuracy on the test images, in percent.",
            of="test_acc",
        ),
        Curve(
            name="training_time",
            unit="seconds",
            description="Time since the training began, in seconds.",
            of="training_time",
        ),
    ),
    own_questions=("hash",),
)
