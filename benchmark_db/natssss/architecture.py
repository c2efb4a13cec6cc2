"""An architecture of the size space: the channels of the five layers of a fixed network.

All stack the same cell (`CELL`) and differ only in the widths. Each has three spellings, which
`parse` accepts:

* the string ``c:c:c:c:c`` of the paper (Dong et al., TPAMI 2021), each c in 8, 16, …, 64;
* a list of the five numbers;
* the index, 0 to 32,767: the position in the lexicographic order of the lists.

The layers have no names, so there is no dict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, Final, TypeAlias

from benchmark_db.errors import InvalidArchitectureError, shown
from benchmark_db.numbered_space import checked_index, decoded

__all__ = [
    "CELL",
    "CHANNELS",
    "NUM_ARCHITECTURES",
    "NUM_LAYERS",
    "Channels",
    "Spelling",
    "arch_str",
    "arch_strs",
    "channels_at",
    "neighbor_indices",
    "parse",
]

Channels: TypeAlias = tuple[int, int, int, int, int]
"""The channels of each layer, from input to output."""

Spelling: TypeAlias = str | int | Sequence[int]

CHANNELS: Final = (8, 16, 24, 32, 40, 48, 56, 64)
NUM_LAYERS: Final = 5
NUM_ARCHITECTURES: Final = len(CHANNELS) ** NUM_LAYERS

CELL: Final = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
"""The cell of every architecture, in the notation of NAS-Bench-201."""

_RANKS: Final = {channels: rank for rank, channels in enumerate(CHANNELS)}
_TEXTS: Final = {str(channels): channels for channels in CHANNELS}
_MAX_SPELLING: Final = 200
"""Longest text that is parsed; the longest valid one, a list with wide spacing, has about 50."""


def parse(spelling: Spelling) -> int:
    """Return the index of an architecture given in any of its spellings.

    Text may hold the string, an index in digits, or the list as JSON.

    Raises:
        InvalidArchitectureError: The architecture is malformed or outside the space.
    """
    if isinstance(spelling, str):
        return _parse_text(spelling.strip())
    if isinstance(spelling, int) and not isinstance(spelling, bool):
        return checked_index(spelling, NUM_ARCHITECTURES)
    if isinstance(spelling, Sequence) and not isinstance(spelling, bytes | Mapping):
        return _index_of(spelling)
    raise InvalidArchitectureError(
        f"an architecture must be a string, an index or a list, not {shown(spelling)}"
    )


def channels_at(index: int) -> Channels:
    """Return the channels of the architecture with this index.

    Raises:
        InvalidArchitectureError: The index is not in 0 to 32,767.
    """
    rest = checked_index(index, NUM_ARCHITECTURES)
    ranks = []
    for _ in range(NUM_LAYERS):
        rest, rank = divmod(rest, len(CHANNELS))
        ranks.append(rank)
    fifth, fourth, third, second, first = (CHANNELS[rank] for rank in ranks)
    return first, second, third, fourth, fifth


def arch_str(channels: Sequence[int]) -> str:
    """Return the published string of an architecture."""
    return ":".join(map(str, channels))


@cache
def arch_strs() -> tuple[str, ...]:
    """Return the published strings of all architectures, by index."""
    return tuple(map(arch_str, product(CHANNELS, repeat=NUM_LAYERS)))


def neighbor_indices(index: int) -> list[int]:
    """Return the indices of the architectures that differ in one layer's channels: 5 times 7.

    Raises:
        InvalidArchitectureError: The index is not in 0 to 32,767.
    """
    channels = channels_at(index)
    return [
        _index_of([*channels[:layer], other, *channels[layer + 1 :]])
        for layer, present in enumerate(channels)
        for other in CHANNELS
        if other != present
    ]


def _index_of(channels: Sequence[Any]) -> int:
    if len(channels) != NUM_LAYERS:
        raise InvalidArchitectureError(
            f"{len(channels)} channel counts; the network has {NUM_LAYERS} layers"
        )
    index = 0
    for layer, number in enumerate(channels, 1):
        rank = _RANKS.get(number) if type(number) is int else None
        if rank is None:
            raise InvalidArchitectureError(
                f"{shown(number)} channels in layer {layer}; allowed are "
                f"{', '.join(map(str, CHANNELS))}"
            )
        index = index * len(CHANNELS) + rank
    return index


def _parse_text(text: str) -> int:
    if len(text) > _MAX_SPELLING:
        raise InvalidArchitectureError(
            f"an architecture of {len(text)} characters; the longest has about 50"
        )
    if ":" in text:
        # Anything else stays text, which is rejected where the numbers are checked.
        return _index_of([_TEXTS.get(part, part) for part in text.split(":")])
    if text.startswith("["):
        return _index_of(decoded(text))
    if text.isascii() and text.isdecimal():
        return checked_index(int(text), NUM_ARCHITECTURES)
    raise InvalidArchitectureError(
        f"{shown(text)} is not an architecture: write c:c:c:c:c, an index, or a list as JSON"
    )
