"""Prepared SQL: statements compiled once, with named placeholders for the values of each use.

Peewee compiles a query whenever it is executed. For a claim, which is a large statement, that is
most of its processor time, so its SQL is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import AsIs, Field

__all__ = ["Statement", "placeholder"]


@dataclass(frozen=True, slots=True)
class _Placeholder:
    text: str


def placeholder(name: str) -> Any:
    """Return a placeholder in a query for a value that each use of the statement provides."""
    # With the converter of the adjacent column, the name itself would become the value.
    return AsIs(_Placeholder(name), converter=False)


class Statement:
    """The compiled SQL of a query, for one kind of database.

    Args:
        sql: Its text, with the parameter marks of the database driver.
        values: The value of each mark: a constant, or a result of `placeholder`.
        fields: The columns of its rows, in order.
    """

    def __init__(self, sql: str, values: Sequence[Any], fields: Sequence[Field]) -> None:
        self.sql = sql
        self._values = tuple(values)
        self._columns: list[tuple[str, Any]] = [(one.name, one.python_value) for one in fields]

    def parameters(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the value of each mark, given the values of the placeholders by name.

        Raises:
            KeyError: A value is missing.
        """
        return [given[one.text] if isinstance(one, _Placeholder) else one for one in self._values]

    def row(self, found: Sequence[Any]) -> dict[str, Any]:
        """Return a row as a dictionary by column.

        Raises:
            ValueError: A value is invalid for its column; TypeError means the same.
        """
        columns = zip(self._columns, found, strict=True)
        return {name: read(value) for (name, read), value in columns}
