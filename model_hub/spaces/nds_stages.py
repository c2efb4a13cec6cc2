"""The NDS families without cells: plain, ResNet and ResNeXt networks of stages of equal blocks.

"On Network Design Spaces for Visual Recognition" (Radosavovic et al. 2019, arXiv:1905.13214)
samples them by the depth and width of each stage; the stems are those of its code. The numbers of
parameters follow from formulas, without PyTorch.

Rows of the table for ImageNet do not say which of two stems their network has. The stems differ in
the size of their kernel, so the recorded number of parameters fits one of them at most:
`with_recorded_stem` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from model_hub.arguments import a_count, a_number, counts, one_of
from model_hub.choices import Categorical, Choice, Derived, Sample
from model_hub.data_sets import DATA_SETS
from model_hub.errors import InvalidArgumentError, InvalidSampleError, listed, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import SLICED, Sharing, Told

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "FAMILIES",
    "STEMS",
    "ResidualBasic",
    "ResidualBottleneck",
    "Stage",
    "StageSpace",
    "Stem",
    "Vanilla",
    "with_recorded_stem",
]

_MOST_DEPTH: Final = 1000
_MOST_STAGES: Final = 20
_MOST_STRIDE: Final = 8
_MOST_MULTIPLIER: Final = 16

_DEPTHS: Final = ((1, 2, 4, 8, 12, 16),) * 3
_WIDTHS: Final = ((16, 24, 32, 40, 64, 128),) * 3

_IMAGENET_STEMS: Final = ("resnet", "simple")
_MILLION: Final = 1e6
_MOST_MILLIONS: Final = 1e6
_UNSTATED_STRIDE: Final = 1
"""The stride that rows for CIFAR have; for ImageNet it leaves the stem open."""


@dataclass(frozen=True, slots=True)
class Stem:
    """What comes before the stages: a convolution, a norm, a ReLU, and a pooling if wanted.

    Args:
        kernel_size: Of the convolution.
        conv_stride: Of the convolution.
        pools: Whether a 3x3 max pooling of stride 2 follows.
        dataset: What it is for, by its name among `DATA_SETS`.
    """

    kernel_size: int
    conv_stride: int
    pools: bool
    dataset: str

    @property
    def stride(self) -> int:
        """By how much the stages see less than the image."""
        return self.conv_stride * (2 if self.pools else 1)


STEMS: Final[Mapping[str, Stem]] = MappingProxyType(
    {
        "cifar": Stem(kernel_size=3, conv_stride=1, pools=False, dataset="cifar10"),
        "resnet": Stem(kernel_size=7, conv_stride=2, pools=True, dataset="imagenet"),
        "simple": Stem(kernel_size=3, conv_stride=2, pools=False, dataset="imagenet"),
    }
)
"""The stems of the authors' code: that for CIFAR, ResNet's, and a single convolution."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width; the first one changes resolution and width.

    Args:
        depth: Blocks.
        width: Output channels.
        stride: Of the first block.
        inner_width: Channels between the convolutions of a bottleneck block.
        groups: Of the 3x3 convolution of a bottleneck block.
    """

    depth: int
    width: int
    stride: int
    inner_width: int = 0
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class StageSpace(ModelSpace):
    """Base of the three families: a stem and stages of equal blocks.

    Each entry of a list is the value of a stage, or a list of candidates to choose from. The
    default candidates are sizes like those of the published networks, not the grid of the paper.

    Args:
        stem_width: Channels of the stem, or candidates.
        depths: Blocks of each stage after the stem.
        widths: Channels of each stage.
        strides: Of the first block of each stage; no choice.
        num_labels: Classes.
        stem: `cifar`, a 3x3 convolution of stride 1; for ImageNet, `resnet`, a 7x7 convolution of
            stride 2 and a max pooling, or `simple`, a 3x3 convolution of stride 2. The tables do
            not say which of the two their networks for ImageNet have; `model_hub.build` tells them
            apart by the parameters of a row.
    """

    family: ClassVar[str]
    """Name of the block, of `FAMILIES`."""

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
        """Images of the data set that the stem is for."""
        return DATA_SETS[STEMS[self.stem].dataset].input_shape

    @property
    def most_blocks(self) -> int:
        """The sum of the largest depths of the stages."""
        return sum(max(_alternatives(depth)) for depth in self.depths)

    @property
    def sharing(self) -> Sharing:
        """Layers share slices; the first blocks are kept."""
        return Sharing(
            depths={
                f"stages.{stage}": f"s{stage + 1}_depth"
                for stage, depth in enumerate(self.depths)
                if isinstance(depth, tuple)
            },
            told=self._told,
            no_mixture=SLICED,
        )

    def _told(self, values: Sample) -> Iterator[Told]:
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
        """Yield the widest network, with the projection of each block that may need one."""
        yield {}, self._widest({})

    def _widest(self, groups: Sample) -> nn.Module:
        """Return a network as wide and as deep as can be, with these groups of the stages."""
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
        """Return how many parameters the network of a sample has, without PyTorch.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        values = self._arguments() | self.choices.resolve(sample)
        return _num_parameters(
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
        multipliers: Width of the 3x3 convolution of each stage, by that of the stage.
        groups: Of the 3x3 convolution of each stage; they divide its width.
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
        """Layers share slices; convolutions of another number of groups have weights of their own.

        A convolution of fewer groups has more inputs a group: neither is a part of the other.
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

    def _told(self, values: Sample) -> Iterator[Told]:
        yield from super()._told(values)
        every = self._arguments() | dict(values)
        for stage, sizes in enumerate(self._stages(every)):
            for place in range(sizes.depth):
                yield f"stages.{stage}.{place}.layers.0", "channels", sizes.inner_width
                yield f"stages.{stage}.{place}.layers.3", "channels", sizes.inner_width

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield the widest network of each rank of a number of groups."""
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
            InvalidSampleError: It is none, or the groups do not divide it.
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
    """Return a width that the groups of a stage divide and that no smaller stage exceeds."""
    groups: int = values.get(f"s{stage}_groups", 1)
    width: int = round(values[f"s{stage}_width"] * values.get(f"s{stage}_multiplier", 1))
    return -(-width // groups) * groups


def _check_each(space: StageSpace, argument: str, **limits: int) -> None:
    """Check that an argument has a count, or candidates of one, for each stage."""
    _check_length(space, argument)
    for entry in getattr(space, argument):
        if entry == ():
            raise InvalidArgumentError(argument, "a stage has nothing to choose from")
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


def _num_parameters(
    family: str, stem_width: int, stages: Sequence[Stage], *, num_labels: int, stem: Stem
) -> int:
    """Return how many parameters the network has, without making it.

    Args:
        family: Of its blocks, one of `FAMILIES`.
        stem_width: Channels of the stem.
        stages: The stages after the stem.
        num_labels: Classes.
        stem: What comes before the stages.
    """
    block = FAMILIES[family]
    count = _conv_bn(3, stem_width, stem.kernel_size)
    before = stem_width
    for stage in stages:
        count += block(before, stage.stride, stage)
        count += (stage.depth - 1) * block(stage.width, 1, stage)
        before = stage.width
    return count + (before + 1) * num_labels


def _plain_block(in_channels: int, _: int, stage: Stage) -> int:
    return _conv_bn(in_channels, stage.width, 3) + _conv_bn(stage.width, stage.width, 3)


def _basic_block(in_channels: int, stride: int, stage: Stage) -> int:
    return _plain_block(in_channels, stride, stage) + _shortcut(in_channels, stride, stage)


def _bottleneck_block(in_channels: int, stride: int, stage: Stage) -> int:
    inner = stage.inner_width
    layers = (
        _conv_bn(in_channels, inner, 1)
        + _conv_bn(inner // stage.groups, inner, 3)
        + _conv_bn(inner, stage.width, 1)
    )
    return layers + _shortcut(in_channels, stride, stage)


def _shortcut(in_channels: int, stride: int, stage: Stage) -> int:
    projects = stride != 1 or in_channels != stage.width
    return _conv_bn(in_channels, stage.width, 1) if projects else 0


def _conv_bn(in_channels: int, out_channels: int, kernel_size: int) -> int:
    """Return the weights of a convolution, of so many input channels a group, and of its norm."""
    return out_channels * (in_channels * kernel_size**2 + 2)


FAMILIES: Final[Mapping[str, Callable[[int, int, Stage], int]]] = MappingProxyType(
    {
        "vanilla": _plain_block,
        "residual_basic": _basic_block,
        "residual_bottleneck": _bottleneck_block,
    }
)
"""How many parameters a block of so many input channels with this stride has, by the names that NDS
gives the families."""


def with_recorded_stem(space: StageSpace, parameters: object, stride: object) -> StageSpace:
    """Return a space of one network with the stem that makes it the network that was recorded.

    Args:
        space: The space, with any stem.
        parameters: How many the network has, in millions; None if that is not recorded.
        stride: Of the stem, as recorded; 1 leaves it open.

    Raises:
        InvalidArgumentError: Neither stem gives as many parameters, or the one that does has
            another stride; the message says how many they give, and how to choose a stem.
    """
    candidates = {name: replace(space, stem=name) for name in _IMAGENET_STEMS}
    counts = {name: candidate.num_parameters({}) for name, candidate in candidates.items()}
    found = ", ".join(f"{count:,} with stem={name!r}" for name, count in counts.items())
    way_out = f"whoever knows the stem names it: {candidates['resnet']}.freeze({{}})"
    if parameters is None:
        raise InvalidArgumentError(
            "parameters",
            "the row lacks them, and for imagenet they alone tell which stem the network has: "
            f"it has {found}. Give the whole row, not its config; {way_out}",
        )
    recorded = round(a_number("parameters", parameters, least=0, most=_MOST_MILLIONS) * _MILLION)
    matching = [name for name, count in counts.items() if count == recorded]
    if not matching:
        raise InvalidArgumentError(
            "parameters",
            f"{recorded:,} are recorded, but the network has {found}. Made-up rows, as in a sample "
            f"database, fit no network; {way_out}",
        )
    (name,) = matching
    strides = (_UNSTATED_STRIDE, STEMS[name].stride)
    if stride not in strides:
        raise InvalidArgumentError(
            "model_spec",
            f"ss begins with {shown(stride)}, but the parameters are those of stem={name!r}, where "
            f"it is one of {listed(strides)}; {way_out}",
        )
    return candidates[name]
