"""Wire models of two-dimensional histograms of architectures over two metrics."""

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

_MAX_BINS: Final = 512
_COUNT_BYTES: Final = 4


class DensitySide(WireModel):
    """One side of the grid."""

    metric: str = Field(description="Metric of the side.")
    unit: str = Field(description="Unit of the metric.")
    part: Members[str | int | None] | None = Field(
        description="Axis values of the metric, by axis; null if they do not select one "
        "combination."
    )
    log: bool = Field(description="Whether bins are equally wide on a logarithmic scale.")
    low: float | None = Field(description="Lower edge; null if nothing is counted.")
    high: float | None = Field(description="Upper edge, inclusive; null if nothing is counted.")


class DensityHeader(WireModel):
    """JSON content of the header `X-Density` of a density."""

    bins: int = Field(ge=1, le=_MAX_BINS, description="Bins per side.")
    layout: Literal["dense", "sparse"] = Field(
        description="Layout of the body. dense: all counts; sparse: indices of non-empty cells, "
        "then their counts."
    )
    cells: int = Field(ge=0, description="Number of non-empty cells.")
    counted: int = Field(ge=0, description="Architectures in the cells.")
    outside: int = Field(ge=0, description="Architectures outside the grid.")
    left_out: int = Field(
        ge=0,
        description="Architectures within the bounds that lack a value or, on a logarithmic side, "
        "whose value is not above 0.",
    )
    x: DensitySide = Field(description="Side along the columns.")
    y: DensitySide = Field(description="Side along the rows.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class Density(DensityHeader):
    """A two-dimensional histogram of architectures over two metrics."""

    data: bytes = Field(repr=False, description="Counts as 32-bit integers in the given layout.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        numbers = 2 * self.cells if self.layout == "sparse" else self.bins**2
        if len(self.data) != _COUNT_BYTES * numbers:
            raise ValueError(f"{len(self.data)} bytes of {numbers} numbers")
        places, counts = self._filled()
        descends = any(one >= following for one, following in pairwise(places))
        if places and (places[-1] >= self.bins**2 or descends):
            raise ValueError("cells outside the grid, or out of order")
        if sum(counts) != self.counted or len(counts) != self.cells or 0 in counts:
            raise ValueError(f"counts do not add up to {self.counted} in {self.cells} cells")
        return self

    @property
    def counts(self) -> array[int]:
        """The count of each cell, row by row, with rows along y; x and y ascend."""
        found = array("I", bytes(_COUNT_BYTES * self.bins**2))
        for place, count in zip(*self._filled(), strict=True):
            found[place] = count
        return found

    def to_numpy(self) -> NDArray[np.generic]:
        """Return the counts as an array of shape (bins, bins): rows along y, columns along x.

        Raises:
            ImportError: numpy is not installed.
        """
        with needs("local", "counts as arrays"):
            import numpy  # noqa: ICN001, PLC0415 - optional

        return numpy.array(self.counts, numpy.uint32).reshape(self.bins, self.bins)

    def edges(self, side: Literal["x", "y"]) -> list[float]:
        """Return the edges of the bins of a side: bins + 1 numbers, ascending.

        Raises:
            ValueError: Nothing is counted, so that the side has no edges.
        """
        found: DensitySide = getattr(self, side)
        if found.low is None or found.high is None:
            raise ValueError(f"nothing is counted along {side}: it has no edges")
        ends = (found.low, found.high)
        low, high = map(math.log, ends) if found.log else ends
        inner = [low + (high - low) * part / self.bins for part in range(1, self.bins)]
        return [ends[0], *(map(math.exp, inner) if found.log else inner), ends[1]]

    def _filled(self) -> tuple[array[int], array[int]]:
        """Return the ascending indices of non-empty cells, and their counts."""
        numbers = array("I", self.data)
        if sys.byteorder == "big":
            numbers.byteswap()
        if self.layout == "sparse":
            return numbers[: self.cells], numbers[self.cells :]
        places = array("I", (place for place, count in enumerate(numbers) if count))
        return places, array("I", (count for count in numbers if count))
