"""Cells of a plan: combinations of architecture, seed and budget, numbered in the order of work.

Cells are computed from their numbers and never listed. Their states are kept as bitmaps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from model_hub.network_counts import NetworkCounts
from nas_search.plans.file import PlanError
from nas_search.plans.selection import Selection

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Cell", "CellMap", "Cells"]

_MOST_CELLS: Final = 1_000_000
"""The most cells of a plan that is not declared as large."""
_MOST_COUNTED: Final = 2_000
_MOST_ANYWAY: Final = 100_000_000
_BYTES_AT_ONCE: Final = 2**12
"""Bytes of a map that are searched at a time."""

N = TypeVar("N", int, "npt.NDArray[np.int64]")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, which is one job and one row of the table.

    Attributes:
        number: Index in the order of work.
        position: Position of its architecture in the selection.
        seed: Seed of initial weights, order of images and augmentation.
        epochs: The budget.
    """

    number: int
    position: int
    seed: int
    epochs: int


class Cells:
    """The cells of a plan.

    A round is a seed and a budget, with the smallest budget first. In breadth order, each round
    covers all architectures before the next one begins. In depth order, each architecture has all
    rounds before the next architecture begins.

    Args:
        selection: The architectures.
        large: Whether more than a million cells are intended.

    Raises:
        PlanError: There are too many cells.
    """

    def __init__(self, selection: Selection, *, large: bool = False) -> None:
        plan = selection.plan
        self.selection = selection
        self._trained = selection.trained
        self.rounds = [(seed, epochs) for seed in plan.seeds for epochs in reversed(plan.epochs)]
        self._deep = plan.order == "depth"
        most = _MOST_ANYWAY if large else _MOST_CELLS
        if len(self) > most:
            raise PlanError(
                f"{len(self):,} cells are more than {most:,}: select a sample, or say that they "
                "are intended",
                path=("select", "kind"),
            )

    def __len__(self) -> int:
        return len(self._trained) * len(self.rounds)

    @cached_property
    def some_counts(self) -> Mapping[int, NetworkCounts | None]:
        """Sizes of networks by position: of all if at most 2,000, else of evenly spread ones."""
        step = max(1, -(-len(self._trained) // _MOST_COUNTED))
        return {place: self.selection.counts(place) for place in self._trained[::step]}

    def __getitem__(self, number: int) -> Cell:
        if not 0 <= number < len(self):
            raise IndexError(number)
        turn, place = self.located(number)
        seed, epochs = self.rounds[turn]
        return Cell(number, self._trained[place], seed, epochs)

    @property
    def trained(self) -> int:
        """The number of architectures that are trained."""
        return len(self._trained)

    def located(self, number: N) -> tuple[N, N]:
        """Return the round of a cell and the index of its architecture among the trained ones.

        An array of numbers gives two arrays.
        """
        if self._deep:
            return number % len(self.rounds), number // len(self.rounds)
        return number // len(self._trained), number % len(self._trained)

    def of(self, position: int, epochs: int) -> list[Cell]:
        """Return the cells that measure an architecture at a budget, one for each seed."""
        place = bisect_left(self._trained, self.selection.stands_for[position])
        turns = [turn for turn, (_, budget) in enumerate(self.rounds) if budget == epochs]
        if self._deep:
            return [self[place * len(self.rounds) + turn] for turn in turns]
        return [self[turn * len(self._trained) + place] for turn in turns]

    def __iter__(self) -> Iterator[Cell]:
        return map(self.__getitem__, range(len(self)))


class CellMap:
    """A set of cells, stored as a bitmap.

    Args:
        size: The number of cells of the plan.
        bits: The set as returned by `bytes`; None: the empty set.

    Raises:
        ValueError: The bits belong to another number of cells.
    """

    def __init__(self, size: int, bits: bytes | None = None) -> None:
        self._size = size
        self._bits = bytearray(-(-size // 8) if bits is None else bits)
        if len(self._bits) != -(-size // 8):
            raise ValueError(f"{len(self._bits)} bytes are no map of {size} cells")

    def __contains__(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)

    def __len__(self) -> int:
        return int.from_bytes(self._bits, "little").bit_count()

    def __bytes__(self) -> bytes:
        return bytes(self._bits)

    def __iter__(self) -> Iterator[int]:
        for place, byte in enumerate(self._bits):
            if byte:
                yield from (8 * place + bit for bit in range(8) if byte >> bit & 1)

    def first(self, count: int, *, start: int = 0) -> list[int]:
        """Return at most `count` cells of the set, the first ones from a number on.

        The map is searched in blocks, only as far as needed.
        """
        import numpy as np  # noqa: PLC0415 - few users of a plan list cells

        found: list[int] = []
        place = start // 8
        while len(found) < count and place < len(self._bits):
            part = np.frombuffer(self._bits, np.uint8, offset=place)[:_BYTES_AT_ONCE]
            numbers = np.flatnonzero(np.unpackbits(part, bitorder="little")) + 8 * place
            found += numbers[numbers >= start][: count - len(found)].tolist()
            place += len(part)
        return found

    def none_of(self, *others: CellMap) -> CellMap:
        """Return the cells that are in neither this nor the other sets of the same plan."""
        together = 0
        for one in (self, *others):
            together |= int.from_bytes(one._bits, "little")  # noqa: SLF001 - another of this class
        left = ~together & (1 << self._size) - 1
        return CellMap(self._size, left.to_bytes(len(self._bits), "little"))

    def add(self, number: int) -> None:
        """Add a cell."""
        self._bits[number >> 3] |= 1 << (number & 7)

    def discard(self, number: int) -> None:
        """Remove a cell."""
        self._bits[number >> 3] &= ~(1 << (number & 7))
