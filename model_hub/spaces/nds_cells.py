"""Single networks of given cells, as the rows of NDS have them.

The cells of a published network need not have the nodes of its space, nor the same number of them,
and they say themselves what they give out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from model_hub.choices import Choice, Sample
from model_hub.errors import InvalidArgumentError, UnknownNameError, shown
from model_hub.genotype import CELLS, OPERATIONS, REDUCE, CellGenotype
from model_hub.spaces.nasnet import CellNetworkSpace

__all__ = ["NdsCells"]


@dataclass(frozen=True, kw_only=True)
class NdsCells(CellNetworkSpace):
    """Networks of two given cells: what remains to choose is width and depth, if anything.

    Args:
        normal: Every cell but two; a genotype, or the dict of one.
        reduce: The first cell of the second and of the third stage, likewise.

    Raises:
        InvalidSampleError: A dict is no cell.
        UnknownNameError: The hub has no such operation.
    """

    normal: CellGenotype
    reduce: CellGenotype

    def __post_init__(self) -> None:
        for cell in CELLS:
            if isinstance(given := getattr(self, cell), Mapping):
                object.__setattr__(self, cell, CellGenotype.from_dict(given))
        super().__post_init__()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that are not the defaults, as JSON; the cells as `to_dict` spells them."""
        return super().arguments | {cell: getattr(self, cell).to_dict() for cell in CELLS}

    def _check(self) -> None:
        super()._check()
        for cell in CELLS:
            given = getattr(self, cell)
            if not isinstance(given, CellGenotype):
                raise InvalidArgumentError(cell, f"{shown(given)} is no CellGenotype")
            for name, _ in chain.from_iterable(given.nodes):
                if name not in OPERATIONS:
                    raise UnknownNameError("operation", name, OPERATIONS)
        if min(self.reduce.concat) < self.reduce.num_inputs:
            raise InvalidArgumentError(
                REDUCE, "it gives out one of its inputs, which is larger than its nodes"
            )

    def genotype(self, _: Sample, cell: str) -> CellGenotype:
        """Return the cell `normal` or `reduce`, the same for all samples."""
        genotype: CellGenotype = getattr(self, cell)
        return genotype

    def _cell_choices(self) -> Iterator[Choice]:
        yield from ()
