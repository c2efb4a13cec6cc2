"""Networks that nobody means: refused by their arguments, before anything is allocated.

A worker counts every network before it makes it and compares it with its memory. What is refused
here would take long to count, or more memory than any machine has.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any, Final

from benchmark_db.errors import InvalidQuestionError
from model_hub.model_space import ModelSpace
from model_hub.spaces import AutoFormer, MobileNetV3Space, NasBench101, NasBench201
from model_hub.spaces.nasnet import CellNetworkSpace
from model_hub.spaces.nds_stages import StageSpace

__all__ = ["refuse_absurd_arguments", "refuse_absurd_network"]

_MOST_BLOCKS: Final = 1_000
_LARGEST_WIDTH: Final = 1 << 14
_MOST_PARAMETERS: Final = 1 << 34
"""16 billion, 64 GiB in float32."""

_LONG_ARGUMENTS: Final = frozenset({"max_length", "num_labels", "num_symbols", "vocabulary"})
"""Numbers of rows of a matrix; all other integers are widths, or smaller than these."""


def refuse_absurd_arguments(place: str, space: ModelSpace) -> None:
    """Refuse a space that has networks of too many blocks or of too large widths.

    Args:
        place: Where its arguments come from in the request, for messages.
        space: The space.

    Raises:
        InvalidQuestionError: It has.
    """
    for argument, value in space.arguments.items():
        widest = max(_integers(value), default=0)
        if argument not in _LONG_ARGUMENTS and widest > _LARGEST_WIDTH:
            raise InvalidQuestionError(
                place,
                f"{argument}: {widest} is more than {_LARGEST_WIDTH}; no network is as large",
            )
    blocks = _most_blocks(space)
    if blocks > _MOST_BLOCKS:
        raise InvalidQuestionError(
            place,
            f"networks of this space may have {blocks} blocks; {_MOST_BLOCKS} are allowed",
        )
    width = _last_width(space)
    if width > _LARGEST_WIDTH:
        raise InvalidQuestionError(
            place,
            f"the last of these stacks is {width} wide; {_LARGEST_WIDTH} is allowed",
        )


def refuse_absurd_network(space: ModelSpace, sample: dict[str, Any]) -> None:
    """Refuse a network of more parameters than any machine holds, where arithmetic tells.

    Raises:
        InvalidQuestionError: It has as many.
    """
    if not isinstance(space, StageSpace):
        return
    parameters = space.num_parameters(sample)
    if parameters > _MOST_PARAMETERS:
        raise InvalidQuestionError(
            "network.arch", f"it has {parameters:,} parameters; {_MOST_PARAMETERS:,} are allowed"
        )


@singledispatch
def _most_blocks(space: ModelSpace) -> int:  # noqa: ARG001 - of most spaces all have about 20
    return 0


@_most_blocks.register
def _(space: NasBench101) -> int:
    return space.num_stacks * space.num_modules_per_stack


@_most_blocks.register
def _(space: NasBench201) -> int:
    return 3 * space.num_modules_per_stack


@_most_blocks.register
def _(space: CellNetworkSpace) -> int:
    return max(_integers(space.num_cells))


@_most_blocks.register
def _(space: StageSpace) -> int:
    return sum(max(_integers(depth)) for depth in space.depths)


@_most_blocks.register
def _(space: AutoFormer) -> int:
    return max(space.search_depth)


@_most_blocks.register
def _(space: MobileNetV3Space) -> int:
    return space.num_stages * max(_integers(space.depth_range))


@singledispatch
def _last_width(space: ModelSpace) -> int:  # noqa: ARG001 - most state their widths
    return 0


@_last_width.register
def _(space: NasBench101) -> int:
    return space.stem_out_channels << (space.num_stacks - 1)


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _integers(item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
