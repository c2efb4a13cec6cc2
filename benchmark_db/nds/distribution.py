"""Distributions of errors and other metrics in each design space of NDS, as plotted in the paper.

The empirical distribution function of an error is the fraction of a space's networks with at most
that error: one space is better than another where its function lies above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from peewee import SQL

from benchmark_db.distribution import MAX_POINTS, described
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.items import Item, reduce_values
from benchmark_db.nds.streams import BOUNDS
from benchmark_db.nds.tables import SPACE_COLUMNS, STATS, Run
from benchmark_db.questions import checked_count, known_filters

if TYPE_CHECKING:
    from benchmark_db.nds.benchmark import Nds

__all__ = ["DISTRIBUTION_FILTERS", "ERRORS", "METRICS", "distributions", "families"]

_SPLITS: Final = ("final_train", "best_train", "final_test", "best_test")
ERRORS: Final = {f"{split}_error": f"{split}_acc" for split in _SPLITS}
"""Errors by name, with the accuracy that each is subtracted from 100 of, in percent."""

METRICS: Final = (*ERRORS, *STATS)
"""Metrics with a distribution."""

DISTRIBUTION_FILTERS: Final = (*SPACE_COLUMNS, *BOUNDS)
"""Filters that select the counted configurations."""

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
"""Two subqueries, since no single index holds all counted columns."""


def families(nds: Nds) -> list[Item]:
    """Return the design spaces with their numbers of runs, configurations and architectures."""
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
        points: Most points of a function, 1 to `MAX_POINTS`; with no more configurations than
            that, all are returned.

    Raises:
        InvalidQuestionError: The metric, a filter or the number of points is malformed, or there
            is no such space.
        TimeBudgetExceededError: The time budget of the database is spent.
    """
    if metric not in METRICS:
        raise InvalidQuestionError(
            "metric", f"unknown metric {shown(metric)}; known are {', '.join(METRICS)}"
        )
    points = checked_count("points", points, MAX_POINTS)
    known = {name: nds.filters[name] for name in DISTRIBUTION_FILTERS}
    where = known_filters(filters, known)
    spaces, bounds = nds.selected_spaces(where)
    nds.check_spaces(spaces, where)
    found = dict(_means(nds, ERRORS.get(metric, metric), spaces, bounds))
    return [
        {name: space[name] for name in SPACE_COLUMNS}
        | {"metric": metric}
        | described(_values(found[space["id"]], flipped=metric in ERRORS), points)
        for space in nds.spaces
        if space["id"] in found
    ]


def _means(
    nds: Nds, column: str, spaces: Sequence[int], bounds: Mapping[str, Any]
) -> Iterator[tuple[int, list[float | None]]]:
    """Yield the number of each space and the mean over the runs of each of its configurations."""
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


def _values(means: Sequence[float | None], *, flipped: bool) -> NDArray[np.float64]:
    values = np.array(means, dtype=np.float64)
    return np.round(_PERCENT - values, _DECIMALS) if flipped else values
