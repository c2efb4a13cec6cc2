"""What queries return: lists that become tables of pandas, polars or Arrow."""

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
"""Types of columns, by kind and whether values may be missing; for a number that is NaN."""

_POLARS: Final[Mapping[Kind, str]] = MappingProxyType(
    {"whole": "Int64", "real": "Float64", "truth": "Boolean", "text": "String"}
)

_ARROW: Final[Mapping[Kind, str]] = MappingProxyType(
    {"whole": "int64", "real": "float64", "truth": "bool", "text": "utf8"}
)

_MOST_SHOWN: Final = 6
"""Items that a Python session shows."""


class Tabular:
    """Something that can be laid out in columns."""

    @abstractmethod
    def _columns(self, *, intermediates: bool) -> list[Column]:
        """Return the columns of all items."""

    def to_pandas(self, *, intermediates: bool = False) -> pd.DataFrame:
        """Return a pandas data frame: a row an item; of curves an epoch, of distributions a point.

        Its columns are the fields of the items, those of `config` among them. An architecture is
        text that queries take (`arch_str`, or JSON in `arch`), followed by its operations
        (`op_0_1`, … or `op1`, …) or layers (`channels1`, …); other objects are JSON too. Whole
        numbers that may be missing are Int64, others int64; figures are float64, NaN where not
        recorded; text is string. An answer without items has the same columns.

        Args:
            intermediates: Whether each epoch of an item's `intermediates` makes a row, with what
                was recorded there in place of how the run ended, as in a frame of curves.

        Raises:
            ImportError: pandas is not installed.
            ValueError: Intermediates are wanted, and were not asked for.
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
        """Return a polars data frame of the columns and rows that `to_pandas` has.

        Types are Int64, Float64, Boolean and String; null stands for "not recorded".

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ImportError: polars is not installed.
            ValueError: Intermediates are wanted, and were not asked for.
        """
        polars = library("polars")
        series = [
            polars.Series(column.name, column.values, polars_type(column.kind))
            for column in self._columns(intermediates=intermediates)
        ]
        frame: pl.DataFrame = polars.DataFrame(series)
        return frame

    def to_arrow(self, *, intermediates: bool = False) -> Table:
        """Return an Arrow table of the columns and rows that `to_pandas` has.

        Types are int64, float64, bool and utf8; null stands for "not recorded". The table is
        arro3's. Whatever knows Arrow takes it without a copy: `pyarrow.table(found.to_arrow())`,
        `polars.DataFrame(…)`, `pandas.DataFrame.from_arrow(…)`, DuckDB.

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ImportError: The `export` extra is not installed.
            ValueError: Intermediates are wanted, and were not asked for.
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
        """Return the values of each column that `to_pandas` has, by its name; None: not recorded.

        Args:
            intermediates: As for `to_pandas`.

        Raises:
            ValueError: Intermediates are wanted, and were not asked for.
        """
        return {name: values for name, _, _, values in self._columns(intermediates=intermediates)}


class Items(Tabular, list[T], Generic[T]):
    """The items of an answer: a list that can become a data frame.

    A part of one, made by slicing, is one again; of a selection make one by naming the model:
    `Items((run for run in runs if run.test_acc > 90), Nb201Stats)`.

    Args:
        items: The items.
        model: Their class, which says what the columns are when there is no item.

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
        if len(self) <= _MOST_SHOWN:
            return super().__repr__()
        begun = ", ".join(map(repr, self[: _MOST_SHOWN // 2]))
        return f"[{begun}, … {len(self):,} of {self.model.__name__}]"

    def _columns(self, *, intermediates: bool) -> list[Column]:
        return columns.columns_of(self.model, self, curves=intermediates)

    def _repr_html_(self) -> str:
        html: str = _notebooks().html_of_items(self.model, self)
        return html


class Batch(Tabular, Sequence[Items[T]], Generic[T]):
    """What was found for many architectures, one list for each, in the order they were given.

    Runs come from a service in columns, of which data frames are made at once; the items of an
    architecture are made when they are first looked at. As a data frame all items are below each
    other, and the first column, `position`, says for which architecture of the batch, counting from
    0; one for which nothing was found has no row.

    Args:
        found: The items of each architecture.
        model: Their class.

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

    __hash__ = None  # type: ignore[assignment]  # as a list: its items may change

    def __reduce__(self) -> tuple[Any, ...]:
        return Batch, ([*map(list, self)], self.model)

    def _columns(self, *, intermediates: bool) -> list[Column]:
        items, positions = self._beginning(None)
        return columns.columns_of(self.model, items, curves=intermediates, positions=positions)

    def _beginning(self, most: int | None) -> tuple[list[T], list[int]]:
        """Return the first items, and for each the place of its architecture in the batch."""
        placed = ((item, place) for place, items in enumerate(self) for item in items)
        some = list(islice(placed, most))
        return [item for item, _ in some], [place for _, place in some]

    def _rows(self) -> int:
        """Return how many items there are."""
        return sum(map(len, self))

    def _repr_html_(self) -> str:
        shown = _notebooks()
        items, positions = self._beginning(shown.MOST_ROWS)
        html: str = shown.html_of_items(self.model, items, positions=positions, total=self._rows())
        return html

    def __repr__(self) -> str:
        rows = self._rows()
        if len(self) <= _MOST_SHOWN and rows <= _MOST_SHOWN:
            return repr([*self])
        return f"<{len(self):,} lists, {rows:,} of {self.model.__name__} in all>"


def _notebooks() -> Any:
    # Not at the top: a program has no use for it.
    return import_module("bench_client.notebooks")


def library(name: str) -> Any:
    """Return pandas or polars.

    Raises:
        ImportError: It is not installed.
    """
    with needs(name, "a data frame"):
        # Not at the top: few need it, and it takes longer to load than all else.
        return import_module(name)


def arrow() -> Any:
    """Return arro3's core, which makes tables of Arrow.

    Raises:
        ImportError: It is not installed.
    """
    with needs("export", "a table of Arrow"):
        return import_module("arro3.core")


def arrow_type(kind: Kind) -> Any:
    """Return Arrow's type of the values of a kind."""
    return getattr(arrow().DataType, _ARROW[kind])()


def polars_type(kind: Kind) -> Any:
    """Return the type that polars has for the values of a kind."""
    return getattr(library("polars"), _POLARS[kind])
