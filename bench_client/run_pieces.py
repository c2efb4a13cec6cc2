"""Conversion of a response with runs as columns to items, pandas, polars and Arrow."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from pydantic import ValidationError

from bench_client.columns import Column, Kind, columns_of
from bench_client.errors import UnexpectedAnswerError
from bench_client.frames import PANDAS_TYPES, arrow, arrow_type, library, polars_type
from bench_client.models.answers import WireModel
from bench_client.models.run_columns import RunColumns, StoredColumn

__all__ = ["Piece"]

_ARROW_AS_STORED: Final[Mapping[Kind, str]] = {"whole": "int64", "real": "float64"}
"""By kind, types of columns whose bytes Arrow can use directly if no value is missing."""


@dataclass(frozen=True)
class Piece:
    """The response to one of several requests of a batch.

    Attributes:
        answer: The response.
        first: Number of architectures in earlier requests.
        model: Model of a run.
    """

    answer: RunColumns[Any]
    first: int
    model: type[WireModel]

    @property
    def stored(self) -> Mapping[str, StoredColumn]:
        """Columns other than those of the configurations, by name."""
        return self.answer.stored

    @cached_property
    def configs(self) -> Mapping[str, Column]:
        """Columns of the distinct configurations, by name."""
        kind = self.model.model_fields["config"].annotation
        columns = columns_of(cast("type[WireModel]", kind), self.answer.configs)
        return {column.name: column for column in columns}

    @cached_property
    def _places(self) -> Sequence[int]:
        """Position of each run's architecture in the request."""
        return self.stored["position"].numbers()

    @cached_property
    def _members(self) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of an item's fields, and their values by run."""
        fields = self.model.model_fields
        names = [name for name in self.stored if name in fields and name != "config"]
        places = self.stored["config"].numbers()
        configs = [self.answer.configs[place] for place in places]
        values = [configs, *(self.stored[name].values() for name in names)]
        return ["config", *names], list(zip(*values, strict=True))

    def items(self, place: int) -> list[Any]:
        """Return the runs of one architecture of the request as items.

        Raises:
            UnexpectedAnswerError: A value is invalid for its field.
        """
        begin, end = bisect_left(self._places, place), bisect_right(self._places, place)
        names, rows = self._members
        made = self.model.model_validate
        try:
            return [made(dict(zip(names, row, strict=True))) for row in rows[begin:end]]
        except ValidationError as error:
            raise UnexpectedAnswerError(f"the server sent an invalid run: {error!s:.300}") from None

    def values(self, column: Column) -> list[Any]:
        """Return the values of a column as Python objects."""
        if column.name in self.configs:
            values = self.configs[column.name].values
            return [values[place] for place in self.stored["config"].numbers()]
        if column.name == "position":
            return [self.first + place for place in self.stored["position"].numbers()]
        if column.name not in self.stored:
            return [self._default(column)] * self.answer.rows
        values = self.stored[column.name].values()
        if column.kind == "real":
            return [None if value is None else float(value) for value in values]
        return values

    def pandas_array(self, column: Column) -> Any:
        """Return the values of a column for pandas."""
        pandas = library("pandas")
        kind = PANDAS_TYPES[column.kind, column.nullable]
        if column.name in self.configs:
            places, _ = self.stored["config"].to_numpy()
            return pandas.array(self.configs[column.name].values, dtype=kind).take(places)
        if column.name == "position":
            places, _ = self.stored["position"].to_numpy()
            return places.astype(kind) + self.first
        if column.name not in self.stored:
            return pandas.array([self._default(column)] * self.answer.rows, dtype=kind)
        if self.stored[column.name].what.type == "none":
            return pandas.array([None] * self.answer.rows, dtype=kind)
        return _pandas_array(self.stored[column.name], column.kind, kind)

    def polars_frame(self, columns: Sequence[Column]) -> Any:
        """Return columns as a polars data frame, without numpy."""
        polars = library("polars")
        types = {column.name: polars_type(column.kind) for column in columns}
        configs = [
            polars.Series(name, held.values, types[name]) for name, held in self.configs.items()
        ]
        of_runs = polars.DataFrame(configs)[self.stored["config"].numbers().tolist()]
        own = [
            polars.Series(column.name, self._with_nans(column), types[column.name])
            for column in columns
            if column.name not in self.configs
        ]
        return polars.DataFrame(own).fill_nan(None).hstack(of_runs).select(*types)

    def arrow_array(self, column: Column) -> Any:
        """Return the values of a column as an Arrow array."""
        core, kind = arrow(), arrow_type(column.kind)
        found = self._coded(column)
        if found is not None:
            values, codes = found
            return core.Array(values, kind).take(core.Array(codes, core.DataType.int32()))
        held = self.stored.get(column.name)
        is_same = held is not None and held.what.type == _ARROW_AS_STORED.get(column.kind)
        if held is None or not is_same or held.lacks_any:
            return core.Array(self.values(column), kind)
        return core.Array.from_buffer(held.numbers())

    def _with_nans(self, column: Column) -> list[Any]:
        """Return the values of a column as Python objects; missing floats may be NaN."""
        held = self.stored.get(column.name)
        if held is not None and held.what.type == "float64":
            return held.numbers().tolist()
        return self.values(column)

    def _coded(self, column: Column) -> tuple[list[Any], list[int | None]] | None:
        """Return the distinct values of a column and the index of each run's value; None if plain.

        Plain columns hold the values themselves.
        """
        if column.name in self.configs:
            values = self.configs[column.name].values
            return values, self.stored["config"].numbers().tolist()
        held = self.stored.get(column.name)
        if held is None or held.what.type != "text":
            return None
        return list(held.what.legend), [code if code >= 0 else None for code in held.numbers()]

    def _default(self, column: Column) -> Any:
        """Return the value of a missing column: the default of its field."""
        return self.model.model_fields[column.name].default


def _pandas_array(stored: StoredColumn, kind: Kind, type_name: str) -> Any:
    """Return a stored column as a pandas array."""
    pandas = library("pandas")
    values, missing = stored.to_numpy()
    if kind == "text":
        return pandas.array(stored.what.legend, dtype=type_name).take(values, allow_fill=True)
    if kind == "real":
        reals = values.astype(type_name)
        reals[missing] = float("nan")
        return reals
    if type_name in {"Int64", "boolean"}:
        made = pandas.arrays.IntegerArray if kind == "whole" else pandas.arrays.BooleanArray
        return made(values.astype("int64" if kind == "whole" else "bool"), missing)
    return values.astype(type_name)
