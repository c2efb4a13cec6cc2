"""Where a supernet stores the weights of a space's networks: data, without PyTorch.

A supernet stores the weights of all networks of a space once. Only the space knows which stored
module corresponds to a module of a network: blocks that are left out shift the names of later ones,
and a narrow layer uses a part of the weights of a wide one. `ModelSpace.sharing` and
`ModelSpace.placed` define this mapping, from which `nas_search.oneshot` builds supernets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = ["SLICED", "LayerSize", "Sharing", "View", "chosen_of", "shifted"]

LayerSize: TypeAlias = tuple[str, str, int]
"""Path of a module, the name of a size, and its value.

The sizes are `channels` (output channels of a convolution or a linear layer, or of all of them in
the module), `kernel` (of a convolution), `heads` (of an attention) and `present` (0 to bypass it).
"""


SLICED: Final = (
    "its networks share slices of the same weights, so a sum over candidates would add a tensor to "
    "parts of itself; train it by single paths"
)
"""The reason why networks that share slices cannot be mixed."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of a stored tensor that belongs to a network.

    By default the part consists of the first entries on every axis, and of the middle ones on the
    last two axes of a kernel, as many as the tensor of the network has. One axis may differ.

    Args:
        axis: The axis that differs.
        start: Index of the first entry on it.
        blocks: Indices of the blocks of this axis that are concatenated; all by default.
        of: Number of equal blocks into which the axis is divided.
    """

    axis: int = 0
    start: int = 0
    blocks: tuple[int, ...] | None = None
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the networks of a space share weights.

    Args:
        slots: Maps the path of a module, in a network without left-out blocks, to the label of the
            choice that decides it. Every candidate has separate weights, stored under the path and
            its name. Several labels, joined by `+`, decide together.
        depths: Maps the path of a sequence of blocks to the label of its depth.
        layer_sizes: Given the resolved values of a sample, yields the sizes of its layers; then all
            layers share slices. Norms and depthwise convolutions follow their input. The last of
            several sizes of a layer applies.
        no_mixture: Why a weighted sum of candidates cannot be run; None if it can.
    """

    slots: Mapping[str, str] = field(default_factory=dict)
    depths: Mapping[str, str] = field(default_factory=dict)
    layer_sizes: Callable[[Mapping[str, Any]], Iterable[LayerSize]] | None = None
    no_mixture: str | None = None


def chosen_of(values: Mapping[str, Any], label: str) -> Any:
    """Return the value of a sample for the label of a slot; None if the label is not in the sample.

    For several labels, joined by `+`, it is their values joined by `-`.
    """
    if "+" not in label:
        return values.get(label)
    chosen = [values.get(part) for part in label.split("+")]
    return None if None in chosen else "-".join(map(str, chosen))


def shifted(path: str, prefix: str, kept: Sequence[Sequence[int]]) -> str:
    """Return the path that a module would have if no block of any stage were left out.

    Args:
        path: Path of a block or in a block, as in `blocks.2.0.1.weight` for block 0 of stage 2.
        prefix: Prefix of the paths of stages, as in `blocks`.
        kept: For each stage, the original indices of the blocks that are kept.
    """
    first, *rest = path.split(".")
    if first != prefix or len(rest) <= 1:
        return path
    stage, place, *inside = rest
    return ".".join((first, stage, str(kept[int(stage)][int(place)]), *inside))
