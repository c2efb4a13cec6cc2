"""From rows of the database to items of an answer: reduced or not, with curves or without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import Any, Literal, TypeAlias

from benchmark_db.curves import MalformedCurvesError, decode_curves
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.reduction import Reduction, reduce_columns, reduce_values

__all__ = ["CurveShape", "Item", "ItemMaker", "Key", "Row"]

Item: TypeAlias = dict[str, Any]
"""An answer ready for JSON: the configuration, the run's label, the statistics."""

Row: TypeAlias = Sequence[Any]
"""A run: configuration columns, label, statistics and, when asked for, packed curves."""

Key: TypeAlias = tuple[Any, ...]
"""The place of an item in the order of an answer."""

CurveShape: TypeAlias = Literal["epochs", "columns"]
"""`epochs`: one object an epoch, as `intermediates`. `columns`: one list a statistic."""

Curves: TypeAlias = tuple[int, list[list[float | None] | None]]


@dataclass(frozen=True, kw_only=True)
class ItemMaker:
    """Makes items of the rows of one benchmark.

    Attributes:
        config: Gives the `config` object for the configuration columns of a row.
        config_width: How many columns those are.
        key_width: How many of them, from the first, are part of the key.
        label: Name of the column that follows them.
        stats: Names of the statistics that follow the label.
        curves: Names of the packed curves.
    """

    config: Callable[..., Item]
    config_width: int
    key_width: int
    label: str
    stats: tuple[str, ...]
    curves: tuple[str, ...]

    def items(
        self, rows: Iterable[Row], how: Reduction | None, shape: CurveShape | None
    ) -> Iterator[tuple[Key, Item]]:
        """Yield each item with its key; rows come in key order."""
        if how is None:
            return (self._of_run(row, shape) for row in rows)
        groups = groupby(rows, key=lambda row: row[: self.config_width])
        return (self._of_runs(list(runs), how, shape) for _, runs in groups)

    def _of_run(self, row: Row, shape: CurveShape | None) -> tuple[Key, Item]:
        width = self.config_width
        label = row[width]
        item = {"config": self.config(*row[:width]), self.label: label, "num_runs": 1}
        if shape != "columns":
            item.update(zip(self.stats, row[width + 1 :], strict=False))
        if shape is not None:
            item.update(self._shaped(self._unpacked(row[-1]), shape))
        return (*row[: self.key_width], label), item

    def _of_runs(
        self, runs: Sequence[Row], how: Reduction, shape: CurveShape | None
    ) -> tuple[Key, Item]:
        width = self.config_width
        config = runs[0][:width]
        item: Item = {"config": self.config(*config), self.label: None, "num_runs": len(runs)}
        if shape != "columns":
            columns = list(zip(*runs, strict=True))[width + 1 :]
            item.update(
                (name, reduce_values(values, how))
                for name, values in zip(self.stats, columns, strict=False)
            )
        if shape is not None:
            item.update(self._shaped(self._reduced(runs, how), shape))
        return tuple(config[: self.key_width]), item

    def _reduced(self, runs: Sequence[Row], how: Reduction) -> Curves:
        unpacked = [self._unpacked(run[-1]) for run in runs]
        num_epochs = max(length for length, _ in unpacked)
        columns = zip(*(curves for _, curves in unpacked), strict=True)
        return num_epochs, [reduce_columns(curves, how) for curves in columns]

    def _unpacked(self, data: bytes | None) -> Curves:
        if data is None:
            return 0, [None] * len(self.curves)
        try:
            return decode_curves(data, len(self.curves))
        except MalformedCurvesError as error:
            raise UnusableDatabaseError(f"the database is damaged: {error}") from error

    def _shaped(self, curves: Curves, shape: CurveShape) -> Item:
        num_epochs, columns = curves
        epochs = range(1, num_epochs + 1)
        full = [[None] * num_epochs if column is None else column for column in columns]
        names = ("current_epoch", *self.curves)
        if shape == "columns":
            return dict(zip(names, (list(epochs), *full), strict=True))
        # The one loop that runs hundreds of times a question: left to C.
        rows = map(zip, repeat(names), zip(epochs, *full, strict=True))
        return {"intermediates": list(map(dict, rows))}
