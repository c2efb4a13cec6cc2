"""What a supernet has to be told so that it becomes the network of a sample, or a mixture."""

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
    """Tells the modules of a supernet what runs.

    Args:
        rows: What can be mixed, by name.
    """

    rows: dict[str, Row]

    @abstractmethod
    def activate(self, values: Mapping[str, Any]) -> None:
        """Run the network of a sample, given its resolved values."""

    @abstractmethod
    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Run the mixture of these weights, one tensor a row."""

    @abstractmethod
    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return labels and values of the best path, given one tensor a row."""


class RowPlan(Plan):
    """Of a space where each row is a choice."""

    def activate(self, values: Mapping[str, Any]) -> None:
        """Choose the value of each label, none where it does not matter."""
        for label, row in self.rows.items():
            row.choose(chosen_of(values, label))

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Weigh the candidates of each row."""
        for name, row in self.rows.items():
            row.weights = weights[name]

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return the most probable candidate of each row."""
        return {
            name: row.candidates[int(probabilities[name].argmax())]
            for name, row in self.rows.items()
        }


class SlicedPlan(RowPlan):
    """Of a space whose layers share slices.

    Args:
        rows: The choices that say what stands at a place, or how many blocks are kept.
        network: The sliced network.
        layer_sizes: Given the resolved values of a sample, yields the sizes of its layers.
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
        """Choose, and tell the layers their sizes."""
        super().activate(values)
        for path, what, number in self.layer_sizes(values):
            modules = self.modules.get((path, what))
            if modules is None:
                modules = self.modules[path, what] = told_modules(self.network, path, what)
            for module in modules:
                module.__dict__[what] = number
