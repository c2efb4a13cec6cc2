"""MobileNetV3Space: inverted residuals of searched width, depth, kernel, expansion and SE gates.

The largest space of TuNAS (Bender et al. 2020, arXiv:2008.06120). It contains the networks of
MobileNetV3 (Howard et al. 2019, arXiv:1905.02244) and, with fixed widths and other settings, those
of Cream (Peng et al. 2020, arXiv:2010.15821).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from model_hub.arguments import (
    a_count,
    a_number,
    a_share,
    a_switch,
    check_each,
    counts,
    one_of,
)
from model_hub.choices import Categorical, Choice, LayerChoice, Sample, repeat
from model_hub.data_sets import DATA_SETS
from model_hub.errors import InvalidArgumentError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing

if TYPE_CHECKING:
    from torch import nn

    from model_hub.spaces.mobilenetv3_network import MobileBlock

__all__ = ["MobileNetV3Space"]

_ACTIVATIONS: Final = ("hswish", "relu", "swish")
_GATES: Final = ("force", "optional", "none")
_STEM_KERNELS: Final = (3, 5)
_KERNELS: Final = (3, 5, 7)
_FEWEST_BLOCKS: Final = 4
_LEAST_FACTOR: Final = 0.01
_LARGEST_FACTOR: Final = 100
_DEEPEST_STAGE: Final = 64
_FIRST_BLOCK: Final = "s0_i0"
_GATE_OF_FIRST: Final = 3
_GATE: Final = 6
"""Index of the gate in the first block and in the others, 3 after the depthwise convolution."""

DepthRange: TypeAlias = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class MobileNetV3Space(ModelSpace):
    """The MobileNetV3 space.

    With n + 1 widths there are n - 2 stages, 0 to n - 3. Stage 0 is one depthwise separable block;
    the others repeat inverted residuals, the first of which has the stride of the stage.

    Args:
        num_labels: Number of classes.
        base_widths: Output channels of the stem, of each stage, of the 1 x 1 convolution before the
            pooling and of that after it.
        width_multipliers: Candidate factors of each width, which is then rounded to a multiple of
            8; stem and stage 0 share one choice. A single number fixes all factors.
        expand_ratios: Candidate expansions.
        squeeze_excite: For each stage: always ("force"), never ("none") or a choice ("optional").
        depth_range: Smallest and largest number of blocks, for all stages from 1 or for each.
        stride: Stride for each width, 1 or 2.
        activation: Activation for each width, "hswish", "relu" or "swish".
        se_from_exp: Derive the reduced width of a gate from the hidden, not the input width.
        dropout_rate: Dropout rate before the classifier.
        bn_eps: Epsilon of every batch norm.
        bn_momentum: Momentum of every batch norm.
    """

    num_labels: int = 1000
    base_widths: tuple[int, ...] = (16, 16, 16, 32, 64, 128, 256, 512, 1024)
    width_multipliers: tuple[float, ...] | float = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0)
    expand_ratios: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    squeeze_excite: tuple[str, ...] = ("none", "none", "optional", "none", "optional", "optional")
    depth_range: tuple[DepthRange, ...] | DepthRange = (1, 4)
    stride: tuple[int, ...] = (2, 1, 2, 2, 2, 1, 2, 1, 1)
    activation: tuple[str, ...] = ("hswish", "relu", "relu", "relu", *("hswish",) * 5)
    se_from_exp: bool = True
    dropout_rate: float = 0.2
    bn_eps: float = 1e-3
    bn_momentum: float = 0.1

    input_shape = DATA_SETS["imagenet"].input_shape

    def _check(self) -> None:
        a_count("num_labels", self.num_labels)
        widths: Any = self.base_widths
        if not isinstance(widths, tuple) or len(widths) <= _FEWEST_BLOCKS:
            raise InvalidArgumentError(
                "base_widths",
                f"{shown(widths)} is not a list of at least {_FEWEST_BLOCKS + 1} integers",
            )
        counts("base_widths", widths, length=len(widths))
        multipliers = self.width_multipliers
        _factors("width_multipliers", multipliers if self._chooses_widths else (multipliers,))
        _factors("expand_ratios", self.expand_ratios)
        _each_one_of("squeeze_excite", self.squeeze_excite, _GATES, length=self.num_stages)
        _depth_ranges(self.depth_range, self.num_stages - 1)
        for stride in counts("stride", self.stride, length=len(widths)):
            a_count("stride", stride, most=2)
        _each_one_of("activation", self.activation, _ACTIVATIONS, length=len(widths))
        a_switch("se_from_exp", self.se_from_exp)
        check_each(self, a_share, "dropout_rate", "bn_eps", "bn_momentum")

    @property
    def num_stages(self) -> int:
        """Number of stages between the stem and the last two convolutions."""
        return len(self.base_widths) - 3

    @property
    def _chooses_widths(self) -> bool:
        return isinstance(self.width_multipliers, tuple)

    @property
    def most_blocks(self) -> int:
        """Number of stages times the largest depth of any stage."""
        return self.num_stages * max(
            most for _, most in _depth_ranges(self.depth_range, self.num_stages - 1)
        )

    @property
    def sharing(self) -> Sharing:
        """Layers share slices; a smaller depth keeps the first blocks, and gates can be skipped."""
        return Sharing(
            depths={f"blocks.{stage}": f"s{stage}_depth" for stage in range(1, self.num_stages)},
            layer_sizes=self._layer_sizes,
            no_mixture=SLICED,
        )

    def located(self, values: Sample, path: str) -> str:
        """Return the path that a layer would have if its block had a gate."""
        parts = path.split(".")
        is_first = parts[:2] == ["blocks", "0"]
        layer = 2 if is_first else 3
        if parts[0] != "blocks" or len(parts) <= layer:
            return path
        block = _FIRST_BLOCK if is_first else f"s{parts[1]}_i{parts[2]}"
        gate = _GATE_OF_FIRST if is_first else _GATE
        if values.get(f"{block}_se") == "identity" and int(parts[layer]) >= gate:
            parts[layer] = str(int(parts[layer]) + 1)
        return ".".join(parts)

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        widths = self._widths(values)
        yield "stem.0", "channels", widths[0]
        yield "stem.0", "kernel", values["stem_ks"]
        for stage in range(self.num_stages):
            before = widths[stage]
            for place, block in enumerate(self._blocks(stage, values)):
                path = f"blocks.{stage}.{place}" if stage else "blocks.0"
                yield from self._block_sizes(path, stage, block, before, widths[stage + 1])
                before = widths[stage + 1]
        yield f"blocks.{self.num_stages}.0", "channels", widths[-2]
        yield f"blocks.{self.num_stages + 2}.0", "channels", widths[-1]

    def _block_sizes(
        self, path: str, stage: int, block: MobileBlock, before: int, width: int
    ) -> Iterator[LayerSize]:
        from model_hub.blocks.mobile import SqueezeExcite, make_divisible

        hidden, gate = before, _GATE_OF_FIRST
        if block.expand_ratio is not None:
            hidden, gate = make_divisible(before * block.expand_ratio), _GATE
            yield f"{path}.0", "channels", hidden
        yield f"{path}.{gate - 3}", "kernel", block.kernel_size
        has_gate = self.squeeze_excite[stage] != "none"
        if has_gate:
            reduced = SqueezeExcite.reduced(hidden if self.se_from_exp else before)
            yield f"{path}.{gate}", "present", int(block.is_gated)
            yield f"{path}.{gate}.conv_reduce", "channels", reduced
            yield f"{path}.{gate}.conv_expand", "channels", hidden
        yield f"{path}.{gate + has_gate}", "channels", width

    def _widths(self, values: Sample) -> list[int]:
        """Return the widths of the stem, of each stage and of the last two convolutions."""
        from model_hub.blocks.mobile import make_divisible

        return [
            make_divisible(width * self._multiplier(max(place - 1, 0), values))
            for place, width in enumerate(self.base_widths)
        ]

    def _choices(self) -> SearchSpace:
        return SearchSpace(
            "MobileNetV3Space", tuple(self._all_choices()), tolerated=frozenset({"s0_depth"})
        )

    def _all_choices(self) -> Iterator[Choice]:
        yield from self._width_choice(0)
        yield Categorical("stem_ks", _STEM_KERNELS)
        yield Categorical(f"{_FIRST_BLOCK}_ks", _KERNELS)
        yield from self._gate_choice(0, _FIRST_BLOCK)
        depth_ranges = _depth_ranges(self.depth_range, self.num_stages - 1)
        for stage, (fewest, most) in enumerate(depth_ranges, start=1):
            depths = range(fewest, most + 1)
            yield from repeat(f"s{stage}_depth", depths, partial(self._block_choices, stage))
        yield from self._width_choice(self.num_stages)
        yield from self._width_choice(self.num_stages + 1)

    def _block_choices(self, stage: int, place: int) -> Iterator[Choice]:
        label = f"s{stage}_i{place}"
        yield Categorical(f"{label}_exp", tuple(map(float, self.expand_ratios)))
        yield Categorical(f"{label}_ks", _KERNELS)
        yield from self._gate_choice(stage, label)
        if place == 0:
            yield from self._width_choice(stage)

    def _gate_choice(self, stage: int, block: str) -> Iterator[Choice]:
        if self.squeeze_excite[stage] == "optional":
            yield LayerChoice(f"{block}_se", ("identity", "se"))

    def _width_choice(self, stage: int) -> Iterator[Choice]:
        if isinstance(self.width_multipliers, tuple):
            yield Categorical(_width_label(stage), tuple(map(float, self.width_multipliers)))

    def _network(self, values: Sample) -> nn.Module:
        from torch import nn

        from model_hub.spaces.mobilenetv3_network import (
            ACTIVATIONS,
            MobileLayer,
            MobileNetV3Network,
        )

        widths = self._widths(values)
        activations = [ACTIVATIONS[name] for name in self.activation]
        return MobileNetV3Network(
            [MobileLayer(*layer) for layer in zip(widths, self.stride, activations, strict=True)],
            [list(self._blocks(stage, values)) for stage in range(self.num_stages)],
            stem_kernel_size=values["stem_ks"],
            widths_are_chosen=self._chooses_widths,
            se_from_exp=self.se_from_exp,
            num_labels=self.num_labels,
            dropout_rate=self.dropout_rate,
            norm=partial(nn.BatchNorm2d, eps=self.bn_eps, momentum=self.bn_momentum),
        )

    def _multiplier(self, stage: int, values: Sample) -> float:
        if not isinstance(self.width_multipliers, tuple):
            return self.width_multipliers
        multiplier: float = values[_width_label(stage)]
        return multiplier

    def _blocks(self, stage: int, values: Sample) -> Iterator[MobileBlock]:
        from model_hub.spaces.mobilenetv3_network import MobileBlock

        for place in range(values.get(f"s{stage}_depth", 1)):
            label = f"s{stage}_i{place}"
            yield MobileBlock(
                kernel_size=values[f"{label}_ks"],
                expand_ratio=values.get(f"{label}_exp"),
                is_gated=self.squeeze_excite[stage] == "force" or values.get(f"{label}_se") == "se",
            )


def _width_label(stage: int) -> str:
    return f"s{stage}_width_mult"


def _depth_ranges(depth_range: Any, num_stages: int) -> tuple[DepthRange, ...]:
    """Return the smallest and largest number of blocks of each of `num_stages` stages."""
    is_one_pair = isinstance(depth_range, tuple) and all(isinstance(n, int) for n in depth_range)
    pairs = (depth_range,) * num_stages if is_one_pair else depth_range
    if not isinstance(pairs, tuple) or len(pairs) != num_stages:
        raise InvalidArgumentError(
            "depth_range", f"{shown(depth_range)} is neither one pair nor {num_stages} pairs"
        )
    return tuple(_depth_pair(pair) for pair in pairs)


def _depth_pair(pair: Any) -> DepthRange:
    fewest, most = counts("depth_range", pair, length=2)
    a_count("depth_range", most, least=fewest, most=_DEEPEST_STAGE)
    return fewest, most


def _factors(argument: str, values: Any) -> None:
    """Refuse values that are not a list of distinct positive factors."""
    if not isinstance(values, tuple) or not values:
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of numbers")
    numbers = [a_number(argument, v, least=_LEAST_FACTOR, most=_LARGEST_FACTOR) for v in values]
    if len(set(numbers)) < len(numbers):
        raise InvalidArgumentError(argument, f"{shown(values)} are not distinct")


def _each_one_of(argument: str, values: Any, allowed: Sequence[str], *, length: int) -> None:
    """Refuse values that are not a list of `length` allowed names."""
    if not isinstance(values, tuple) or len(values) != length:
        raise InvalidArgumentError(argument, f"{shown(values)} is not a list of {length} names")
    for value in values:
        one_of(argument, value, allowed)
