"""AutoFormer: vision transformers of searched widths (Chen et al. 2021, arXiv:2107.00651).

One width for all tokens, and for each block the number of heads and the width of the two-layer
perceptron. A head is 64 wide whatever the tokens are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.blocks.drop_path import DropPath
from model_hub.blocks.relative_attention import Places, RelativeAttention, relative_places
from model_hub.choices import Categorical, Choice, Sample, repeat
from model_hub.errors import InvalidArgumentError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace

__all__ = ["AutoFormer", "AutoFormerNetwork", "Block"]

_SIZES: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = MappingProxyType(
    {
        "tiny": {
            "search_embed_dim": (192, 216, 240),
            "search_num_heads": (3, 4),
            "search_depth": (12, 13, 14),
        },
        "small": {
            "search_embed_dim": (320, 384, 448),
            "search_num_heads": (5, 6, 7),
            "search_depth": (12, 13, 14),
        },
        "base": {
            "search_embed_dim": (528, 576, 624),
            "search_num_heads": (8, 9, 10),
            "search_depth": (14, 15, 16),
        },
    }
)
"""What distinguishes the three published spaces."""

_TOKEN_STD: Final = 0.02
_SWITCHES: Final = ("qkv_bias", "pre_norm", "global_pooling", "absolute_position", "rpe")
_RATES: Final = ("drop_rate", "attn_drop_rate", "drop_path_rate")


@dataclass(frozen=True, kw_only=True)
class AutoFormer(ModelSpace):
    """The AutoFormer space; the defaults are the tiny one, `of_size` gives the others.

    Args:
        search_embed_dim: Candidates of the width of the tokens.
        search_mlp_ratio: Candidates of the hidden width over the width of the tokens.
        search_num_heads: Candidates of the number of heads.
        search_depth: Candidates of the number of blocks.
        img_size: Height and width of the images, a multiple of `patch_size`.
        patch_size: Height and width of a patch.
        in_channels: Channels of the images.
        num_labels: Classes.
        qkv_bias: Whether queries, keys and values have biases.
        drop_rate: Dropout after attention and in the perceptrons.
        attn_drop_rate: Dropout of the attention.
        drop_path_rate: Stochastic depth of the deepest block; it grows linearly from 0.
        pre_norm: Normalise what goes into a branch, not what comes out of the sum.
        global_pooling: Classify the mean of the patches, not the class token.
        absolute_position: Add a learned vector to each place.
        qk_scale: Factor of the products of queries and keys; 64 ** -0.5 by default.
        rpe: Use relative positions for keys and values.
    """

    search_embed_dim: tuple[int, ...] = _SIZES["tiny"]["search_embed_dim"]
    search_mlp_ratio: tuple[float, ...] = (3.0, 3.5, 4.0)
    search_num_heads: tuple[int, ...] = _SIZES["tiny"]["search_num_heads"]
    search_depth: tuple[int, ...] = _SIZES["tiny"]["search_depth"]
    img_size: int = 224
    patch_size: int = 16
    in_channels: int = 3
    num_labels: int = 1000
    qkv_bias: bool = True
    drop_rate: float = 0.0
    attn_drop_rate: float = 0.0
    drop_path_rate: float = 0.1
    pre_norm: bool = True
    global_pooling: bool = True
    absolute_position: bool = True
    qk_scale: float | None = None
    rpe: bool = True

    @classmethod
    def of_size(cls, size: str, **arguments: Any) -> Self:
        """Make one of the published spaces.

        Args:
            size: `tiny`, `small` or `base`.
            arguments: Further arguments, or other values for those of the size.

        Raises:
            InvalidArgumentError: There is no such size, or an argument cannot mean anything.
        """
        return cls(**{**_SIZES[one_of("size", size, tuple(_SIZES))], **arguments})

    def _check(self) -> None:
        for argument in ("search_embed_dim", "search_num_heads", "search_depth"):
            for value in _candidates(argument, getattr(self, argument)):
                a_count(argument, value, most=1000 if argument == "search_depth" else 1 << 16)
        for ratio in _candidates("search_mlp_ratio", self.search_mlp_ratio):
            a_number("search_mlp_ratio", ratio, least=0.01, most=1000)
        for argument in ("patch_size", "in_channels", "num_labels"):
            a_count(argument, getattr(self, argument))
        if a_count("img_size", self.img_size) % self.patch_size:
            raise InvalidArgumentError(
                "img_size", f"{self.img_size} is no multiple of patch_size {self.patch_size}"
            )
        for argument in _RATES:
            a_number(argument, getattr(self, argument), least=0, most=1)
        for argument in _SWITCHES:
            if not isinstance(value := getattr(self, argument), bool):
                raise InvalidArgumentError(argument, f"{shown(value)} is not True or False")
        if self.qk_scale is not None:
            a_number("qk_scale", self.qk_scale, least=1e-6, most=1e6)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Images of the size given."""
        return (self.in_channels, self.img_size, self.img_size)

    def _choices(self) -> SearchSpace:
        return SearchSpace(
            "AutoFormer",
            (
                Categorical("embed_dim", self.search_embed_dim),
                *repeat("depth", self.search_depth, self._block_choices),
            ),
        )

    def _block_choices(self, place: int) -> list[Choice]:
        return [
            Categorical(f"num_head_{place}", self.search_num_heads),
            Categorical(f"mlp_ratio_{place}", self.search_mlp_ratio),
        ]

    def _network(self, values: Sample) -> AutoFormerNetwork:
        return AutoFormerNetwork(
            self._blocks(values),
            values["embed_dim"],
            num_labels=self.num_labels,
            in_channels=self.in_channels,
            img_size=self.img_size,
            patch_size=self.patch_size,
            final_norm=self.pre_norm,
            global_pooling=self.global_pooling,
            absolute_position=self.absolute_position,
        )

    def _blocks(self, values: Sample) -> Iterator[Block]:
        embed_dim = values["embed_dim"]
        for place in range(values["depth"]):
            attention = RelativeAttention(
                embed_dim,
                values[f"num_head_{place}"],
                qkv_bias=self.qkv_bias,
                scale=self.qk_scale,
                dropout_rate=self.attn_drop_rate,
                max_distance=self.img_size // self.patch_size if self.rpe else None,
            )
            yield Block(
                attention,
                embed_dim,
                max(1, int(embed_dim * values[f"mlp_ratio_{place}"])),
                dropout_rate=self.drop_rate,
                drop_path_rate=self.drop_path_rate * place / max(1, max(self.search_depth) - 1),
                pre_norm=self.pre_norm,
            )


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
        self.head = nn.Linear(embed_dim, num_labels)

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
        self.fc1 = nn.Linear(embed_dim, hidden)
        self.activation = nn.GELU()
        self.fc2 = nn.Linear(hidden, embed_dim)
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


def _candidates(argument: str, values: object) -> tuple[Any, ...]:
    if not isinstance(values, tuple) or not values or len(set(values)) < len(values):
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of distinct numbers")
    return values
