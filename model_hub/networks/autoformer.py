"""The networks of AutoFormer: vision transformers (Chen et al. 2021, arXiv:2107.00651)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from model_hub.blocks.drop_path import DropPath
from model_hub.blocks.linear import Linear
from model_hub.blocks.relative_attention import Places, RelativeAttention, relative_places

__all__ = ["AutoFormerNetwork", "Block"]

_TOKEN_STD: Final = 0.02


class AutoFormerNetwork(nn.Module):
    """A network of the space.

    Args:
        blocks: The blocks, first to last.
        embed_dim: Width of the tokens.
        num_labels: Classes.
        in_channels: Channels of the images.
        img_size: Height and width of the images.
        patch_size: Height and width of a patch.
        final_norm: Whether the last tokens are normalised.
        global_pooling: Classify the mean of the patches, not the class token.
        absolute_position: Add a learned vector to each place.
    """

    def __init__(  # noqa: PLR0913 - keyword-only from the third on
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
        self.cls_token = _ClassToken(embed_dim)
        self.pos_embed = _Positions(1 + self.side**2, embed_dim) if absolute_position else None
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(embed_dim) if final_norm else None
        self.head = Linear(embed_dim, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images (batch, channels, height, width).

        Without absolute positions, images of other sizes are taken, too.
        """
        patches = self.patch_embed(x)
        rows, columns = (relative_places(n, self.side, x.device) for n in patches.shape[2:])
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
        """Return the multiply-adds of an image in products of two activations.

        These are the products of attention, which the layers of a profile do not show.
        """
        attentions = (m for m in self.modules() if isinstance(m, RelativeAttention))
        return sum(attention.product_macs(1 + self.side**2) for attention in attentions)


class Block(nn.Module):
    """Attention and a perceptron of two layers, each added to what goes into it.

    Args:
        attention: Takes tokens and the places of their distances.
        embed_dim: Width of the tokens.
        hidden: Width between the layers of the perceptron.
        dropout_rate: After attention and after each layer of the perceptron.
        drop_path_rate: Probability that a branch is left out in training.
        pre_norm: Normalise what goes into a branch, not what comes out of the sum.
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

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Transform tokens (batch, 1 + rows x columns, embed_dim)."""
        if self.pre_norm:
            x = x + self._attended(self.attn_layer_norm(x), places)
            return x + self._perceived(self.ffn_layer_norm(x))
        x = self.attn_layer_norm(x + self._attended(x, places))
        normed: Tensor = self.ffn_layer_norm(x + self._perceived(x))
        return normed

    def _attended(self, x: Tensor, places: Places) -> Tensor:
        branch: Tensor = self.drop_path(self.dropout(self.attn(x, places)))
        return branch

    def _perceived(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.fc1(x)))
        branch: Tensor = self.drop_path(self.dropout(self.fc2(hidden)))
        return branch


class _ClassToken(nn.Module):
    """A learned token before all others."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        nn.init.trunc_normal_(self.cls_token, std=_TOKEN_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Prepend the token to tokens (batch, tokens, embed_dim)."""
        return torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1)


class _Positions(nn.Module):
    """A learned vector for each place."""

    def __init__(self, num_tokens: int, embed_dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, num_tokens, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=_TOKEN_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Add the vectors to tokens (batch, tokens, embed_dim)."""
        return x + self.pos_embed
