"""AutoFormer: vision transformers of searched widths (Chen et al. 2021, arXiv:2107.00651).

Choices are the depth, the width of all tokens and, for each block, the number of heads and the
hidden width of the two-layer perceptron. Every head is 64 wide, independent of the token width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from model_hub.arguments import (
    a_count,
    a_number,
    a_share,
    a_switch,
    check_each,
    distinct_numbers,
    one_of,
)
from model_hub.choices import Categorical, Choice, Sample, repeat
from model_hub.errors import InvalidArgumentError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing, View

if TYPE_CHECKING:
    from torch import nn

    from model_hub.spaces.autoformer_network import Block

__all__ = ["AutoFormer"]

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
"""Arguments that differ between the three published spaces."""
_HEAD_DIM: Final = 64
_PROJECTIONS: Final = ("q", "k", "v")
"""Layers of an attention whose biases a supernet stores as one, in this order."""


@dataclass(frozen=True, kw_only=True)
class AutoFormer(ModelSpace):
    """The AutoFormer space; the defaults are those of the tiny one, `of_size` creates the others.

    Args:
        search_embed_dim: Candidates for the width of the tokens.
        search_mlp_ratio: Candidates for the ratio of hidden width to token width.
        search_num_heads: Candidates for the number of heads.
        search_depth: Candidates for the number of blocks.
        img_size: Height and width of the images, a multiple of `patch_size`.
        patch_size: Height and width of a patch.
        in_channels: Number of channels of the images.
        num_labels: Number of classes.
        qkv_bias: Whether queries, keys and values have biases.
        drop_rate: Dropout rate after attention and in the perceptrons.
        attn_drop_rate: Dropout rate of the attention weights.
        drop_path_rate: Stochastic depth rate of the deepest block; it grows linearly from 0.
        pre_norm: Normalise the input of each branch instead of the sum after it.
        global_pooling: Classify the mean of the patch tokens instead of the class token.
        absolute_position: Add a learned vector to each position.
        qk_scale: Factor on the products of queries and keys; 64 ** -0.5 by default.
        rpe: Use relative position embeddings for keys and values.
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
        """Create one of the published spaces.

        Args:
            size: `tiny`, `small` or `base`.
            arguments: Further arguments; they override those of the size.

        Raises:
            InvalidArgumentError: The size is unknown, or an argument is invalid.
        """
        return cls(**{**_SIZES[one_of("size", size, tuple(_SIZES))], **arguments})

    def _check(self) -> None:
        for argument in ("search_embed_dim", "search_num_heads", "search_depth"):
            for value in distinct_numbers(argument, getattr(self, argument)):
                a_count(argument, value, most=1000 if argument == "search_depth" else 1 << 16)
        for ratio in distinct_numbers("search_mlp_ratio", self.search_mlp_ratio):
            a_number("search_mlp_ratio", ratio, least=0.01, most=1000)
        check_each(self, a_count, "patch_size", "in_channels", "num_labels")
        if a_count("img_size", self.img_size) % self.patch_size:
            raise InvalidArgumentError(
                "img_size", f"{self.img_size} is no multiple of patch_size {self.patch_size}"
            )
        check_each(self, a_share, "drop_rate", "attn_drop_rate", "drop_path_rate")
        check_each(
            self, a_switch, "qkv_bias", "pre_norm", "global_pooling", "absolute_position", "rpe"
        )
        if self.qk_scale is not None:
            a_number("qk_scale", self.qk_scale, least=1e-6, most=1e6)

    def accepted_input(self, shape: object, *, argument: str = "input_shape") -> tuple[int, ...]:
        """Return the only accepted input shape: every patch position has weights of its own.

        Raises:
            InvalidArgumentError: The shape differs.
        """
        if self._dimensions(shape, argument) != self.input_shape:
            raise InvalidArgumentError(
                argument,
                f"{shown(shape)} is not {list(self.input_shape)}; the argument img_size makes "
                "networks for other images",
            )
        return self.input_shape

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of `img_size` pixels per side."""
        return (self.in_channels, self.img_size, self.img_size)

    @property
    def most_blocks(self) -> int:
        """The largest candidate depth."""
        return max(self.search_depth)

    @property
    def sharing(self) -> Sharing:
        """Layers share entangled slices, as published; a smaller depth keeps the first blocks."""
        return Sharing(depths={"blocks": "depth"}, layer_sizes=self._layer_sizes, no_mixture=SLICED)

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        embed_dim = values["embed_dim"]
        yield "patch_embed", "channels", embed_dim
        for place in range(values["depth"]):
            block = f"blocks.{place}"
            yield f"{block}.attn", "heads", values[f"num_head_{place}"]
            yield f"{block}.attn.proj", "channels", embed_dim
            yield f"{block}.fc1", "channels", self._hidden(values, place)
            yield f"{block}.fc2", "channels", embed_dim

    def placed(self, values: Sample, name: str) -> tuple[str, View]:
        """Return where a tensor is stored; the biases of queries, keys and values share one tensor.

        The bias entries of the keys directly follow those of the queries, and the values' follow
        the keys', for any number of heads (Chen et al. 2021, arXiv:2107.00651, the authors' code).
        """
        *path, layer, tensor = ["", *name.split(".")]
        if tensor != "bias" or path[-1:] != ["attn"] or layer not in _PROJECTIONS:
            return name, View()
        width = values[f"num_head_{path[2]}"] * _HEAD_DIM
        start = _PROJECTIONS.index(layer) * width
        return ".".join((*path[1:], "qkv_bias")), View(start=start)

    def _hidden(self, values: Sample, place: int) -> int:
        """Return the hidden width of the perceptron of a block."""
        return max(1, int(values["embed_dim"] * values[f"mlp_ratio_{place}"]))

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

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.autoformer_network import AutoFormerNetwork

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
        from model_hub.spaces.autoformer_network import Block, RelativeAttention

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
                self._hidden(values, place),
                dropout_rate=self.drop_rate,
                drop_path_rate=self.drop_path_rate * place / max(1, max(self.search_depth) - 1),
                pre_norm=self.pre_norm,
            )
