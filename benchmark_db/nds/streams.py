"""Sorted reads of NDS: one stream of runs per design space, merged into the order of a page.

Every index starts with the space, so that a question about a few spaces never reads the runs of the
others. Each stream starts at the position of the cursor, through the most selective index.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final

import orjson
import peewee
from peewee import SQL

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.nds.tables import RANGED, Run
from benchmark_db.run_source import Comparison, Order, RunSource, Selection

__all__ = ["BOUNDS", "Streams"]

BOUNDS: Final[Mapping[str, tuple[str, Comparison]]] = {
    **{f"min_{name}": (name, ">=") for name in RANGED},
    **{f"max_{name}": (name, "<=") for name in RANGED},
}
"""Bounds of questions by name: the column and the side."""

_FEW: Final = 4000
"""Runs that can be found by their index and sorted within the time of a page. If more runs match
every bound, a page is filled before many others have been skipped."""

_SPACE: Final = "space"
_BEFORE_ALL: Final = -1
_AFTER_ALL: Final = 2**63 - 1
"""Numbers below and above those of all configurations."""


class Streams:
    """Finds the runs that a question selects, in order.

    Args:
        database: The database.
        source: Its tables.
    """

    def __init__(self, database: ReadOnlyDatabase, source: RunSource) -> None:
        self._database = database
        self._source = source
        self._statement = lru_cache(maxsize=256)(self._compiled)

    def places(
        self,
        order: Order,
        where: Mapping[str, Any],
        spaces: Sequence[int],
        position: Sequence[float | str],
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the position in the order, then the id, of each matching run after a position.

        Each space is queried separately, so that its part of an index leads straight to the
        position, past the runs of other spaces.

        Args:
            order: The order, by space first or second.
            where: Conditions by the names of their parameters, on anything but the space.
            spaces: Numbers of spaces, ascending.
            position: The position after which runs are yielded.

        Raises:
            InvalidQuestionError: The position is not in any space.
        """
        by_value = order.columns[0] != _SPACE
        within = Order(
            tuple(name for name in order.columns if name != _SPACE),
            order.descending,
            None
            if "arch" in where
            else _narrowest(self._database, where, spaces, order.columns[0]),
        )
        parts = (
            self._places_in(space, where, after, within, order.columns)
            for space, after in _positions(position, spaces, within, by_value=by_value)
        )
        if by_value:
            return heapq.merge(*parts, reverse=order.descending)
        return chain.from_iterable(parts)

    def _places_in(
        self,
        space: int,
        where: Mapping[str, Any],
        after: Sequence[float | str],
        order: Order,
        columns: tuple[str, ...],
    ) -> Iterator[tuple[Any, ...]]:
        sql = self._statement(frozenset(where) | {_SPACE}, len(after), order, columns)
        values = {f"after_{rank}": value for rank, value in enumerate(after)}
        # One statement per space: the same text cannot run twice at a time, and would have to be
        # prepared again for all streams but one.
        return self._database.rows(sql.replace(f":{_SPACE}", str(space)), {**where, **values})

    def _compiled(
        self, given: frozenset[str], after: int, order: Order, columns: tuple[str, ...]
    ) -> str:
        query = self._source.query((*columns, "id"), order, Selection(given, after=after))
        return self._database.compile(query)


def _positions(
    position: Sequence[float | str], spaces: Sequence[int], order: Order, *, by_value: bool
) -> Iterator[tuple[int, Sequence[float | str]]]:
    """Yield the spaces that have runs after a position, and the position within each.

    Args:
        position: Position in the order of all runs: the space first or, sorted by value, second.
        spaces: Numbers of spaces, ascending.
        order: The order within a space.
        by_value: Whether runs are sorted by a value.

    Raises:
        InvalidQuestionError: The position is not in any space.
    """
    if not position:
        yield from ((space, ()) for space in spaces)
        return
    value, (reached, *rest) = (position[:1], position[1:]) if by_value else ((), position)
    if not isinstance(reached, int):
        raise InvalidQuestionError("cursor", f"{shown(reached)} is not the number of a space")
    for space in spaces:
        if space == reached:
            yield space, (*value, *rest)
        elif (space < reached) == order.descending:
            # Runs of the same value come after the position if their space does.
            before = _AFTER_ALL if order.descending else _BEFORE_ALL
            yield space, (*value, before) if by_value else ()
        elif by_value:
            yield space, value


def _narrowest(
    database: ReadOnlyDatabase, where: Mapping[str, Any], spaces: Sequence[int], sorted_by: str
) -> str | None:
    """Return the bounded column that leaves the fewest runs, if few enough to be sorted.

    In the order of another column these runs could be so sparse that a page needs a scan.

    Args:
        database: The database.
        where: Conditions by the names of their parameters.
        spaces: Numbers of the requested spaces.
        sorted_by: The column that the answer is sorted by, whose index handles its own bounds.
    """
    counts: dict[str, int] = {}
    for column in sorted({BOUNDS[name][0] for name in where if name in BOUNDS}):
        bounds = tuple(sorted(name for name in where if BOUNDS.get(name, ("",))[0] == column))
        parameters = {
            **{name: where[name] for name in bounds},
            "spaces": orjson.dumps(spaces).decode(),
            "few": _FEW,
        }
        ((counts[column],),) = database.rows(_counting(database, column, bounds), parameters)
    column = min(counts, key=counts.__getitem__, default=sorted_by)
    return None if column == sorted_by or counts[column] >= _FEW else column


@cache
def _counting(database: ReadOnlyDatabase, column: str, bounds: Collection[str]) -> str:
    """Return the statement that counts, up to a limit, the runs within the bounds of a column."""
    field = getattr(Run, column)
    listed = SQL("(SELECT value FROM json_each(:spaces))")
    within = Run.select(SQL("1")).where(Run.space.in_(listed)).limit(SQL(":few"))
    for name in bounds:
        bound = SQL(f":{name}")
        within = within.where(field >= bound if BOUNDS[name][1] == ">=" else field <= bound)
    return database.compile(peewee.Select([within], [peewee.fn.COUNT(SQL("*"))]))
