"""Counts of architectures on a grid over two metrics."""

from __future__ import annotations

import math
import sys
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field, model_validator

from bench_client.models.answers import Members, ProvenanceMark, WireModel
from missing_extra import needs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Density", "DensityHeader", "DensitySide"]

_MOST_BINS: Final = 512
_COUNT_BYTES: Final = 4


class DensitySide(WireModel):
    """One side of the grid."""

    metric: str = Field(description="The metric along it.")
    unit: str = Field(description="Its unit.")
    part: Members[str | int | None] | None = Field(
        description="Where it is taken, by axis; null where that is several parts."
    )
    log: bool = Field(description="Whether cells are equally wide in the logarithm.")
    low: float | None = Field(description="Where the side begins; null where nothing is counted.")
    high: float | None = Field(description="Where it ends, included; null likewise.")


class DensityHeader(WireModel):
    """What the header `X-Density` of a density says, as JSON."""

    bins: int = Field(ge=1, le=_MOST_BINS, description="Cells of a side.")
    layout: Literal["dense", "sparse"] = Field(description="What the body holds.")
    cells: int = Field(ge=0, description="How many cells are filled.")
    counted: int = Field(ge=0, description="Architectures that the cells hold.")
    outside: int = Field(ge=0, description="Architectures beyond the ends of the grid.")
    left_out: int = Field(
        ge=0,
        description="Architectures within the bounds that have not both values or, where a side is "
        "logarithmic, one that is not above 0.",
    )
    x: DensitySide = Field(description="Along the columns.")
    y: DensitySide = Field(description="Along the rows.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class Density(DensityHeader):
    """How many architectures lie in each cell of a grid over two metrics."""

    data: bytes = Field(repr=False, description="Counts as they are sent.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        numbers = 2 * self.cells if self.layout == "sparse" else self.bins**2
        if len(self.data) != _COUNT_BYTES * numbers:
            raise ValueError(f"{len(self.data)} bytes of {numbers} numbers")
        places, counts = self._filled()
        descends = any(one >= following for one, following in pairwise(places))
        if places and (places[-1] >= self.bins**2 or descends):
            raise ValueError("cells that are not of the grid, or not in their order")
        if sum(counts) != self.counted or len(counts) != self.cells or 0 in counts:
            raise ValueError(f"counts that are not {self.counted} in {self.cells} cells")
        return self

    @property
    def counts(self) -> array[int]:
        """The count of each cell, row after row; rows go along y, both from the smallest."""
        found = array("I", bytes(_COUNT_BYTES * self.bins**2))
        for place, count in zip(*self._filled(), strict=True):
            found[place] = count
        return found

    def to_numpy(self) -> NDArray[np.generic]:
        """Return the counts, shape (bins, bins): rows along y, columns along x.

        Raises:
            ImportError: numpy is not installed.
        """
        with needs("local", "counts as arrays"):
            import numpy  # noqa: ICN001, PLC0415 - whoever only asks does without

        return numpy.array(self.counts, numpy.uint32).reshape(self.bins, self.bins)

    def edges(self, side: Literal["x", "y"]) -> list[float]:
        """Return where the cells of a side begin, and where the last one ends: bins + 1 numbers.

        Raises:
            ValueError: Nothing is counted, so that the side has no ends.
        """
        found: DensitySide = getattr(self, side)
        if found.low is None or found.high is None:
            raise ValueError(f"nothing is counted along {side}: it has no edges")
        ends = (found.low, found.high)
        low, high = map(math.log, ends) if found.log else ends
        inner = [low + (high - low) * part / self.bins for part in range(1, self.bins)]
        return [ends[0], *(map(math.exp, inner) if found.log else inner), ends[1]]

    def _filled(self) -> tuple[array[int], array[int]]:
        """Return the places of the cells that are filled, ascending, and their counts."""
        numbers = array("I", self.data)
        if sys.byteorder == "big":
            numbers.byteswap()
        if self.layout == "sparse":
            return numbers[: self.cells], numbers[self.cells :]
        places = array("I", (place for place, count in enumerate(numbers) if count))
        return places, array("I", (count for count in numbers if count))
