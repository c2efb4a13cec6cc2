"""Statements whose SQL is written once, with names where each use puts its values.

Peewee writes the SQL of a query anew whenever it is executed. For a claim, which asks for much in
one statement, that is most of its processor time, so its SQL is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import AsIs, Field

__all__ = ["Statement", "named"]


@dataclass(frozen=True, slots=True)
class _Name:
    text: str


def named(name: str) -> Any:
    """Return what stands in a query for a value that each use of its statement gives."""
    # With the converter of the column beside it, the name itself would become such a value.
    return AsIs(_Name(name), converter=False)


class Statement:
    """The SQL of a query, for one kind of database.

    Args:
        sql: Its text, with the marks of the database's driver for values.
        values: The value of each mark: a constant, or what `named` returned.
        fields: The columns of its rows, in their order.
    """

    def __init__(self, sql: str, values: Sequence[Any], fields: Sequence[Field]) -> None:
        self.sql = sql
        self._values = tuple(values)
        self._columns: list[tuple[str, Any]] = [(one.name, one.python_value) for one in fields]

    def parameters(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the value of each mark.

        Raises:
            KeyError: One is not given.
        """
        return [given[one.text] if isinstance(one, _Name) else one for one in self._values]

    def row(self, found: Sequence[Any]) -> dict[str, Any]:
        """Return a row by the names of its columns.

        Raises:
            ValueError: A value cannot be one of its column; TypeError means the same.
        """
        columns = zip(self._columns, found, strict=True)
        return {name: read(value) for (name, read), value in columns}
