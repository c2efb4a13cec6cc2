"""The NDS families without cells: plain, ResNet and ResNeXt networks of stages of equal blocks.

"On Network Design Spaces for Visual Recognition" (Radosavovic et al. 2019, arXiv:1905.13214)
samples them by the depth and width of each stage; the stems are those of its code. Formulas give
the parameter counts without PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from model_hub.arguments import a_count, a_number, counts, one_of
from model_hub.choices import Categorical, Choice, Derived, Sample
from model_hub.data_sets import DATA_SETS
from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, LayerSize, Sharing
from model_hub.spaces.nds_stage_sizes import STEMS, Stage, num_parameters

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ResidualBasic", "ResidualBottleneck", "StageSpace", "Vanilla"]

_MOST_DEPTH: Final = 1000
_MOST_STAGES: Final = 20
_MOST_STRIDE: Final = 8
_MOST_MULTIPLIER: Final = 16

_DEPTHS: Final = ((1, 2, 4, 8, 12, 16),) * 3
_WIDTHS: Final = ((16, 24, 32, 40, 64, 128),) * 3


@dataclass(frozen=True, kw_only=True)
class StageSpace(ModelSpace):
    """Base of the three families, whose networks have a stem and stages of equal blocks.

    Each entry of a list is the value of a stage or a list of candidates. The default candidates
    resemble the sizes of the published networks; they are not the grid of the paper.

    Args:
        stem_width: Channels of the stem, or candidates.
        depths: Number of blocks of each stage after the stem.
        widths: Channels of each stage.
        strides: Stride of the first block of each stage; candidates are not supported.
        num_labels: Number of classes.
        stem: `cifar`, a 3x3 convolution of stride 1; for ImageNet, `resnet`, a 7x7 convolution of
            stride 2 and a max pooling, or `simple`, a 3x3 convolution of stride 2. The tables do
            not say which of the two their ImageNet networks have; `model_hub.build` finds out from
            the parameter count of a row.
    """

    family: ClassVar[str]
    """Name of the family in `FAMILIES`."""

    stem_width: int | tuple[int, ...] = 16
    depths: tuple[int | tuple[int, ...], ...] = _DEPTHS
    widths: tuple[int | tuple[int, ...], ...] = _WIDTHS
    strides: tuple[int, ...] = (1, 2, 2)
    num_labels: int = 10
    stem: str = "cifar"

    def _check(self) -> None:
        one_of("stem", self.stem, tuple(STEMS))
        _check_each(self, "depths", most=_MOST_DEPTH)
        _check_each(self, "widths")
        for stride in counts("strides", self.strides, length=len(self.depths)):
            a_count("strides", stride, most=_MOST_STRIDE)
        for width in _alternatives(self.stem_width):
            a_count("stem_width", width)
        a_count("num_labels", self.num_labels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of the data set of the stem."""
        return DATA_SETS[STEMS[self.stem].dataset].input_shape

    @property
    def most_blocks(self) -> int:
        """Sum of the largest depths of all stages."""
        return sum(max(_alternatives(depth)) for depth in self.depths)

    @property
    def sharing(self) -> Sharing:
        """Layers share slices; a smaller depth keeps the first blocks."""
        return Sharing(
            depths={
                f"stages.{stage}": f"s{stage + 1}_depth"
                for stage, depth in enumerate(self.depths)
                if isinstance(depth, tuple)
            },
            layer_sizes=self._layer_sizes,
            no_mixture=SLICED,
        )

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        every = self._arguments() | dict(values)
        before = every["s0_width"]
        yield "stem", "channels", before
        for place, stage in enumerate(self._stages(every)):
            yield f"stages.{place}", "channels", stage.width
            if self.family != "vanilla":
                projects = stage.stride != 1 or before != stage.width
                yield f"stages.{place}.0.shortcut", "present", int(projects)
            before = stage.width

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield the widest network, with a projection in each block that may need one."""
        yield {}, self._widest({})

    def _widest(self, groups: Sample) -> nn.Module:
        """Return the widest and deepest network, with the given groups of the stages."""
        from model_hub.spaces.nds_stages_network import BLOCKS, StageNetwork, projection

        every = {label: max(_alternatives(given)) for label, given in self._arguments().items()}
        every |= groups
        stages = [
            replace(stage, inner_width=_inner(every, place))
            for place, stage in enumerate(self._stages(every), start=1)
        ]
        network = StageNetwork(
            BLOCKS[self.family],
            every["s0_width"],
            stages,
            num_labels=self.num_labels,
            stem=STEMS[self.stem],
        )
        before = self.stem_width
        for place, stage in enumerate(stages):
            may_differ = {*_alternatives(before), *_alternatives(self.widths[place])}
            path = f"stages.{place}.0.shortcut"
            if self.family != "vanilla" and len(may_differ) > 1:
                wide = max(_alternatives(before))
                network.set_submodule(path, projection(wide, stage.width, stage.stride))
            before = self.widths[place]
        return network

    def _choices(self) -> SearchSpace:
        return SearchSpace(type(self).__name__, tuple(self._all_choices()), tuple(self._derived()))

    def _all_choices(self) -> Iterator[Choice]:
        for label, given in self._arguments().items():
            if isinstance(given, tuple):
                yield Categorical(label, given)

    def _arguments(self) -> dict[str, Any]:
        """Return the value or the candidates of every label."""
        arguments: dict[str, Any] = {"s0_width": self.stem_width}
        for stage in range(1, len(self.depths) + 1):
            arguments |= {f"s{stage}_{name}": v for name, v in self._of_stage(stage - 1).items()}
        return arguments

    def _of_stage(self, place: int) -> dict[str, Any]:
        return {"depth": self.depths[place], "width": self.widths[place]}

    def _derived(self) -> Iterator[Derived]:
        yield from ()

    def num_parameters(self, sample: object) -> int:
        """Return the number of parameters of the network of a sample, without PyTorch.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        values = self._arguments() | self.choices.resolve(sample)
        return num_parameters(
            self.family,
            values["s0_width"],
            self._stages(values),
            num_labels=self.num_labels,
            stem=STEMS[self.stem],
        )

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.nds_stages_network import BLOCKS, StageNetwork

        all_values = self._arguments() | dict(values)
        return StageNetwork(
            BLOCKS[self.family],
            all_values["s0_width"],
            self._stages(all_values),
            num_labels=self.num_labels,
            stem=STEMS[self.stem],
        )

    def _stages(self, all_values: Sample) -> list[Stage]:
        return [
            Stage(
                depth=all_values[f"s{stage}_depth"],
                width=all_values[f"s{stage}_width"],
                stride=stride,
                inner_width=all_values.get(f"s{stage}_inner_width", 0),
                groups=all_values.get(f"s{stage}_groups", 1),
            )
            for stage, stride in enumerate(self.strides, start=1)
        ]


