"""Where the weights of a space's networks lie in one supernet: data, without PyTorch.

A supernet stores the weights of all networks of a space once. Only the space knows which module of
a small network is which of the stored ones: blocks that are left out shift the names of those
behind them, and a narrow layer has a part of the weights of a wide one. A space says so by
`ModelSpace.sharing` and `ModelSpace.placed`; `nas_search.oneshot` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = ["SLICED", "Sharing", "Told", "View", "chosen_of", "shifted"]

Told: TypeAlias = tuple[str, str, int]
"""Path of a module, what it is told, and the number.

`channels`: output channels of the convolution or the linear layer, or of all within the module;
`kernel`: of the convolution; `heads`: of the attention; `present`: 0 where it is passed over.
"""


SLICED: Final = (
    "its networks share slices of the same weights, so a sum over candidates would add a tensor to "
    "parts of itself; train it by single paths"
)
"""Why there is no mixture of networks that share slices."""


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a stored tensor belongs to a network.

    On every axis it has the first entries, and of the last two axes of a kernel those in the
    middle, as many as the tensor of the network has. One axis may be told otherwise.

    Args:
        axis: The axis that is told otherwise.
        start: The first entry on it.
        blocks: Which of the `of` equal blocks of it, one after the other; all by default.
        of: How many blocks there are.
    """

    axis: int = 0
    start: int = 0
    blocks: tuple[int, ...] | None = None
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How the networks of a space share weights.

    Args:
        slots: Path of a module, where no block is left out, to the label of the choice that says
            what stands there. Every candidate of it has weights of its own, stored under the path
            and its name. Several labels, joined by `+`, decide together.
        depths: Path of a sequence of blocks to the label that says how many of them are kept.
        told: Given the resolved values of a sample, says how large its layers are. Then all layers
            share slices; norms and depthwise convolutions follow what comes in. What comes later
            holds where two are about the same layer.
        no_mixture: Why no weighted sum of candidates can be run; None where it can.
    """

    slots: Mapping[str, str] = field(default_factory=dict)
    depths: Mapping[str, str] = field(default_factory=dict)
    told: Callable[[Mapping[str, Any]], Iterable[Told]] | None = None
    no_mixture: str | None = None


def chosen_of(values: Mapping[str, Any], label: str) -> Any:
    """Return what a sample chooses for the label of a slot; None where the label does not matter.

    Of several labels, joined by `+`, their values joined by `-`.
    """
    if "+" not in label:
        return values.get(label)
    chosen = [values.get(part) for part in label.split("+")]
    return None if None in chosen else "-".join(map(str, chosen))


def shifted(path: str, prefix: str, kept: Sequence[Sequence[int]]) -> str:
    """Return the path of a module as if no block of any stage were left out.

    Args:
        path: As in `blocks.2.0.1.weight`: of block 0 of stage 2, or of what is in it.
        prefix: What the path of a stage begins with, as in `blocks`.
        kept: For each stage the places of its blocks that are not left out.
    """
    first, *rest = path.split(".")
    if first != prefix or len(rest) <= 1:
        return path
    stage, place, *inside = rest
    return ".".join((first, stage, str(kept[int(stage)][int(place)]), *inside))
