"""Functions that evaluations in processes of their own load by name."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

from model_hub.choices import Categorical
from model_hub.search_space import SearchSpace
from nas_search.errors import StoppedEarlyError
from nas_search.problems import Report

CHOICES = {"x": list(range(6)), "y": list(range(6))}


def total(sample: dict[str, Any]) -> float:
    """Return the sum of the choices."""
    return float(sample["x"] + sample["y"])


def uneven(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, some of them later than others."""
    time.sleep(0.02 * (sample["x"] % 3))
    return total(sample)


def endless(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, or never."""
    if sample["x"] == 0:
        time.sleep(600)
    return total(sample)


def deadly(sample: dict[str, Any]) -> float:
    """Return the sum of the choices, or end the process."""
    if sample["x"] == 0:
        os._exit(7)
    return total(sample)


class Pairs:
    """A space of two numbers, of which nothing is built."""

    arguments: ClassVar[dict[str, Any]] = {}
    choices = SearchSpace(
        "pairs", (Categorical("first", tuple(range(6))), Categorical("second", tuple(range(6))))
    )


@dataclass(frozen=True)
class Curved:
    """Stands for a training: each sample has a curve of ten epochs, and may be stopped."""

    metrics: tuple[str, ...] = ("score", "seconds", "epochs")
    settings: dict[str, Any] = field(default_factory=dict)

    def evaluate(
        self, space: Any, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> dict[str, float]:
        """Report each epoch; what is reached is the sum of both choices."""
        del space
        figures: dict[str, float] = {}
        for epoch in range(1, (fidelity or 10) + 1):
            score = sum(sample.values()) * epoch / 10
            figures = {"epoch": epoch, "score": score, "loss": 1 / (1 + score)}
            if report("epoch", figures):
                raise StoppedEarlyError({**figures, "seconds": float(epoch)})
        return {**figures, "seconds": 10.0}
