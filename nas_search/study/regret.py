"""Simple regret over simulated time: how far the best so far is from the oracle.

With values that are means over the recorded runs, regret falls to 0 at best. A search that sees
single runs (`run_seed`) can find one above the best mean: its regret is negative then, and is
reported as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

from nas_search.errors import IncomparableRunsError
from nas_search.study.runs import RecordedRun

__all__ = ["Step", "regret_at", "regret_steps"]


class Step(NamedTuple):
    """A regret, from a time on.

    Attributes:
        time: Since when, in seconds.
        regret: In the unit of the metric, at least 0 against means.
    """

    time: float
    regret: float


def regret_steps(run: RecordedRun, oracle: float | None = None) -> list[Step]:
    """Return when the regret of a run changed, and to what.

    Args:
        run: The run.
        oracle: Instead of the run's own.

    Returns:
        The steps by ascending time; none when nothing was evaluated at the run's own budget.

    Raises:
        IncomparableRunsError: Neither the run nor the caller knows the oracle.
    """
    best = run.oracle if oracle is None else oracle
    if best is None:
        raise IncomparableRunsError(
            f"the run of {run.strategy}, seed {run.seed}, was recorded without an oracle: give its "
            "value"
        )
    sign = 1.0 if run.larger_is_better else -1.0
    steps: list[Step] = []
    for point in run.trajectory:
        if point.best is None:
            continue
        regret = sign * (best - point.best)
        if not steps or regret != steps[-1].regret:
            steps.append(Step(point.time, regret))
    return steps


def regret_at(steps: list[Step], time: float) -> float | None:
    """Return the regret at a time; None before the first evaluation was complete."""
    passed = bisect_right(steps, time, key=attrgetter("time"))
    return steps[passed - 1].regret if passed else None
