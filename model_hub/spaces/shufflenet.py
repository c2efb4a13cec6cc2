"""ShuffleNetSpace: the choice blocks of Single Path One-Shot (Guo et al. 2020, arXiv:1904.00420).

A network has twenty ShuffleNet V2 blocks in four stages. Choices are the kernel size of each block,
or a longer Xception-like branch, and, with `channel_search`, the hidden width of the main branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from model_hub.arguments import a_count, a_switch, check_each
from model_hub.choices import Categorical, Choice, LayerChoice, Sample
from model_hub.data_sets import DATA_SETS
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ShuffleNetSpace"]

_KINDS: Final = ("k3", "k5", "k7", "xcep")
"""Names of the kinds of block."""

_HIDDEN_LAYERS: Final = {"k3": (0,), "k5": (0,), "k7": (0,), "xcep": (2, 7)}
"""Indices of the convolutions in the main branch whose output has the hidden width, by kind."""

_STEM_WIDTH: Final = 16
_STAGES: Final = ((4, 64), (4, 160), (8, 320), (4, 640))
"""Number of blocks and output channels of each stage; the first block has stride 2."""

_FIFTHS: Final = range(1, 9)
"""Candidate hidden widths, in fifths of half the output channels: factors 0.2 to 1.6."""


@dataclass(frozen=True, kw_only=True)
class ShuffleNetSpace(ModelSpace):
    """The space of Single Path One-Shot.

    Args:
        num_labels: Number of classes.
        channel_search: Search the hidden width of each block; if not, it is half the output width.
        affine: Whether norms after the stem have weights and biases; supernets usually have none.
    """

    num_labels: int = 1000
    channel_search: bool = False
    affine: bool = True

    input_shape = DATA_SETS["imagenet"].input_shape
    most_blocks = sum(blocks for blocks, _ in _STAGES)

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        check_each(self, a_switch, "channel_search", "affine")

    @property
    def sharing(self) -> Sharing:
        """Each kind of block of each place has separate weights, shared by its hidden widths."""
        slots = {f"features.{place}": f"layer_{place + 1}" for place in range(self.most_blocks)}
        if not self.channel_search:
            return Sharing(slots=slots)
        return Sharing(slots=slots, layer_sizes=self._layer_sizes, no_mixture=SLICED)

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        for place in range(self.most_blocks):
            kind, hidden = values[f"layer_{place + 1}"], values[f"channel_{place + 1}"]
            for layer in _HIDDEN_LAYERS[kind]:
                yield f"features.{place}.{kind}.branch_main.{layer}", "channels", hidden

    def _choices(self) -> SearchSpace:
        return SearchSpace("ShuffleNetSpace", tuple(self._all_choices()))

    def _all_choices(self) -> Iterator[Choice]:
        for number, (_, out_channels, _) in enumerate(_places(), start=1):
            yield LayerChoice(f"layer_{number}", _KINDS)
            if self.channel_search:
                widths = tuple(out_channels // 2 * fifths // 5 for fifths in _FIFTHS)
                yield Categorical(f"channel_{number}", widths)

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.spaces.shufflenet_network import ShuffleBlock, ShuffleNetNetwork

        norm = partial(nn.BatchNorm2d, affine=self.affine)
        return ShuffleNetNetwork(
            [
                ShuffleBlock(
                    in_channels,
                    out_channels,
                    values[f"layer_{number}"],
                    stride,
                    hidden=values.get(f"channel_{number}"),
                    norm=norm,
                )
                for number, (in_channels, out_channels, stride) in enumerate(_places(), start=1)
            ],
            stem_width=_STEM_WIDTH,
            num_labels=self.num_labels,
            norm=norm,
        )


def _places() -> Iterator[tuple[int, int, int]]:
    """Yield input channels, output channels and stride of each block."""
    in_channels = _STEM_WIDTH
    for blocks, out_channels in _STAGES:
        for place in range(blocks):
            yield in_channels, out_channels, 1 if place else 2
            in_channels = out_channels
