"""Budgets: the limits that end a run of a study."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_search.errors import ProblemError

__all__ = ["Budget"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The limits of a run; the first one reached ends it.

    Args:
        trials: Number of trials of the study, including those of earlier runs.
        seconds: Wall-clock seconds of this run.
        cost: Seconds of evaluation. On a table, the simulated clock, which several machines share
            and no trial exceeds; otherwise the total over all evaluations of the study, which the
            last one may exceed.
        until: Target values by metric. The run ends once the best trial is within the bounds and
            at least as good in all of them.

    Raises:
        ProblemError: No limit is given, or one is not a number above 0.
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
        """The given limits, by name."""
        limits: dict[str, Any] = {
            "trials": self.trials,
            "seconds": self.seconds,
            "cost": self.cost,
            "until": dict(self.until) or None,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}
