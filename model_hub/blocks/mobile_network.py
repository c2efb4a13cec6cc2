"""The outline of FBNet and Single-Path NAS: a stem, stages of blocks, a head, a classifier.

Weights lie where timm has them: its `blocks.S.I.{conv_pw,bn1,conv_dw,bn2,conv_pwl,bn3}` are
`blocks.S.I.{0,1,3,4,6,7}` here, those of a depthwise separable block, `{conv_dw,bn1,conv_pw,bn2}`,
are `{0,1,3,4}`; `conv_stem, bn1` are `stem.{0,1}`, `conv_head, bn2` are `head.{0,1}` and
`classifier` is the same. Both list them in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from torch import Tensor, nn

from model_hub.blocks.initialization import initialize_mobile
from model_hub.blocks.mobile import ActivationFactory, ConvBNAct, NormFactory

__all__ = ["RELU", "MobileNetwork"]

RELU: Final[ActivationFactory] = partial(nn.ReLU, inplace=True)


class MobileNetwork(nn.Module):
    """A network of stages of blocks, initialised but for what its family does in another way.

    Args:
        stages: Its blocks; layers that do nothing are left out.
        stem_width: Output channels of the stem, the input of the first stage.
        stem_stride: Of the stem.
        last_width: Output channels of the last stage.
        head_width: Output channels of the 1 x 1 convolution before the pooling.
        num_labels: Classes.
        dropout_rate: Before the classifier.
        norm: Makes the norms of stem and head.
    """

    def __init__(
        self,
        stages: Iterable[Iterable[nn.Module]],
        *,
        stem_width: int,
        stem_stride: int,
        last_width: int,
        head_width: int,
        num_labels: int,
        dropout_rate: float,
        norm: NormFactory,
    ) -> None:
        super().__init__()
        self.stem = ConvBNAct(3, stem_width, 3, stem_stride, norm=norm, activation=RELU)
        self.blocks = nn.Sequential(*(nn.Sequential(*stage) for stage in stages))
        self.head = ConvBNAct(last_width, head_width, 1, norm=norm, activation=RELU)
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(head_width, num_labels)
        initialize_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, 3, height, width)."""
        features = self.head(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(features.mean((2, 3))))
        return logits
