"""Columns of exports that describe a configuration, derived from the columns of database rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from benchmark_spec import BenchmarkSpec, OpenSpace

__all__ = ["Column", "ConfigColumn", "Kind", "columns_of_spec", "json_text"]

Kind: TypeAlias = Literal["integer", "number", "text", "boolean"]
"""Type of a column's values: 64-bit integers, doubles, UTF-8, truth values; each may be null."""

_CACHED_VALUES: Final = 4096
"""Size of the cache of converted values; the runs of an architecture are consecutive rows."""


@dataclass(frozen=True)
class Column:
    """A column of an export.

    Attributes:
        name: Its name, the same in all formats.
        kind: Type of its values.
    """

    name: str
    kind: Kind


@dataclass(frozen=True)
class ConfigColumn(Column):
    """A column of the configuration.

    Attributes:
        source: The database column that it is derived from; that of the same name if empty.
        convert: Converts a value of that column; None if values are taken unchanged.
    """

    source: str = ""
    convert: Callable[[Any], Any] | None = None

    def values(self, rows: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
        """Return the values for rows that are given as columns."""
        found = rows[self.source or self.name]
        if self.convert is None:
            return found
        return list(map(lru_cache(_CACHED_VALUES)(self.convert), found))


def columns_of_spec(spec: BenchmarkSpec, space: OpenSpace, numbered_by: str) -> list[ConfigColumn]:
    """Return the columns of a configuration according to a benchmark's description.

    Args:
        spec: The description.
        space: The space of its architectures.
        numbered_by: The database column of the architectures' indices.
    """

    def text(number: int) -> str:
        return str(space.names(number)["arch_str"])

    return [
        ConfigColumn("index", "integer", numbered_by),
        ConfigColumn("arch_str", "text", numbered_by, text),
        *(
            # The database stores positions of names.
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
