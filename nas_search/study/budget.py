"""Budgets: when a run of a search ends."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_search.errors import ProblemError

__all__ = ["Budget"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a study may use; the first limit that is reached ends a run.

    Args:
        trials: Trials of the study, those of earlier runs among them.
        seconds: Of this run, by the clock on the wall.
        cost: In seconds. On a table those of the simulated clock, which several machines share and
            no trial passes; else those of all evaluations of the study together, the last of which
            may.
        until: A value by metric: the run ends with a trial, within the bounds, that is as good in
            all of them.

    Raises:
        ProblemError: A limit is no number above 0, or there is none.
    """

    trials: int | None = None
    seconds: float | None = None
    cost: float | None = None
    until: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.limits
        for name, limit in given.items():
            if name == "until":
                continue
            kinds = int if name == "trials" else (int, float)
            fits = isinstance(limit, kinds) and not isinstance(limit, bool)
            if not fits or not 0 < limit <= sys.float_info.max:
                wanted = "a whole number from 1" if name == "trials" else "a number above 0"
                raise ProblemError(f"the budget has {name} = {limit!r:.80}; it is {wanted}")
        if not given:
            raise ProblemError("the budget has no limit: give trials, seconds, cost or until")

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that there are, by name."""
        limits: dict[str, Any] = {
            "trials": self.trials,
            "seconds": self.seconds,
            "cost": self.cost,
            "until": dict(self.until) or None,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}
