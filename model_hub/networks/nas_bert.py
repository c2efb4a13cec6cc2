"""The networks of NAS-BERT: encoders of token ids (Xu et al. 2021, arXiv:2105.14444)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from model_hub.blocks.nas_bert import LINEAR_STD, OPERATIONS, Dropouts
from model_hub.blocks.self_attention import SelfAttention
from model_hub.errors import InvalidArgumentError

__all__ = ["NASBERTEncoder", "NASBERTNetwork"]


class NASBERTNetwork(nn.Module):
    """An encoder and a classifier of its first token.

    Args:
        encoder: Makes tokens of ids.
        num_labels: Classes.
        dropout_rate: Before the classifier.
    """

    def __init__(self, encoder: NASBERTEncoder, num_labels: int, *, dropout_rate: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(encoder.width, num_labels)
        _initialize(self.classifier)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of token ids (batch, tokens).

        `encoder` gives the tokens before the classifier.
        """
        logits: Tensor = self.classifier(self.dropout(self.encoder(ids)[:, 0]))
        return logits


class NASBERTEncoder(nn.Module):
    """The network without a classifier.

    Args:
        blocks: Width and names of operations of each block.
        vocabulary: How many token ids there are.
        embed_dim: Width of the embedding.
        max_length: Most ids of an input.
        padding_id: The id of padding.
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
        self.embedding = _embedding(vocabulary, embed_dim, padding_id)
        # A position is the number of ids up to it, padding apart, after the id of padding.
        self.positions = _embedding(max_length + padding_id + 1, embed_dim, padding_id)
        self.norm = nn.LayerNorm(embed_dim)
        self.projection = _projection(embed_dim, widths[0])
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection.weight)
        self.dropout = nn.Dropout(dropouts.hidden)
        before = (widths[0], *widths)
        self.blocks = nn.ModuleList(
            _Block(in_width, width, names, dropouts)
            for in_width, (width, names) in zip(before, blocks, strict=False)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return tokens (batch, tokens, width of the last block) of ids (batch, tokens).

        Raises:
            InvalidArgumentError: There are more ids than `max_length`.
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
        """Return the multiply-adds of the products of attention, which no layer shows."""
        attentions = (m for m in self.modules() if isinstance(m, SelfAttention))
        return sum(attention.product_macs(num_tokens) for attention in attentions)


class _Block(nn.Module):
    """Layers of one width, and what changes the width before them."""

    def __init__(self, in_width: int, width: int, names: Sequence[str], dropouts: Dropouts) -> None:
        super().__init__()
        self.projection = _projection(in_width, width)
        self.layers = nn.ModuleList(OPERATIONS[name](width, dropouts) for name in names)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        if self.projection is not None:
            x = self.projection(x)
        for layer in self.layers:
            x = layer(x, padding)
        return x


def _embedding(size: int, width: int, padding_id: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width, padding_idx=padding_id)
    nn.init.normal_(embedding.weight, std=LINEAR_STD)
    nn.init.zeros_(embedding.weight[padding_id])
    return embedding


def _projection(in_width: int, out_width: int) -> nn.Linear | None:
    """Make what changes a width, if it changes."""
    return None if in_width == out_width else _initialize(nn.Linear(in_width, out_width))


def _initialize(linear: nn.Linear) -> nn.Linear:
    nn.init.normal_(linear.weight, std=LINEAR_STD)
    nn.init.zeros_(linear.bias)
    return linear
