"""Published cells of NAS-Bench-101 in their spellings."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["ARCH", "HASH", "INCEPTION", "MATRIX", "MODULE", "NAMES"]

HASH: Final = "00005c142e6f48ac74fdcf73e3439874"
"""Of the cell of NNI's documentation, which the following spell."""
ARCH: Final[dict[str, Any]] = {
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
MATRIX: Final = [
    [0, 1, 0, 0, 1, 1, 0],
    [0, 0, 1, 0, 0, 0, 0],
    [0, 0, 0, 1, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]
NAMES: Final = [
    "input",
    "conv3x3-bn-relu",
    "maxpool3x3",
    "conv3x3-bn-relu",
    "conv3x3-bn-relu",
    "conv1x1-bn-relu",
    "output",
]
MODULE: Final[dict[str, Any]] = {"module_adjacency": MATRIX, "module_operations": NAMES}

INCEPTION: Final[dict[str, Any]] = {
    "module_adjacency": [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    "module_operations": [
        "input",
        "conv1x1-bn-relu",
        "conv3x3-bn-relu",
        "conv3x3-bn-relu",
        "conv3x3-bn-relu",
        "maxpool3x3",
        "output",
    ],
}
"""The Inception-like cell of the README of google-research/nasbench."""
