"""Single networks of given cells, as the rows of NDS have them.

The cells of a published network need not have the nodes of its space, nor the same number of them,
and they say themselves what they give out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model_hub.choices import Choice, Sample
from model_hub.errors import InvalidArgumentError, shown
from model_hub.genotype import CELLS, CellGenotype
from model_hub.spaces.nasnet import CellNetworkSpace

__all__ = ["NdsCells"]


@dataclass(frozen=True, kw_only=True)
class NdsCells(CellNetworkSpace):
    """Networks of two given cells: what remains to choose is width and depth, if anything.

    Args:
        normal: Every cell but two.
        reduce: The first cell of the second and of the third stage.
    """

    normal: CellGenotype
    reduce: CellGenotype

    def _check(self) -> None:
        super()._check()
        for cell in CELLS:
            given = getattr(self, cell)
            if not isinstance(given, CellGenotype):
                raise InvalidArgumentError(cell, f"{shown(given)} is no CellGenotype")

    def genotype(self, _: Sample, cell: str) -> CellGenotype:
        """Return the cell `normal` or `reduce`, the same for all samples."""
        genotype: CellGenotype = getattr(self, cell)
        return genotype

    def _cell_choices(self) -> Iterator[Choice]:
        yield from ()
