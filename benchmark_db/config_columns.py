"""Columns of exports that describe a configuration, made of the columns of the database's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from benchmark_spec import BenchmarkSpec, OpenSpace

__all__ = ["Column", "ConfigColumn", "Kind", "columns_of_spec", "json_text"]

Kind: TypeAlias = Literal["integer", "number", "text", "boolean"]
"""What values of a column are: 64-bit integers, doubles, UTF-8; each may be null."""

_KEPT: Final = 4096
"""Converted values to cache: the runs of an architecture come one after the other."""


@dataclass(frozen=True)
class Column:
    """A column of an export.

    Attributes:
        name: Its name, the same everywhere.
        kind: What its values are.
    """

    name: str
    kind: Kind


@dataclass(frozen=True)
class ConfigColumn(Column):
    """A column of the configuration.

    Attributes:
        source: The column of the database's rows that it is made of; the one of its name if empty.
        convert: Makes a value of one of that column; None where they are the same.
    """

    source: str = ""
    convert: Callable[[Any], Any] | None = None

    def values(self, rows: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
        """Return the values for rows that are given as columns."""
        found = rows[self.source or self.name]
        if self.convert is None:
            return found
        return list(map(lru_cache(_KEPT)(self.convert), found))


def columns_of_spec(spec: BenchmarkSpec, space: OpenSpace, numbered_by: str) -> list[ConfigColumn]:
    """Return the columns that a description says a configuration has.

    Args:
        spec: The description.
        space: Its architectures.
        numbered_by: The column of the database's rows that has their numbers.
    """

    def text(number: int) -> str:
        return str(space.names(number)["arch_str"])

    return [
        ConfigColumn("index", "integer", numbered_by),
        ConfigColumn("arch_str", "text", numbered_by, text),
        *(
            # Names are stored as their places.
            ConfigColumn(axis.name, axis.kind, "", axis.values.__getitem__)
            if axis.kind == "text"
            else ConfigColumn(axis.name, axis.kind)
            for axis in spec.axes
        ),
        *(ConfigColumn(column.name, column.kind) for column in spec.described_by),
    ]


def json_text(value: Any) -> str:
    """Return a value as JSON with sorted keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
