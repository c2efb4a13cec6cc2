"""ProxylessNAS: mobile networks of inverted residuals (Cai et al. 2019, arXiv:1812.00332).

A network has a stem, a fixed block, five stages of one to four blocks and a last block. Kernel and
expansion of each block are searched; only the first block of a stage changes width and resolution.
The paper skips blocks by a zero operation; a depth for each stage yields the same networks here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from model_hub.arguments import a_count, a_number, a_share, check_each, counts
from model_hub.choices import Choice, LayerChoice, Sample, repeat
from model_hub.data_sets import DATA_SETS
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ProxylessNAS"]

_BLOCKS: Final = {
    f"k{kernel_size}e{expand_ratio}": (kernel_size, expand_ratio)
    for expand_ratio in (3, 6)
    for kernel_size in (3, 5, 7)
}
"""Kernel size and expansion of each candidate block, in the order of grid search."""

_STAGES: Final = (2, 3, 4, 5, 6)
"""The stages with a searched depth."""

_DEPTHS: Final = (1, 2, 3, 4)
_LAST_STAGE: Final = 7
_NUM_WIDTHS: Final = 9


@dataclass(frozen=True, kw_only=True)
class ProxylessNAS(ModelSpace):
    """The ProxylessNAS space.

    Args:
        num_labels: Number of classes.
        base_widths: Output channels of the stem, of stages 1 to 7 and of the last convolution.
        dropout_rate: Dropout rate before the classifier.
        width_mult: Factor on all widths, which are then rounded to multiples of 8.
        bn_eps: Epsilon of every batch norm.
        bn_momentum: Momentum of every batch norm.
    """

    num_labels: int = 1000
    base_widths: tuple[int, ...] = (32, 16, 32, 40, 80, 96, 192, 320, 1280)
    dropout_rate: float = 0.0
    width_mult: float = 1.0
    bn_eps: float = 1e-3
    bn_momentum: float = 0.1

    input_shape = DATA_SETS["imagenet"].input_shape
    most_blocks = 1 + len(_STAGES) * max(_DEPTHS) + 1
    """All stages at their largest depth, the fixed block and the last block."""

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        counts("base_widths", self.base_widths, length=_NUM_WIDTHS)
        a_number("width_mult", self.width_mult, least=0.01, most=100)
        check_each(self, a_share, "dropout_rate", "bn_eps", "bn_momentum")

    @property
    def sharing(self) -> Sharing:
        """Each candidate block of each place has separate weights."""
        stages = {stage: f"blocks.{stage - 1}" for stage in _STAGES}
        places = {
            f"{path}.{place}": f"s{stage}_i{place}"
            for stage, path in stages.items()
            for place in range(max(_DEPTHS))
        }
        return Sharing(
            slots={**places, f"blocks.{_LAST_STAGE - 1}": f"s{_LAST_STAGE}_i0"},
            depths={path: f"s{stage}_depth" for stage, path in stages.items()},
        )

    def _choices(self) -> SearchSpace:
        return SearchSpace(
            "ProxylessNAS",
            (*_stage_choices(), *_block_choices(_LAST_STAGE, 0)),
            tolerated=frozenset({f"s{_LAST_STAGE}_depth"}),
        )

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.blocks.mobile import make_divisible
        from model_hub.spaces.proxylessnas_network import ProxylessNASNetwork

        stages = [
            [_BLOCKS[values[f"s{stage}_i{i}"]] for i in range(values[f"s{stage}_depth"])]
            for stage in _STAGES
        ]
        return ProxylessNASNetwork(
            [make_divisible(width * self.width_mult) for width in self.base_widths],
            stages,
            _BLOCKS[values[f"s{_LAST_STAGE}_i0"]],
            num_labels=self.num_labels,
            dropout_rate=self.dropout_rate,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )


def _stage_choices() -> Iterator[Choice]:
    for stage in _STAGES:
        yield from repeat(f"s{stage}_depth", _DEPTHS, partial(_block_choices, stage))


def _block_choices(stage: int, place: int) -> list[Choice]:
    return [LayerChoice(f"s{stage}_i{place}", tuple(_BLOCKS))]
