"""Modules of a supernet that run a chosen candidate, or the weighted sum of all.

The choice is stored in a `Row`, one for each choice, which all modules that the choice controls
share. Choosing therefore sets a few attributes, however many modules there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from model_hub.choices import Chosen, Value

__all__ = ["Row", "Stage", "Switch"]


@dataclass(slots=True, eq=False)
class Row:
    """The candidates of a choice, and the chosen one or their weights.

    Args:
        name: The name of the row, usually the label of the choice.
        candidates: The candidates.
        chosen: The candidate that runs; None: inactive, modules return their input.
        weights: One weight for each candidate, if the weighted sum of all runs.
    """

    name: str
    candidates: tuple[Value, ...]
    chosen: Chosen | None = None
    weights: Tensor | None = None

    def choose(self, value: Chosen | None) -> None:
        """Choose a single candidate, or None for an inactive choice."""
        self.chosen = value
        self.weights = None


class Switch(nn.ModuleDict):
    """The candidate modules of one place, by name.

    Args:
        row: The row that chooses among them.
        candidates: The modules.
    """

    def __init__(self, row: Row, candidates: Mapping[str, nn.Module]) -> None:
        super().__init__(candidates)
        self.row = row

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Apply the chosen candidate, or return the weighted sum of all."""
        row = self.row
        if row.weights is not None:
            return weighted(row.weights, (operation(x, *others) for operation in self.values()))
        if row.chosen is None:
            return x
        y: Tensor = self[str(row.chosen)](x, *others)
        return y


class Stage(nn.Sequential):
    """A sequence of blocks of which only the first ones are kept.

    Args:
        row: The row that chooses the number of blocks.
        blocks: All blocks.
    """

    def __init__(self, row: Row, blocks: Iterable[nn.Module]) -> None:
        super().__init__(*blocks)
        self.row = row

    def forward(self, x: Tensor) -> Tensor:
        """Apply the kept blocks, or return the weighted sum of the outputs of all depths."""
        row = self.row
        if row.weights is not None:
            return weighted(row.weights, self._outputs(x, row.candidates))
        for block in list(self)[: row.chosen]:  # type: ignore[index]  # an integer
            x = block(x)
        return x

    def _outputs(self, x: Tensor, depths: Sequence[Value]) -> list[Tensor]:
        """Return the output after each number of blocks."""
        outputs = {0: x}
        for depth, block in enumerate(self, start=1):
            outputs[depth] = x = block(x)
        return [outputs[int(depth)] for depth in depths]


def weighted(weights: Tensor, terms: Iterable[Tensor]) -> Tensor:
    """Return the weighted sum of tensors of one shape."""
    products = [weight * term for weight, term in zip(weights, terms, strict=True)]
    total: Tensor = sum(products[1:], products[0])
    return total
