"""Modules of a supernet that run what is chosen, or a weighted sum of all there is.

What is chosen stands in a `Row`, one a choice, which all modules that the choice decides share: so
to choose is to set a few attributes, however many modules there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from model_hub.choices import Chosen, Value

__all__ = ["Row", "Stage", "Switch"]


@dataclass(slots=True, eq=False)
class Row:
    """What is chosen of some candidates.

    Args:
        name: Its name: the label of the choice.
        candidates: What there is to choose from.
        chosen: The candidate that runs; None where the choice does not matter, so that the module
            passes its input on.
        weights: One for each candidate: then all run, and their weighted sum counts.
    """

    name: str
    candidates: tuple[Value, ...]
    chosen: Chosen | None = None
    weights: Tensor | None = None

    def choose(self, value: Chosen | None) -> None:
        """Run this candidate alone from now on, or none."""
        self.chosen = value
        self.weights = None


class Switch(nn.ModuleDict):
    """The candidates of one place, by name.

    Args:
        row: What is chosen of them.
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
    """Blocks of which the first few are kept.

    Args:
        row: How many; its candidates are numbers of blocks.
        blocks: All blocks.
    """

    def __init__(self, row: Row, blocks: Iterable[nn.Module]) -> None:
        super().__init__(*blocks)
        self.row = row

    def forward(self, x: Tensor) -> Tensor:
        """Apply the blocks that are kept, or return the weighted sum of the outputs after each."""
        row = self.row
        if row.weights is not None:
            return weighted(row.weights, self._outputs(x, row.candidates))
        for block in list(self)[: row.chosen]:  # type: ignore[index]  # an integer
            x = block(x)
        return x

    def _outputs(self, x: Tensor, depths: Sequence[Value]) -> list[Tensor]:
        """Return what comes out after each number of blocks."""
        outputs = {0: x}
        for depth, block in enumerate(self, start=1):
            outputs[depth] = x = block(x)
        return [outputs[int(depth)] for depth in depths]


def weighted(weights: Tensor, terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of tensors of one shape, each times its weight."""
    products = [weight * term for weight, term in zip(weights, terms, strict=True)]
    total: Tensor = sum(products[1:], products[0])
    return total
