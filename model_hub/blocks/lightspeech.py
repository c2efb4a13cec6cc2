"""The operations and predictors of LightSpeech (Luo et al. 2021, arXiv:2102.04040).

Everything takes sequences (batch, places, width) and where they are padding, (batch, places).
Padding is zero for every convolution, so that a sequence does not depend on what else is in its
batch; the published network lets the second of two convolutions see what the first left there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import log, sqrt
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.blocks.self_attention import SelfAttention

__all__ = [
    "OPERATIONS",
    "FeedForward",
    "MultiHeadAttention",
    "Predictor",
    "ScaledPositions",
    "SepConv",
    "sinusoids",
    "without_padding",
]

_FFN_RATIO: Final = 4
_FFN_KERNEL_SIZE: Final = 9
_LONGEST_PERIOD: Final = 10_000
_PREDICTOR_EPS: Final = 1e-12


def without_padding(x: Tensor, padding: Tensor) -> Tensor:
    """Return the sequence with 0 where it is padding."""
    return x.masked_fill(padding.unsqueeze(-1), 0)


def sinusoids(padding: Tensor, width: int) -> Tensor:
    """Return the vectors of places, counted from 1 over what is no padding; 0 for padding.

    Sines, then cosines, of periods from 1 to 10,000 in geometric steps.

    Args:
        padding: True where a place is padding, (batch, places).
        width: Of the vectors; even, at least 4.
    """
    half = width // 2
    places = (~padding).cumsum(1).unsqueeze(-1)
    steps = torch.arange(half, device=padding.device, dtype=torch.get_default_dtype())
    angles = places * torch.exp(steps * (-log(_LONGEST_PERIOD) / (half - 1)))
    return without_padding(torch.cat((angles.sin(), angles.cos()), -1), padding)


class ScaledPositions(nn.Module):
    """Adds vectors of places by a learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Add the vectors to a sequence."""
        return x + self.alpha * sinusoids(padding, x.shape[-1]).to(x.dtype)


class SepConv(nn.Module):
    """Two separable convolutions, added to what goes into them.

    Args:
        width: Of the sequence.
        dropout_rate: After each convolution.
        kernel_size: Odd.
    """

    def __init__(self, width: int, dropout_rate: float, kernel_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolutions = nn.ModuleList(
            _SeparableConvolution(width, kernel_size, dropout_rate) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, convolve twice and add."""
        y: Tensor = self.norm(x)
        for convolution in self.convolutions:
            y = self.dropout(F.relu(convolution(y, padding)))
        return x + y


class MultiHeadAttention(nn.Module):
    """Self-attention without biases, added to what goes into it.

    Args:
        width: Of the sequence; a multiple of `num_heads`.
        dropout_rate: Of what is added.
        num_heads: Heads.
    """

    def __init__(self, width: int, dropout_rate: float, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, num_heads, bias=False)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, attend and add."""
        y: Tensor = self.dropout(self.attention(self.norm(x), padding))
        return x + y


class FeedForward(nn.Module):
    """A convolution to four times the width and a linear layer back, added to what goes in.

    Args:
        width: Of the sequence.
        dropout_rate: After each of the two.
    """

    def __init__(self, width: int, dropout_rate: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(
            width, _FFN_RATIO * width, _FFN_KERNEL_SIZE, padding=_FFN_KERNEL_SIZE // 2
        )
        self.linear = nn.Linear(_FFN_RATIO * width, width)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Normalise, transform and add."""
        y = without_padding(self.norm(x), padding)
        hidden = self.dropout(F.relu(self.conv(y.mT).mT))
        added: Tensor = self.dropout(self.linear(hidden))
        return x + added


class Predictor(nn.Module):
    """Separable convolutions and a linear layer that predict numbers of each place.

    Args:
        width: Of the sequence and of every layer.
        out_features: Numbers of a place.
        num_layers: Convolutions.
        kernel_size: Odd.
        dropout_rate: After each convolution.
    """

    def __init__(
        self,
        width: int,
        out_features: int,
        *,
        num_layers: int,
        kernel_size: int,
        dropout_rate: float,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            _SeparableConvolution(width, kernel_size, dropout_rate) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(width, eps=_PREDICTOR_EPS) for _ in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout_rate)
        self.linear = nn.Linear(width, out_features)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Return the numbers (batch, places, out_features); 0 for padding."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(norm(F.relu(convolution(x, padding))))
        return without_padding(self.linear(x), padding)


class _SeparableConvolution(nn.Module):
    def __init__(self, width: int, kernel_size: int, dropout_rate: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, kernel_size, padding=kernel_size // 2, groups=width, bias=False
        )
        self.pointwise = nn.Conv1d(width, width, 1)
        std = sqrt(4 * (1 - dropout_rate) / (kernel_size * width))
        for convolution in (self.depthwise, self.pointwise):
            nn.init.normal_(convolution.weight, std=std)
        if self.pointwise.bias is not None:
            nn.init.zeros_(self.pointwise.bias)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        convolved: Tensor = self.pointwise(self.depthwise(without_padding(x, padding).mT))
        return convolved.mT


Operation: TypeAlias = Callable[[int, float], nn.Module]

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **{
            f"sepconv{kernel_size}": partial(SepConv, kernel_size=kernel_size)
            for kernel_size in (1, 5, 9, 13, 17, 21, 25)
        },
        **{
            f"mha{num_heads}": partial(MultiHeadAttention, num_heads=num_heads)
            for num_heads in (2, 4, 8)
        },
        "ffn": FeedForward,
    }
)
"""The operations by name."""
