"""Plans, which set the modules of a supernet to the network of a sample or to a mixture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from model_hub.choices import Chosen
from model_hub.sharing import LayerSize, chosen_of
from nas_search.oneshot.sliced import told_modules
from nas_search.oneshot.switches import Row

__all__ = ["Plan", "RowPlan", "SlicedPlan"]


@dataclass(eq=False)
class Plan(ABC):
    """Controls which modules of a supernet are active.

    Args:
        rows: The rows of candidates that can be mixed, by name.
    """

    rows: dict[str, Row]

    @abstractmethod
    def activate(self, values: Mapping[str, Any]) -> None:
        """Activate the network of a sample, given its resolved values."""

    @abstractmethod
    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Activate the mixture with the given weights, one tensor for each row."""

    @abstractmethod
    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return the most probable sample, given one tensor of probabilities for each row."""


class RowPlan(Plan):
    """The plan of a space in which each row is a choice."""

    def activate(self, values: Mapping[str, Any]) -> None:
        """Choose the value of each label, None for inactive choices."""
        for label, row in self.rows.items():
            row.choose(chosen_of(values, label))

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Set the weights of the candidates of each row."""
        for name, row in self.rows.items():
            row.weights = weights[name]

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return the most probable candidate of each row."""
        return {
            name: row.candidates[int(probabilities[name].argmax())]
            for name, row in self.rows.items()
        }


class SlicedPlan(RowPlan):
    """The plan of a space whose layers share slices of weights.

    Args:
        rows: The rows of choices of a module, or of a number of blocks.
        network: The sliced network.
        layer_sizes: Yields the sizes of layers for the resolved values of a sample.
    """

    def __init__(
        self,
        rows: dict[str, Row],
        network: nn.Module,
        layer_sizes: Callable[[Mapping[str, Any]], Iterable[LayerSize]],
    ) -> None:
        super().__init__(rows)
        self.network = network
        self.layer_sizes = layer_sizes
        self.modules: dict[tuple[str, str], list[nn.Module]] = {}

    def activate(self, values: Mapping[str, Any]) -> None:
        """Choose the value of each label, and set the sizes of layers."""
        super().activate(values)
        for path, what, number in self.layer_sizes(values):
            modules = self.modules.get((path, what))
            if modules is None:
                modules = self.modules[path, what] = told_modules(self.network, path, what)
            for module in modules:
                module.__dict__[what] = number
