"""What a supernet has to be told so that it becomes the network of a sample, or a mixture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from model_hub.choices import Chosen
from nas_search.oneshot.switches import Row

__all__ = ["Plan", "RowPlan"]


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
            row.choose(values.get(label))

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
