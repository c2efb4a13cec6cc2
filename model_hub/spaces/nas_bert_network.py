"""The networks of NAS-BERT: encoders of token ids (Xu et al. 2021, arXiv:2105.14444).

Operations (Table 1 of the paper) take tokens (batch, tokens, width) and a padding mask (batch,
tokens). They return tokens of the same shape: the normalised sum of input and result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from types import MappingProxyType
from typing import Final, TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from model_hub.blocks.layers import SelfAttention, embedding
from model_hub.errors import InvalidArgumentError

__all__ = [
    "HEAD_DIM",
    "LINEAR_STD",
    "OPERATIONS",
    "Dropouts",
    "FeedForward",
    "MultiHeadAttention",
    "NASBERTBlock",
    "NASBERTEncoder",
    "NASBERTNetwork",
    "SepConv",
]

HEAD_DIM: Final = 64
"""Width of every head."""

LINEAR_STD: Final = 0.02
"""Standard deviation of the initial weights of linear layers and embeddings."""
_FFN_RATIO: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropouts:
    """Rates of dropout.

    Args:
        hidden: Outputs of attention and feed-forward layers, the embedded tokens and the head.
        attention: Attention weights.
        activation: Outputs of activations.
    """

    hidden: float = 0.1
    attention: float = 0.1
    activation: float = 0.0


class MultiHeadAttention(nn.Module):
    """Self-attention with heads of width 64.

    Args:
        width: Width of the tokens.
        dropouts: Rates of dropout.
    """

    def __init__(self, width: int, dropouts: Dropouts) -> None:
        super().__init__()
        self.attention = SelfAttention(width, width // HEAD_DIM, dropout_rate=dropouts.attention)
        self.dropout = nn.Dropout(dropouts.hidden)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Attend, add the input and normalise."""
        normed: Tensor = self.norm(x + self.dropout(self.attention(x, padding)))
        return normed


class FeedForward(nn.Module):
    """Two linear layers with four times the width between them, added to the input.

    Args:
        width: Width of the tokens.
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
        """Transform each token, add the input and normalise."""
        hidden = self.activation_dropout(F.gelu(self.fc1(x)))
        normed: Tensor = self.norm(x + self.dropout(self.fc2(hidden)))
        return normed


class SepConv(nn.Module):
    """Two separable convolutions, each followed by a residual connection and a norm.

    Args:
        width: Width of the tokens.
        dropouts: Rates of dropout.
        kernel_size: Kernel size, odd.
    """

    def __init__(self, width: int, dropouts: Dropouts, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _SeparableConvolution(width, dropouts, kernel_size) for _ in range(2)
        )

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Convolve twice, with padding set to zero before each convolution."""
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
"""Factories of the operations by name."""


class NASBERTNetwork(nn.Module):
    """A network of the NAS-BERT space: an encoder and a classifier of its first token.

    Args:
        encoder: Converts ids to tokens.
        num_labels: Number of classes.
        dropout_rate: Dropout rate before the classifier.
    """

    def __init__(self, encoder: NASBERTEncoder, num_labels: int, *, dropout_rate: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(encoder.width, num_labels)
        _initialize(self.classifier)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of token ids (batch, tokens).

        `encoder` alone returns the tokens before the classifier.
        """
        logits: Tensor = self.classifier(self.dropout(self.encoder(ids)[:, 0]))
        return logits


class NASBERTEncoder(nn.Module):
    """The encoder of a network, from token ids to tokens.

    Args:
        blocks: Width and operation names of each block.
        vocabulary: Number of token ids.
        embed_dim: Width of the embedding.
        max_length: Largest number of ids in an input.
        padding_id: Id of padding.
        dropouts: Rates of dropout.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, Sequence[str]]],
        *,
        vocabulary: int,
        embed_dim: int,
        max_length: int,
        padding_id: int,
        dropouts: Dropouts,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.padding_id = padding_id
        widths = [width for width, _ in blocks]
        self.width = widths[-1]
        embedded = partial(embedding, width=embed_dim, padding_id=padding_id, std=LINEAR_STD)
        self.embedding = embedded(vocabulary)
        # Positions start after the id of padding and do not count padding.
        self.positions = embedded(max_length + padding_id + 1)
        self.norm = nn.LayerNorm(embed_dim)
        self.projection = _projection(embed_dim, widths[0])
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection.weight)
        self.dropout = nn.Dropout(dropouts.hidden)
        before = (widths[0], *widths)
        self.blocks = nn.ModuleList(
            NASBERTBlock(in_width, width, names, dropouts)
            for in_width, (width, names) in zip(before, blocks, strict=False)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return tokens (batch, tokens, width of the last block) of ids (batch, tokens).

        Raises:
            InvalidArgumentError: The input has more ids than `max_length`.
        """
        if ids.shape[1] > self.max_length:
            raise InvalidArgumentError(
                "ids", f"{ids.shape[1]} are more than max_length {self.max_length}"
            )
        padding = ids == self.padding_id
        positions = (~padding).cumsum(1).masked_fill(padding, 0) + self.padding_id
        x: Tensor = self.norm(self.embedding(ids) + self.positions(positions))
        if self.projection is not None:
            x = self.projection(x)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, padding)
        return x

    def product_macs(self, num_tokens: int) -> int:
        """Return the multiply-adds of the products of attention, which belong to no layer."""
        attentions = (m for m in self.modules() if isinstance(m, SelfAttention))
        return sum(attention.product_macs(num_tokens) for attention in attentions)


class NASBERTBlock(nn.Module):
    """Layers of one width, after a projection if the width changes.

    Args:
        in_width: Width of the input tokens.
        width: Width of the layers.
        names: Operation names of the layers.
        dropouts: Rates of dropout.
    """

    def __init__(self, in_width: int, width: int, names: Sequence[str], dropouts: Dropouts) -> None:
        super().__init__()
        self.projection = _projection(in_width, width)
        self.layers = nn.ModuleList(OPERATIONS[name](width, dropouts) for name in names)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Transform tokens (batch, tokens, in_width) to (batch, tokens, width)."""
        if self.projection is not None:
            x = self.projection(x)
        for layer in self.layers:
            x = layer(x, padding)
        return x


def _projection(in_width: int, out_width: int) -> nn.Linear | None:
    """Create the projection between two widths, or None if they are equal."""
    return None if in_width == out_width else _initialize(nn.Linear(in_width, out_width))


def _initialize(linear: nn.Linear) -> nn.Linear:
    nn.init.normal_(linear.weight, std=LINEAR_STD)
    nn.init.zeros_(linear.bias)
    return linear
