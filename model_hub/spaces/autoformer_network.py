"""The networks of AutoFormer: vision transformers (Chen et al. 2021, arXiv:2107.00651).

Self-attention uses relative positions of image patches (Shaw et al. 2018, arXiv:1803.02155). The
embedding of a query-key pair is the sum of a vector for their distance in rows and a vector for
their distance in columns. It is never computed for all pairs of
patches: the first vector is the same for all keys of a row, the second for all keys of a column, so
products with the rows and the columns of the grid are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from model_hub.blocks.layers import DropPath, Linear

__all__ = [
    "HEAD_DIM",
    "AutoFormerNetwork",
    "Block",
    "ClassToken",
    "Positions",
    "RelativeAttention",
    "RelativePosition",
    "TableIndices",
    "relative_indices",
]

HEAD_DIM: Final = 64
"""Width of every head, independent of the token width."""

_TABLE_STD: Final = 0.02

TableIndices: TypeAlias = tuple[Tensor, Tensor]
"""Indices into the embedding tables for each pair of rows, and for each pair of columns.

Token 0 is the class token; the patch tokens follow row by row.
"""

_TOKEN_STD: Final = 0.02


def relative_indices(size: int, max_distance: int, device: torch.device) -> Tensor:
    """Return the table index of the distance of each query (first axis) to each key on a line.

    Args:
        size: Number of rows, or of columns.
        max_distance: Larger distances are clamped to this one.
        device: Device of the result.
    """
    line = torch.arange(size, device=device)
    distances = line - line.unsqueeze(1)
    return distances.clamp(-max_distance, max_distance) + max_distance + 1


class RelativePosition(nn.Module):
    """Relative position embeddings for pairs of tokens.

    Row 0 of both tables is for pairs with the class token, row `max_distance + 1` for distance 0.

    Args:
        max_distance: Larger distances in rows or columns are clamped to this one.
    """

    def __init__(self, max_distance: int) -> None:
        super().__init__()
        shape = (2 * max_distance + 2, HEAD_DIM)
        self.embeddings_table_v = nn.Parameter(torch.empty(shape))
        self.embeddings_table_h = nn.Parameter(torch.empty(shape))
        for table in self.parameters():
            nn.init.trunc_normal_(table, std=_TABLE_STD)

    def score(self, queries: Tensor, indices: TableIndices) -> Tensor:
        """Return the product of each query with the position embedding of each key.

        Args:
            queries: (batch, heads, tokens, width).
            indices: Table indices of the distances of the patches.

        Returns:
            (batch, heads, tokens, tokens).
        """
        vertical, horizontal, to_class = self._relations(indices)
        rows, columns = vertical.shape[0], horizontal.shape[0]
        patches = queries[:, :, 1:].reshape(*queries.shape[:2], rows, columns, -1)
        by_row = torch.einsum("bhrcd,rkd->bhrck", patches, vertical)
        by_column = torch.einsum("bhrcd,cld->bhrcl", patches, horizontal)
        among_patches = (by_row.unsqueeze(-1) + by_column.unsqueeze(-2)).flatten(4).flatten(2, 3)
        with_class = queries @ to_class.unsqueeze(-1)
        of_class = with_class[:, :, :1].expand(-1, -1, -1, queries.shape[2])
        of_patches = torch.cat((with_class[:, :, 1:], among_patches), -1)
        return torch.cat((of_class, of_patches), 2)

    def gather(self, attention: Tensor, indices: TableIndices) -> Tensor:
        """Return the sum of the position embeddings of the keys, weighted by the attention.

        Args:
            attention: (batch, heads, tokens, tokens).
            indices: Table indices of the distances of the patches.

        Returns:
            (batch, heads, tokens, width).
        """
        vertical, horizontal, to_class = self._relations(indices)
        rows, columns = vertical.shape[0], horizontal.shape[0]
        patches = attention[:, :, 1:, 1:].reshape(
            *attention.shape[:2], rows, columns, rows, columns
        )
        by_row = torch.einsum("bhrck,rkd->bhrcd", patches.sum(-1), vertical)
        by_column = torch.einsum("bhrcl,cld->bhrcd", patches.sum(-2), horizontal)
        of_class = attention[:, :, :1].sum(-1, keepdim=True)
        with_class = torch.cat((of_class, attention[:, :, 1:, :1]), 2)
        return with_class * to_class + F.pad((by_row + by_column).flatten(2, 3), (0, 0, 1, 0))

    def _relations(self, indices: TableIndices) -> tuple[Tensor, Tensor, Tensor]:
        """Return the embeddings of row pairs, of column pairs and of the class token."""
        vertical, horizontal = self.embeddings_table_v, self.embeddings_table_h
        return vertical[indices[0]], horizontal[indices[1]], vertical[0] + horizontal[0]


class RelativeAttention(nn.Module):
    """Multi-head self-attention with optional relative positions for keys and values.

    Args:
        embed_dim: Width of the tokens.
        num_heads: Number of heads, each of width 64.
        qkv_bias: Whether queries, keys and values have biases.
        scale: Factor on the products of queries and keys; 64 ** -0.5 by default.
        dropout_rate: Dropout rate of the attention weights.
        max_distance: Largest relative distance; None disables relative positions.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        qkv_bias: bool = True,
        scale: float | None = None,
        dropout_rate: float = 0.0,
        max_distance: int | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = HEAD_DIM**-0.5 if scale is None else scale
        width = num_heads * HEAD_DIM
        self.q = Linear(embed_dim, width, bias=qkv_bias)
        self.k = Linear(embed_dim, width, bias=qkv_bias)
        self.v = Linear(embed_dim, width, bias=qkv_bias)
        self.dropout = nn.Dropout(dropout_rate)
        self.proj = Linear(width, embed_dim)
        self.rel_pos_embed_k = None if max_distance is None else RelativePosition(max_distance)
        self.rel_pos_embed_v = None if max_distance is None else RelativePosition(max_distance)

    def forward(self, x: Tensor, indices: TableIndices) -> Tensor:
        """Attend among tokens (batch, 1 + rows x columns, embed_dim)."""
        queries, keys, values = self._projected(x)
        scores = queries @ keys.mT
        if self.rel_pos_embed_k is not None:
            scores = scores + self.rel_pos_embed_k.score(queries, indices)
        attention = self.dropout((scores * self.scale).softmax(-1))
        attended = attention @ values
        if self.rel_pos_embed_v is not None:
            attended = attended + self.rel_pos_embed_v.gather(attention, indices)
        projected: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return projected

    def product_macs(self, num_tokens: int) -> int:
        """Return the multiply-adds of products of two activations, which belong to no layer.

        These are queries times keys and attention times values, and as many again for relative
        positions, as if embeddings were computed for each pair.
        """
        products = 2 if self.rel_pos_embed_k is None else 4
        return products * num_tokens**2 * self.num_heads * HEAD_DIM

    def _projected(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values (batch, heads, tokens, 64)."""
        return tuple(
            project(x).view(*x.shape[:2], self.num_heads, HEAD_DIM).transpose(1, 2)
            for project in (self.q, self.k, self.v)
        )


class AutoFormerNetwork(nn.Module):
    """A network of the AutoFormer space.

    Args:
        blocks: The blocks, first to last.
        embed_dim: Width of the tokens.
        num_labels: Number of classes.
        in_channels: Number of channels of the images.
        img_size: Height and width of the images.
        patch_size: Height and width of a patch.
        final_norm: Whether the last tokens are normalised.
        global_pooling: Classify the mean of the patch tokens instead of the class token.
        absolute_position: Add a learned vector to each position.
    """

    def __init__(  # noqa: PLR0913 - most are keyword-only
        self,
        blocks: Iterator[Block] | Sequence[Block],
        embed_dim: int,
        *,
        num_labels: int,
        in_channels: int = 3,
        img_size: int = 224,
        patch_size: int = 16,
        final_norm: bool = True,
        global_pooling: bool = True,
        absolute_position: bool = True,
    ) -> None:
        super().__init__()
        self.side = img_size // patch_size
        self.global_pooling = global_pooling
        self.patch_embed = nn.Conv2d(in_channels, embed_dim, patch_size, patch_size)
        self.cls_token = ClassToken(embed_dim)
        self.pos_embed = Positions(1 + self.side**2, embed_dim) if absolute_position else None
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(embed_dim) if final_norm else None
        self.head = Linear(embed_dim, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, channels, height, width).

        Without absolute positions, images of other sizes are accepted as well.
        """
        patches = self.patch_embed(x)
        rows, columns = (relative_indices(n, self.side, x.device) for n in patches.shape[2:])
        tokens = self.cls_token(patches.flatten(2).mT)
        if self.pos_embed is not None:
            tokens = self.pos_embed(tokens)
        for block in self.blocks:
            tokens = block(tokens, (rows, columns))
        if self.norm is not None:
            tokens = self.norm(tokens)
        logits: Tensor = self.head(tokens[:, 1:].mean(1) if self.global_pooling else tokens[:, 0])
        return logits

    def product_macs(self) -> int:
        """Return the multiply-adds per image in products of two activations.

        These are the products of attention, which the layers of a profile do not contain.
        """
        attentions = (m for m in self.modules() if isinstance(m, RelativeAttention))
        return sum(attention.product_macs(1 + self.side**2) for attention in attentions)


class Block(nn.Module):
    """Attention and a perceptron of two layers, each with a residual connection.

    Args:
        attention: Takes tokens and the table indices of their distances.
        embed_dim: Width of the tokens.
        hidden: Hidden width of the perceptron.
        dropout_rate: Dropout rate after attention and after each layer of the perceptron.
        drop_path_rate: Probability that a branch is dropped in training.
        pre_norm: Normalise the input of each branch instead of the sum after it.
    """

    def __init__(
        self,
        attention: RelativeAttention,
        embed_dim: int,
        hidden: int,
        *,
        dropout_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        pre_norm: bool = True,
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.attn = attention
        self.attn_layer_norm = nn.LayerNorm(embed_dim)
        self.ffn_layer_norm = nn.LayerNorm(embed_dim)
        self.fc1 = Linear(embed_dim, hidden)
        self.activation = nn.GELU()
        self.fc2 = Linear(hidden, embed_dim)
        self.dropout = nn.Dropout(dropout_rate)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, indices: TableIndices) -> Tensor:
        """Transform tokens (batch, 1 + rows x columns, embed_dim)."""
        if self.pre_norm:
            x = x + self._attention_branch(self.attn_layer_norm(x), indices)
            return x + self._mlp_branch(self.ffn_layer_norm(x))
        x = self.attn_layer_norm(x + self._attention_branch(x, indices))
        normed: Tensor = self.ffn_layer_norm(x + self._mlp_branch(x))
        return normed

    def _attention_branch(self, x: Tensor, indices: TableIndices) -> Tensor:
        branch: Tensor = self.drop_path(self.dropout(self.attn(x, indices)))
        return branch

    def _mlp_branch(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.fc1(x)))
        branch: Tensor = self.drop_path(self.dropout(self.fc2(hidden)))
        return branch


class ClassToken(nn.Module):
    """Prepends a learned class token."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        nn.init.trunc_normal_(self.cls_token, std=_TOKEN_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Prepend the token to tokens (batch, tokens, embed_dim)."""
        return torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)


class Positions(nn.Module):
    """Adds a learned vector to each position."""

    def __init__(self, num_tokens: int, embed_dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, num_tokens, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=_TOKEN_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Add the vectors to tokens (batch, tokens, embed_dim)."""
        return x + self.pos_embed
