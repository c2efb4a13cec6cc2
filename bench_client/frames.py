"""Results of queries: lists that convert to pandas, polars and Arrow."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import islice
from operator import eq
from operator import index as as_integer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, SupportsIndex, TypeVar, overload

from pydantic import BaseModel

from bench_client.late_imports import LateModule
from missing_extra import needs

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from arro3.core import Table

    from bench_client import columns
    from bench_client.columns import Column, Kind
else:
    columns = LateModule("bench_client.columns")

__all__ = ["PANDAS_TYPES", "Batch", "Items", "Tabular"]
__all__ += ["arrow", "arrow_type", "library", "polars_type"]

T = TypeVar("T", bound=BaseModel)

PANDAS_TYPES: Final[Mapping[tuple[Kind, bool], str]] = MappingProxyType(
    {
        ("whole", False): "int64",
        ("whole", True): "Int64",
        ("real", False): "float64",
        ("real", True): "float64",
        ("truth", False): "bool",
        ("truth", True): "boolean",
        ("text", False): "string",
        ("text", True): "string",
    }
)
"""pandas types of columns, by kind and whether values may be missing (NaN for `float64`)."""

_POLARS: Final[Mapping[Kind, str]] = MappingProxyType(
    {"whole": "Int64", "real": "Float64", "truth": "Boolean", "text": "String"}
)

_ARROW: Final[Mapping[Kind, str]] = MappingProxyType(
    {"whole": "int64", "real": "float64", "truth": "bool", "text": "utf8"}
)

_MAX_SHOWN: Final = 6
"""Largest number of items that `repr` shows in full."""


class Tabular:
    """Base class of results that convert to data frames."""

    @abstractmethod
    def _columns(self, *, intermediates: bool) -> list[Column]:
        """Return the columns of all items."""

    def to_pandas(self, *, intermediates: bool = False) -> pd.DataFrame:
        """Return a pandas data frame with a row per item (per epoch of curves, per point of CDFs).

        Its columns are the fields of the items, including those of `config`. An architecture is
        text that queries accept (`arch_str`, or JSON in `arch`), followed by its operations
        (`op_0_1`, … or `op1`, …) or layers (`channels1`, …); other objects are JSON. Integers are
        int64, or Int64 if values may be missing; floats are float64, NaN if not recorded; text is
        string. An empty result has the same columns.

        Args:
            intermediates: Whether to make a row per epoch of the items' `intermediates`, with the
                statistics of the epoch in place of the final ones, as in a frame of curves.

        Raises:
            ImportError: pandas is not installed.
            ValueError: `intermediates` is set, but the query did not include them.
        """
        pandas = library("pandas")
        series = {
            column.name: pandas.Series(
                column.values, dtype=PANDAS_TYPES[column.kind, column.nullable], name=column.name
            )
            for column in self._columns(intermediates=intermediates)
        }
        frame: pd.DataFrame = pandas.DataFrame(series)
        return frame

    def to_polars(self, *, intermediates: bool = False) -> pl.DataFrame:
        """Return a polars data frame with the columns and rows of `to_pandas`.

        Types are Int64, Float64, Boolean and String; null means "not recorded".

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ImportError: polars is not installed.
            ValueError: `intermediates` is set, but the query did not include them.
        """
        polars = library("polars")
        series = [
            polars.Series(column.name, column.values, polars_type(column.kind))
            for column in self._columns(intermediates=intermediates)
        ]
        frame: pl.DataFrame = polars.DataFrame(series)
        return frame

    def to_arrow(self, *, intermediates: bool = False) -> Table:
        """Return an Arrow table (of arro3) with the columns and rows of `to_pandas`.

        Types are int64, float64, bool and utf8; null means "not recorded". Other Arrow libraries
        read the table without a copy: `pyarrow.table(found.to_arrow())`, `polars.DataFrame(…)`,
        `pandas.DataFrame.from_arrow(…)`, DuckDB.

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ImportError: The `export` extra is not installed.
            ValueError: `intermediates` is set, but the query did not include them.
        """
        core = arrow()
        table: Table = core.Table.from_pydict(
            {
                column.name: core.Array(column.values, arrow_type(column.kind))
                for column in self._columns(intermediates=intermediates)
            }
        )
        return table

    def to_dict(self, *, intermediates: bool = False) -> dict[str, list[Any]]:
        """Return the columns of `to_pandas` as lists by name; None means "not recorded".

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ValueError: `intermediates` is set, but the query did not include them.
        """
        return {name: values for name, _, _, values in self._columns(intermediates=intermediates)}


class Items(Tabular, list[T], Generic[T]):
    """Items of a query: a list that converts to data frames.

    Slices are `Items` too. For any other selection, pass the model:
    `Items((run for run in runs if run.test_acc > 90), Nb201Stats)`.

    Args:
        items: The items.
        model: Class of the items; it defines the columns even if there are no items.

    An example:

        frame = bench.query_nb201(arch, 200).to_pandas()
        frame.groupby("dataset").test_acc.mean()
    """

    def __init__(self, items: Iterable[T], model: type[T]) -> None:
        super().__init__(items)
        self.model = model

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T: ...

    @overload
    def __getitem__(self, index: slice, /) -> Self: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> T | Self:
        if isinstance(index, slice):
            return type(self)(super().__getitem__(index), self.model)
        return super().__getitem__(index)

    def __repr__(self) -> str:
        if len(self) <= _MAX_SHOWN:
            return super().__repr__()
        begun = ", ".join(map(repr, self[: _MAX_SHOWN // 2]))
        return f"[{begun}, … {len(self):,} of {self.model.__name__}]"

    def _columns(self, *, intermediates: bool) -> list[Column]:
        return columns.columns_of(self.model, self, curves=intermediates)

    def _repr_html_(self) -> str:
        html: str = _notebooks().html_of_items(self.model, self)
        return html


class Batch(Tabular, Sequence[Items[T]], Generic[T]):
    """Results for many architectures: a sequence of one `Items` each, in the order of the request.

    A data frame has all items below each other; its first column, `position`, is the position of
    the architecture in the batch, from 0. An architecture without results has no row. Runs arrive
    as columns, so data frames need no objects; items are created when they are first accessed.

    Args:
        found: Items of each architecture.
        model: Class of the items.

    An example:

        found = bench.query_nb201_many(archs, 200, "cifar100", reduction="mean")
        accuracies = [items[0].test_acc if items else None for items in found]
        frame = found.to_pandas()
    """

    def __init__(self, found: Iterable[Iterable[T]], model: type[T]) -> None:
        self.model = model
        self._found: Sequence[Items[T]] = [Items(items, model) for items in found]

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Items[T]: ...

    @overload
    def __getitem__(self, index: slice, /) -> Batch[T]: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> Items[T] | Batch[T]:
        if isinstance(index, slice):
            return Batch((self[place] for place in range(len(self))[index]), self.model)
        return self._found[as_integer(index)]

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch | list):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # unhashable like a list, because items may change

    def __reduce__(self) -> tuple[Any, ...]:
        return Batch, ([*map(list, self)], self.model)

    def _columns(self, *, intermediates: bool) -> list[Column]:
        items, positions = self._first_items(None)
        return columns.columns_of(self.model, items, curves=intermediates, positions=positions)

    def _first_items(self, most: int | None) -> tuple[list[T], list[int]]:
        """Return the first items, and the position in the batch for each."""
        placed = ((item, place) for place, items in enumerate(self) for item in items)
        some = list(islice(placed, most))
        return [item for item, _ in some], [place for _, place in some]

    def _rows(self) -> int:
        """Return the number of items of all architectures."""
        return sum(map(len, self))

    def _repr_html_(self) -> str:
        shown = _notebooks()
        items, positions = self._first_items(shown.MOST_ROWS)
        html: str = shown.html_of_items(self.model, items, positions=positions, total=self._rows())
        return html

    def __repr__(self) -> str:
        rows = self._rows()
        if len(self) <= _MAX_SHOWN and rows <= _MAX_SHOWN:
            return repr([*self])
        return f"<{len(self):,} lists, {rows:,} of {self.model.__name__} in all>"


def _notebooks() -> Any:
    # Imported here because only notebooks need it.
    return import_module("bench_client.notebooks")


def library(name: str) -> Any:
    """Import pandas or polars.

    Raises:
        ImportError: The library is not installed.
    """
    with needs(name, "a data frame"):
        # Imported here because few programs need it, and it loads more slowly than the client.
        return import_module(name)


def arrow() -> Any:
    """Import `arro3.core`, which makes Arrow tables.

    Raises:
        ImportError: The `export` extra is not installed.
    """
    with needs("export", "a table of Arrow"):
        return import_module("arro3.core")


def arrow_type(kind: Kind) -> Any:
    """Return the Arrow type of a kind of values."""
    return getattr(arrow().DataType, _ARROW[kind])()


def polars_type(kind: Kind) -> Any:
    """Return the polars type of a kind of values."""
    return getattr(library("polars"), _POLARS[kind])
