"""Builds the SQL statements that fetch the runs of a benchmark, joined, filtered and ordered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import peewee
from peewee import SQL

from benchmark_db.errors import InvalidQuestionError, shown

__all__ = [
    "KEYS_PARAMETER",
    "Join",
    "Order",
    "RunSource",
    "Selection",
    "sorted_by",
]


@dataclass(frozen=True)
class Order:
    """A total order of runs.

    Attributes:
        columns: Columns by which runs are compared, in turn.
        descending: Whether the largest comes first, ties included.
        through: A bounded column whose index finds the runs, which are then sorted. None: runs are
            read in order from the index of `columns`.
    """

    columns: tuple[str, ...]
    descending: bool = False
    through: str | None = None


def sorted_by(sort: Any, sortable: Sequence[str], key: Sequence[str]) -> Order:
    """Return the sort order that a caller requests.

    Args:
        sort: A field, with a leading minus for descending.
        sortable: The fields that are allowed.
        key: Columns that order runs with the same value.

    Raises:
        InvalidQuestionError: There is no such field.
    """
    field = sort.removeprefix("-") if isinstance(sort, str) else ""
    if field not in sortable:
        known = f"known are {', '.join(sortable)}" if sortable else "this benchmark has one order"
        raise InvalidQuestionError("sort", f"cannot sort by {shown(sort)}; {known}")
    return Order((field, *key), descending=sort.startswith("-"))


KEYS_PARAMETER: Final = "keys"
"""Named parameter of a batch: the keys of its architectures, a JSON list."""

Join: TypeAlias = tuple[type[peewee.Model], peewee.Expression]
"""A table, and the condition that joins a row of it to a run."""

Comparison: TypeAlias = Literal["=", ">=", "<="]


@dataclass(frozen=True)
class Selection:
    """The runs that a statement fetches, up to the values of its parameters.

    Attributes:
        given: Columns that must equal the parameter of the same name, and names of bounds.
        among: Column whose value must be among the keys of a batch, if any.
        after: Number of the ordering columns that a cursor gives.
        with_curves: Whether the packed curves come last in each row.
    """

    given: frozenset[str]
    among: str | None = None
    after: int = 0
    with_curves: bool = False


@dataclass(frozen=True, kw_only=True)
class RunSource:
    """The tables of a benchmark, joined into one row per run.

    Attributes:
        table: Has one row per run; unqualified columns are its own.
        packed_curves: The column of the packed curves.
        joined: Tables with more columns; each has exactly one row for every run.
        curves_in: The table of the packed curves, if separate; a run may have no row in it.
        columns: Columns of the joined tables and computed ones, by name.
        bounds: By the name of the bound's parameter, the column and whether it must be at least
            (`>=`) or at most (`<=`) the bound.
    """

    table: type[peewee.Model]
    packed_curves: peewee.Node
    joined: Sequence[Join] = ()
    curves_in: Join | None = None
    columns: Mapping[str, peewee.Node] = field(default_factory=dict)
    bounds: Mapping[str, tuple[str, Comparison]] = field(default_factory=dict)

    def query(
        self, columns: Iterable[str], order: Order, selection: Selection
    ) -> peewee.ModelSelect:
        """Return the query for some columns of the selected runs, in order.

        Its values are named parameters: each name of `selection.given`, `KEYS_PARAMETER`, and
        `after_0`, `after_1`, … for a cursor.
        """
        chosen = [self._column(name) for name in columns]
        if selection.with_curves:
            chosen.append(self.packed_curves)
        query = self.table.select(*chosen)
        for table, condition in self.joined:
            query = query.join_from(self.table, table, on=condition)
        if selection.with_curves and self.curves_in is not None:
            table, condition = self.curves_in
            query = query.join_from(self.table, table, peewee.JOIN.LEFT_OUTER, on=condition)
        for name in sorted(selection.given):
            query = query.where(self._condition(name, order))
        if selection.among is not None:
            keys = SQL(f"(SELECT value FROM json_each(:{KEYS_PARAMETER}))")  # noqa: S608 - a constant
            query = query.where(self._column(selection.among).in_(keys))
        key = [self._column(name) for name in order.columns]
        if order.through is not None:
            key = [_without_index(column) for column in key]
        if selection.after:
            position = SQL(f"({', '.join(f':after_{rank}' for rank in range(selection.after))})")
            place = peewee.Tuple(*key[: selection.after])
            query = query.where(place < position if order.descending else place > position)
        return query.order_by(*(column.desc() for column in key) if order.descending else key)

    def count(self) -> peewee.ModelSelect:
        """Return the query for the number of runs."""
        return self.table.select(peewee.fn.COUNT(SQL("*")))

    def _condition(self, parameter: str, order: Order) -> Any:
        name, comparison = self.bounds.get(parameter, (parameter, "="))
        column, value = self._column(name), SQL(f":{parameter}")
        if comparison == "=":
            return column == value
        if name != (order.through or order.columns[0]):
            # Otherwise SQLite might sort everything within the bound for every page.
            column = _without_index(column)
        return column >= value if comparison == ">=" else column <= value

    def _column(self, name: str) -> Any:
        return self.columns[name] if name in self.columns else getattr(self.table, name)


def _without_index(column: peewee.Node) -> Any:
    """Return a column in a form for which SQLite uses no index."""
    return peewee.NodeList((SQL("+"), column), glue="")
