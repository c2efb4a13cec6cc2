"""Studies of a sum of two choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nas_search.problems import FunctionProblem
from nas_search.strategies import RandomSearch
from nas_search.study import Study

__all__ = ["CHOICES", "study_of", "total"]

CHOICES: Final = {"x": list(range(6)), "y": list(range(6))}


def total(sample: Mapping[str, Any]) -> float:
    """Return what is sought: the sum."""
    return float(sample["x"] + sample["y"])


def study_of(function: Any = total, strategy: Any = None, **options: Any) -> Study:
    """Return a study of a function, by random search unless another strategy is given."""
    return Study(None, FunctionProblem(CHOICES, function, **options), strategy or RandomSearch())
