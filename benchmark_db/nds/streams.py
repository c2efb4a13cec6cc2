"""The runs of NDS as one sorted stream a space: where each starts, and which index it follows.

Every index starts with the space, so that a question about a few spaces never meets the runs of
the others; the streams of several spaces are merged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
import peewee
from peewee import SQL

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import InvalidQuestionError, shown
from benchmark_db.nds.tables import RANGED, Run
from benchmark_db.ordering import Order
from benchmark_db.run_source import Comparison

__all__ = ["BOUNDS", "narrowest", "positions"]

BOUNDS: Final[Mapping[str, tuple[str, Comparison]]] = {
    **{f"min_{name}": (name, ">=") for name in RANGED},
    **{f"max_{name}": (name, "<=") for name in RANGED},
}
"""The bounds that a question may set: what they are called, the column, and which side."""

_FEW: Final = 4000
"""Runs that are found by their index and sorted in less time than a page may take. Where more lie
within every bound, a page is filled before many others have been passed over."""

_BEFORE_ALL: Final = -1
_AFTER_ALL: Final = 2**63 - 1
"""Numbers that no configuration has."""


def positions(
    position: Sequence[float | str], spaces: Sequence[int], order: Order, *, by_value: bool
) -> Iterator[tuple[int, Sequence[float | str]]]:
    """Yield the spaces with something after a position, and that position within each.

    Args:
        position: Place in the order of all runs: the space first or, sorted by value, second.
        spaces: Numbers of spaces, ascending.
        order: The order within a space.
        by_value: Whether runs are sorted by a value.

    Raises:
        InvalidQuestionError: The position names no space.
    """
    if not position:
        yield from ((space, ()) for space in spaces)
        return
    value, (reached, *rest) = (position[:1], position[1:]) if by_value else ((), position)
    if not isinstance(reached, int):
        raise InvalidQuestionError("cursor", f"{shown(reached)} is the number of no space")
    for space in spaces:
        if space == reached:
            yield space, (*value, *rest)
        elif (space < reached) == order.descending:
            # Runs of the same value come after the position if their space does.
            before = _AFTER_ALL if order.descending else _BEFORE_ALL
            yield space, (*value, before) if by_value else ()
        elif by_value:
            yield space, value


def narrowest(
    database: ReadOnlyDatabase, where: Mapping[str, Any], spaces: Sequence[int], sorted_by: str
) -> str | None:
    """Return the bounded column that leaves the fewest runs, if they are few enough to be sorted.

    In the order of another column they could be so far between that a page takes a scan.

    Args:
        database: The database.
        where: Conditions by the names of their parameters.
        spaces: Numbers of the spaces that are asked for.
        sorted_by: The column that the answer is sorted by, whose index holds its own bounds.
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
