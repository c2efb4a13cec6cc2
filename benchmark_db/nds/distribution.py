"""How the networks of each design space are distributed: the figures of the paper as numbers.

The empirical distribution function of an error says which part of a space's networks reach it: a
space is better than another where its function lies above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from peewee import SQL

from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.items import Item
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.streams import BOUNDS
from benchmark_db.nds.tables import SPACE_COLUMNS, STATS, Run
from benchmark_db.questions import known_filters
from benchmark_db.reduction import reduce_values

__all__ = ["DISTRIBUTION_FILTERS", "ERRORS", "MAX_POINTS", "METRICS", "distributions", "families"]

MAX_POINTS: Final = 1000
"""Most steps of one distribution function."""

_SPLITS: Final = ("final_train", "best_train", "final_test", "best_test")
ERRORS: Final = {f"{split}_error": f"{split}_acc" for split in _SPLITS}
"""Errors by the accuracy that they are 100 minus, both in percent."""

METRICS: Final = (*ERRORS, *STATS)
"""What a distribution can be asked of."""

DISTRIBUTION_FILTERS: Final = (*SPACE_COLUMNS, *BOUNDS)
"""The filters that select what is counted."""

_PERCENT: Final = 100
_DECIMALS: Final = 10

_COUNTS: Final = """
    SELECT space, runs, configurations, architectures
    FROM (
        SELECT space, COUNT(*) AS runs, COUNT(DISTINCT configuration) AS configurations
        FROM run GROUP BY space
    )
    JOIN (SELECT space, COUNT(DISTINCT architecture) AS architectures FROM run GROUP BY space)
    USING (space)
"""
"""In two parts, since no one index holds what both count."""


def families(nds: Nds) -> list[Item]:
    """Return the design spaces as sampled and trained, and how much of each there is."""
    counts = {space: numbers for space, *numbers in nds.database.rows(_COUNTS)}
    names = ("runs", "configurations", "architectures")
    return [
        {name: space[name] for name in SPACE_COLUMNS}
        | dict(zip(names, counts[space["id"]], strict=True))
        for space in nds.spaces
    ]


def distributions(
    nds: Nds, metric: Any, filters: Mapping[str, Any], *, points: int = 100
) -> list[Item]:
    """Return the distribution of a metric in each design space, over its configurations.

    A configuration counts once, with the mean over its runs.

    Args:
        nds: The benchmark.
        metric: One of `METRICS`.
        filters: Values by name, of `DISTRIBUTION_FILTERS`; None and absent names are wildcards.
        points: Most steps of a function, 1 to `MAX_POINTS`; with as many configurations or fewer
            the steps are all there are.

    Raises:
        InvalidQuestionError: The metric, a filter or the number of points is malformed.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    if metric not in METRICS:
        raise InvalidQuestionError(
            "metric", f"unknown metric {shown(metric)}; known are {', '.join(METRICS)}"
        )
    if type(points) is not int or not 1 <= points <= MAX_POINTS:
        raise InvalidQuestionError("points", f"{shown(points)} is not in 1 to {MAX_POINTS}")
    known = {name: nds.filters[name] for name in DISTRIBUTION_FILTERS}
    spaces, bounds = nds.selected_spaces(known_filters(filters, known))
    found = dict(_means(nds, ERRORS.get(metric, metric), spaces, bounds))
    return [
        {name: space[name] for name in SPACE_COLUMNS}
        | {"metric": metric}
        | _described(found[space["id"]], points, flipped=metric in ERRORS)
        for space in nds.spaces
        if space["id"] in found
    ]


def _means(
    nds: Nds, column: str, spaces: Sequence[int], bounds: Mapping[str, Any]
) -> Iterator[tuple[int, list[float | None]]]:
    """Yield the number of each space and the means over the runs of its configurations."""
    listed = SQL("(SELECT value FROM json_each(:spaces))")
    query = Run.select(Run.space, Run.configuration, getattr(Run, column)).where(
        Run.space.in_(listed)
    )
    for name in bounds:
        field, bound = getattr(Run, BOUNDS[name][0]), SQL(f":{name}")
        query = query.where(field >= bound if BOUNDS[name][1] == ">=" else field <= bound)
    query = query.order_by(Run.space, Run.configuration, Run.run)
    parameters = {**bounds, "spaces": orjson.dumps(spaces).decode()}
    rows = nds.database.rows(nds.database.compile(query), parameters)
    for space, of_space in groupby(rows, key=itemgetter(0)):
        yield (
            space,
            [
                reduce_values([value for _, _, value in runs], "mean")
                for _, runs in groupby(of_space, key=itemgetter(1))
            ],
        )


def _described(means: Sequence[float | None], points: int, *, flipped: bool) -> Item:
    recorded = np.array([mean for mean in means if mean is not None], dtype=np.float64)
    if flipped:
        recorded = np.round(_PERCENT - recorded, _DECIMALS)
    ascending = np.sort(recorded)
    value, fraction = _steps(ascending, points)
    numbers = ascending.tolist()
    return {
        "count": len(numbers),
        "not_recorded": len(means) - len(numbers),
        "min": numbers[0] if numbers else None,
        "max": numbers[-1] if numbers else None,
        "mean": reduce_values(numbers, "mean") if numbers else None,
        "std": reduce_values(numbers, "std") if numbers else None,
        "value": value.tolist(),
        "fraction": fraction.tolist(),
    }


def _steps(
    ascending: NDArray[np.float64], points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values and which part of all is at most each: points of the distribution function.

    They are every n-th of all values, with the largest, each once.
    """
    count = len(ascending)
    ranks = -(-np.arange(1, points + 1) * count // points)
    value = np.unique(ascending[ranks - 1]) if count else ascending
    return value, np.searchsorted(ascending, value, side="right") / max(count, 1)