class Vanilla(StageSpace):
    """Plain networks: pairs of 3x3 convolutions without shortcuts."""

    family = "vanilla"


class ResidualBasic(StageSpace):
    """ResNets of basic blocks: pairs of 3x3 convolutions with shortcuts."""

    family = "residual_basic"


@dataclass(frozen=True, kw_only=True)
class ResidualBottleneck(StageSpace):
    """ResNets of bottleneck blocks and, with groups, ResNeXts.

    Args:
        multipliers: Ratio of the 3x3 convolutions' width to that of the stage, for each stage.
        groups: Number of groups of the 3x3 convolutions of each stage; it must divide their width.
    """

    family = "residual_bottleneck"

    multipliers: tuple[float | tuple[float, ...], ...] = ((0.25, 0.5, 1.0),) * 3
    groups: tuple[int | tuple[int, ...], ...] = ((1, 2, 4),) * 3

    def _check(self) -> None:
        super()._check()
        _check_each(self, "groups")
        _check_length(self, "multipliers")
        for entry in self.multipliers:
            for multiplier in _alternatives(entry):
                a_number("multipliers", multiplier, least=0, most=_MOST_MULTIPLIER)

    def _of_stage(self, place: int) -> dict[str, Any]:
        own = {"multiplier": self.multipliers[place], "groups": self.groups[place]}
        return super()._of_stage(place) | own

    @property
    def sharing(self) -> Sharing:
        """Layers share slices; grouped convolutions have separate weights for each group count.

        A convolution with fewer groups has more inputs per group: neither is a slice of the other.
        """
        return replace(
            super().sharing,
            slots={
                f"stages.{stage}.{place}.layers.3": f"s{stage + 1}_groups"
                for stage, groups in enumerate(self.groups)
                if isinstance(groups, tuple)
                for place in range(max(_alternatives(self.depths[stage])))
            },
        )

    def _layer_sizes(self, values: Sample) -> Iterator[LayerSize]:
        yield from super()._layer_sizes(values)
        every = self._arguments() | dict(values)
        for stage, sizes in enumerate(self._stages(every)):
            for place in range(sizes.depth):
                yield f"stages.{stage}.{place}.layers.0", "channels", sizes.inner_width
                yield f"stages.{stage}.{place}.layers.3", "channels", sizes.inner_width

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield one widest network for each position in the lists of group candidates."""
        for rank in range(max(len(_alternatives(entry)) for entry in self.groups)):
            values = {}
            for stage, entry in enumerate(self.groups, start=1):
                candidates = _alternatives(entry)
                values[f"s{stage}_groups"] = candidates[min(rank, len(candidates) - 1)]
            yield values, self._widest(values)

    def _derived(self) -> Iterator[Derived]:
        for stage in range(1, len(self.depths) + 1):
            yield Derived(f"s{stage}_inner_width", partial(self._inner_width, stage))

    def _inner_width(self, stage: int, sample: Sample) -> int:
        """Return the width of the 3x3 convolutions of a stage.

        Raises:
            InvalidSampleError: The width is 0, or not a multiple of the number of groups.
        """
        values = self._arguments() | dict(sample)
        inner: int = round(values[f"s{stage}_width"] * values[f"s{stage}_multiplier"])
        groups = values[f"s{stage}_groups"]
        if inner < 1 or inner % groups:
            raise InvalidSampleError(
                f"s{stage}_inner_width", f"{groups} groups do not divide {inner} channels"
            )
        return inner


def _inner(values: Sample, stage: int) -> int:
    """Return the inner width of a stage, rounded up to a multiple of its groups."""
    groups: int = values.get(f"s{stage}_groups", 1)
    width: int = round(values[f"s{stage}_width"] * values.get(f"s{stage}_multiplier", 1))
    return -(-width // groups) * groups


def _check_each(space: StageSpace, argument: str, **limits: int) -> None:
    """Check that an argument has a positive integer or candidates for each stage."""
    _check_length(space, argument)
    for entry in getattr(space, argument):
        if entry == ():
            raise InvalidArgumentError(argument, "a stage has no candidates")
        for value in _alternatives(entry):
            a_count(argument, value, **limits)


def _check_length(space: StageSpace, argument: str) -> None:
    entries = getattr(space, argument)
    if not isinstance(entries, tuple) or not 1 <= len(entries) <= _MOST_STAGES:
        raise InvalidArgumentError(
            argument, f"{shown(entries)} is not a list of 1 to {_MOST_STAGES} stages"
        )
    if len(entries) != len(space.depths):
        raise InvalidArgumentError(
            argument, f"{len(entries)} entries for the {len(space.depths)} stages of depths"
        )


def _alternatives(entry: Any) -> tuple[Any, ...]:
    return entry if isinstance(entry, tuple) else (entry,)
