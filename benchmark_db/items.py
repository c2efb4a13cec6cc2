"""Makes the items of an answer from database rows: one per run or, reduced, per configuration.

Reductions are the mean, spread or extremes of several runs of one configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, get_args

from benchmark_db.curves import Curves, MalformedCurvesError
from benchmark_db.errors import UnusableDatabaseError

__all__ = [
    "COUNTED",
    "RECORDED",
    "REDUCTIONS",
    "SIZE_SOURCE",
    "CurveShape",
    "Item",
    "ItemMaker",
    "Reduction",
    "Row",
    "reduce_columns",
    "reduce_constant",
    "reduce_values",
]

Item: TypeAlias = dict[str, Any]
"""An answer ready for JSON: the configuration, the run's label, the statistics."""

Row: TypeAlias = Sequence[Any]
"""A run: configuration columns, label, statistics, for some benchmarks a column that counts runs,
and packed curves if requested."""

SIZE_SOURCE: Final = "size_source"
"""Field of a reduced item: whether its parameters and flops are recorded or computed."""
COUNTED: Final = "counted"
RECORDED: Final = "recorded"

CurveShape: TypeAlias = Literal["epochs", "columns"]
"""`epochs`: one object per epoch, as `intermediates`. `columns`: one list per statistic."""

Reduction: TypeAlias = Literal["mean", "std", "min", "max"]
REDUCTIONS: Final[tuple[Reduction, ...]] = get_args(Reduction)


@dataclass(frozen=True, kw_only=True)
class ItemMaker:
    """Makes items from the rows of one benchmark.

    Attributes:
        config: Returns the `config` object for the configuration columns of a row.
        config_width: Number of these columns.
        label: Name of the next column; None if items show neither a label nor a number of runs,
            because every configuration has one run.
        stats: Names of the statistics that follow the label.
        curves: Names of the packed curves.
        unpack: Returns the curves of a row whose last column holds them packed.
        may_be_counted: Whether some statistics may be computed from the structure.
        counted: Returns the statistics of a configuration that were computed from its structure
            because its runs disagree.
    """

    config: Callable[..., Item]
    config_width: int
    label: str | None
    stats: tuple[str, ...]
    curves: tuple[str, ...]
    unpack: Callable[[Row], Curves]
    may_be_counted: bool
    counted: Callable[[Row], Mapping[str, float]]

    def items(
        self, rows: Iterable[Row], how: Reduction | None, shape: CurveShape | None
    ) -> Iterator[tuple[Row, Item]]:
        """Yield each item with its first row; the runs of a configuration must be consecutive."""
        if how is None:
            return map(self._of_run, rows, repeat(shape))
        groups = groupby(rows, key=itemgetter(slice(self.config_width)))
        return (self._of_runs(list(runs), how, shape) for _, runs in groups)

    def _of_run(self, row: Row, shape: CurveShape | None) -> tuple[Row, Item]:
        width = self.config_width
        item: Item = {"config": self.config(*row[:width])}
        if self.label is not None:
            item[self.label], item["num_runs"] = row[width], 1
        if shape != "columns":
            item.update(zip(self.stats, row[width + 1 :], strict=False))
        if shape is not None:
            item.update(self._shaped(self._unpacked(row), shape))
        return row, item

    def _of_runs(
        self, runs: Sequence[Row], how: Reduction, shape: CurveShape | None
    ) -> tuple[Row, Item]:
        width = self.config_width
        config = runs[0][:width]
        item: Item = {"config": self.config(*config)}
        if self.label is not None:
            item[self.label], item["num_runs"] = None, len(runs)
        if shape != "columns":
            columns = list(zip(*runs, strict=True))[width + 1 :]
            for name, values in zip(self.stats, columns, strict=False):
                item[name] = reduce_values(values, how)
            if self.may_be_counted:
                counted = self.counted(config)
                item |= {name: reduce_constant(value, how) for name, value in counted.items()}
                item[SIZE_SOURCE] = COUNTED if counted else RECORDED
        if shape is not None:
            item.update(self._shaped(self._reduced(runs, how), shape))
        return runs[0], item

    def _reduced(self, runs: Sequence[Row], how: Reduction) -> Curves:
        unpacked = [self._unpacked(run) for run in runs]
        epochs = max((epochs for epochs, _ in unpacked), key=len)
        columns = zip(*(curves for _, curves in unpacked), strict=True)
        return epochs, [reduce_columns(curves, how) for curves in columns]

    def _unpacked(self, row: Row) -> Curves:
        try:
            return self.unpack(row)
        except MalformedCurvesError as error:
            raise UnusableDatabaseError(f"the database is damaged: {error}") from error

    def _shaped(self, curves: Curves, shape: CurveShape) -> Item:
        epochs, columns = curves
        full = [[None] * len(epochs) if column is None else column for column in columns]
        names = ("current_epoch", *self.curves)
        if shape == "columns":
            return dict(zip(names, (list(epochs), *full), strict=True))
        # The only loop that runs hundreds of times per question: done in C.
        rows = map(zip, repeat(names), zip(epochs, *full, strict=True))
        return {"intermediates": list(map(dict, rows))}


def reduce_values(values: Sequence[float | None], how: Reduction) -> float | None:
    """Reduce the recorded values of several runs; None if no run recorded one.

    `mean` does not depend on the order of the runs: the sum is exact before it is divided. `std`
    is the population standard deviation (divided by n, as the benchmark papers report it), 0 for
    a single run.
    """
    if None in values:
        values = [value for value in values if value is not None]
        if not values:
            return None
    return _REDUCERS[how](values)  # type: ignore[arg-type]  # no None is left


def reduce_constant(value: float, how: Reduction) -> float:
    """Return what `reduce_values` returns for runs that all have this value."""
    return 0.0 if how == "std" else value


def reduce_columns(
    curves: Sequence[Sequence[float | None] | None], how: Reduction
) -> list[float | None] | None:
    """Reduce the same curve of several runs epoch by epoch.

    Runs without the curve are left out, as are runs without a value at an epoch. Curves of unequal
    lengths are reduced over the runs that reach the epoch.
    """
    present = [curve for curve in curves if curve is not None]
    if not present:
        return None
    length = max(map(len, present))
    padded = [curve if len(curve) == length else _padded(curve, length) for curve in present]
    return [reduce_values(values, how) for values in zip(*padded, strict=True)]


def _padded(curve: Sequence[float | None], length: int) -> list[float | None]:
    return [*curve, *[None] * (length - len(curve))]


def _mean(values: Sequence[float]) -> float:
    # Equal values must be returned unchanged; the rounded quotient does not guarantee that.
    if values.count(values[0]) == len(values):
        return values[0]
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum overflows although the mean does not
        return math.fsum(value / len(values) for value in values)


def _std(values: Sequence[float]) -> float:
    mean = _mean(values)
    # hypot, because a diverged loss would overflow a sum of squares.
    return math.hypot(*(value - mean for value in values)) / math.sqrt(len(values))


_REDUCERS: Final[dict[Reduction, Callable[[Sequence[float]], float]]] = {
    "mean": _mean,
    "std": _std,
    "min": min,
    "max": max,
}
