"""The operations of NAS-BERT (Xu et al. 2021, arXiv:2105.14444, Table 1).

Each takes tokens (batch, tokens, width) and where they are padding, (batch, tokens), and returns
tokens of the same shape, normalised after the sum with what went in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import sqrt
from types import MappingProxyType
from typing import Final, TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.blocks.self_attention import SelfAttention

__all__ = [
    "HEAD_DIM",
    "LINEAR_STD",
    "OPERATIONS",
    "Dropouts",
    "FeedForward",
    "MultiHeadAttention",
    "SepConv",
]

HEAD_DIM: Final = 64
"""Width of every head."""

LINEAR_STD: Final = 0.02
"""Of the first weights of linear layers and embeddings."""
_FFN_RATIO: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropouts:
    """Rates of dropout.

    Args:
        hidden: Of what attention and feed-forward layers add, of the first tokens and of the head.
        attention: Of the attention.
        activation: After activations.
    """

    hidden: float = 0.1
    attention: float = 0.1
    activation: float = 0.0


class MultiHeadAttention(nn.Module):
    """Self-attention with heads of width 64.

    Args:
        width: Of the tokens.
        dropouts: Rates of dropout.
    """

    def __init__(self, width: int, dropouts: Dropouts) -> None:
        super().__init__()
        self.attention = SelfAttention(width, width // HEAD_DIM, dropout_rate=dropouts.attention)
        self.dropout = nn.Dropout(dropouts.hidden)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Attend, add and normalise."""
        normed: Tensor = self.norm(x + self.dropout(self.attention(x, padding)))
        return normed


class FeedForward(nn.Module):
    """Two linear layers with four times the width between them.

    Args:
        width: Of the tokens.
        dropouts: Rates of dropout.
    """

    def __init__(self, width: int, dropouts: Dropouts) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, _FFN_RATIO * width)
        self.fc2 = nn.Linear(_FFN_RATIO * width, width)
        self.activation_dropout = nn.Dropout(dropouts.activation)
        self.dropout = nn.Dropout(dropouts.hidden)
        self.norm = nn.LayerNorm(width)
        for layer in (self.fc1, self.fc2):
            nn.init.normal_(layer.weight, std=LINEAR_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:  # noqa: ARG002 - as all operations
        """Transform each token, add and normalise."""
        hidden = self.activation_dropout(F.gelu(self.fc1(x)))
        normed: Tensor = self.norm(x + self.dropout(self.fc2(hidden)))
        return normed


class SepConv(nn.Module):
    """Two separable convolutions, each added and normalised.

    Args:
        width: Of the tokens.
        dropouts: Rates of dropout.
        kernel_size: Odd.
    """

    def __init__(self, width: int, dropouts: Dropouts, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _SeparableConvolution(width, dropouts, kernel_size) for _ in range(2)
        )

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Convolve twice; padding counts as zero."""
        for layer in self.layers:
            x = layer(x, padding)
        return x


class _SeparableConvolution(nn.Module):
    def __init__(self, width: int, dropouts: Dropouts, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, kernel_size, padding=kernel_size // 2, groups=width
        )
        self.pointwise = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropouts.activation)
        self.norm = nn.LayerNorm(width)
        std = sqrt(4 * (1 - dropouts.hidden) / (kernel_size * width))
        for convolution in (self.depthwise, self.pointwise):
            nn.init.normal_(convolution.weight, std=std)
        if self.pointwise.bias is not None:
            nn.init.zeros_(self.pointwise.bias)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        channels = x.masked_fill(padding.unsqueeze(-1), 0).mT
        convolved = self.pointwise(self.depthwise(channels)).mT
        normed: Tensor = self.norm(x + self.dropout(F.gelu(convolved)))
        return normed


Operation: TypeAlias = Callable[[int, Dropouts], nn.Module]

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "mha": MultiHeadAttention,
        "ffn": FeedForward,
        "sepconv3": partial(SepConv, kernel_size=3),
        "sepconv5": partial(SepConv, kernel_size=5),
        "sepconv7": partial(SepConv, kernel_size=7),
    }
)
"""The operations by name."""
