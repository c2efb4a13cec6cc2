"""The networks of the Single-Path NAS space (Stamoulis et al. 2019, arXiv:1904.02877)."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Final

from torch import nn

from model_hub.blocks.mobile import (
    RELU,
    DepthwiseSeparable,
    InvertedResidual,
    MobileNetwork,
    NormFactory,
    inverted_residuals,
)

__all__ = ["WIDTHS", "SinglePathNASNetwork"]

_STEM_WIDTH: Final = 32
WIDTHS: Final = (16, 24, 40, 80, 96, 192, 320)
"""Output channels of the first fixed block, of each stage and of the last fixed block."""

_STRIDES: Final = (2, 2, 2, 1, 2)
"""Stride of the first layer of each stage."""
_HEAD_WIDTH: Final = 1280
_LAST_EXPANSION: Final = 6


class SinglePathNASNetwork(MobileNetwork):
    """A network of the Single-Path NAS space.

    Args:
        stages: Kernel size and expansion of each layer of the searched stages.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        stages: list[list[tuple[int, int]]],
        *,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        searched = zip(pairwise(WIDTHS[:-1]), _STRIDES, stages, strict=True)
        first = DepthwiseSeparable(_STEM_WIDTH, WIDTHS[0], norm=norm, activation=RELU)
        last = InvertedResidual(*WIDTHS[-2:], _LAST_EXPANSION, norm=norm, activation=RELU)
        super().__init__(
            [
                [first],
                *(
                    inverted_residuals(*ends, stride, stage, norm=norm, activation=RELU)
                    for ends, stride, stage in searched
                ),
                [last],
            ],
            stem_width=_STEM_WIDTH,
            stem_stride=2,
            last_width=WIDTHS[-1],
            head_width=_HEAD_WIDTH,
            num_labels=num_labels,
            dropout_rate=dropout_rate,
            norm=norm,
        )
        bound = 1 / sqrt(num_labels)
        nn.init.uniform_(self.classifier.weight, -bound, bound)
