"""The networks of the ProxylessNAS space (Cai et al. 2019, arXiv:1812.00332)."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from torch import Tensor, nn

from model_hub.blocks.mobile import (
    RELU6,
    ConvBNAct,
    DepthwiseSeparable,
    InvertedResidual,
    NormFactory,
    initialize_mobile,
    inverted_residuals,
)

__all__ = ["ProxylessNASNetwork"]

_STAGE_STRIDES: Final = (2, 2, 2, 1, 2)
"""Stride of the first block of stages 2 to 6."""


class ProxylessNASNetwork(nn.Module):
    """A network of the ProxylessNAS space.

    Args:
        widths: Output channels of the stem, of stages 1 to 7 and of the last convolution.
        stages: Kernel size and expansion of each block of stages 2 to 6.
        last_block: Kernel size and expansion of the block of stage 7.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
        norm: Creates each norm layer.
    """

    def __init__(
        self,
        widths: list[int],
        stages: list[list[tuple[int, int]]],
        last_block: tuple[int, int],
        *,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, widths[0], 3, 2, norm=norm, activation=RELU6)
        blocks: list[nn.Module] = [DepthwiseSeparable(widths[0], widths[1], norm=norm)]
        ends = pairwise(widths[1:7])
        for (before, after), stage, stride in zip(ends, stages, _STAGE_STRIDES, strict=True):
            blocks.append(
                nn.Sequential(*inverted_residuals(before, after, stride, stage, norm=norm))
            )
        kernel_size, expand_ratio = last_block
        blocks.append(InvertedResidual(widths[6], widths[7], expand_ratio, kernel_size, norm=norm))
        self.blocks = nn.Sequential(*blocks)
        self.feature_mix_layer = ConvBNAct(widths[7], widths[8], 1, norm=norm, activation=RELU6)
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(widths[8], num_labels)
        initialize_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.feature_mix_layer(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(features.mean((2, 3))))
        return logits

    def no_weight_decay(self) -> set[str]:
        """Return the names of the parameters without weight decay in the authors' training."""
        return {"classifier.weight", "classifier.bias"}
