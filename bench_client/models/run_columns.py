"""The runs of many architectures in columns, as they cross the wire."""

from __future__ import annotations

import sys
from array import array
from functools import cached_property
from math import isnan
from operator import gt
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, Self, TypeVar

from pydantic import Field, model_validator

from bench_client.models.answers import Listed, NetworkModel, ProvenanceMark, WireModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RUN_COLUMNS", "MalformedArchitecture", "RunColumn", "RunColumns", "RunColumnsHeader"]
__all__ += ["StoredColumn"]

RUN_COLUMNS: Final = "application/vnd.nas-bench.columns"
"""Media type: `RunColumnsHeader` as a line of JSON, and behind it the values of its columns."""

C = TypeVar("C", bound=NetworkModel)

_CODES: Final = {"int32": "i", "int64": "q", "float64": "d", "bool": "B", "text": "i"}
"""Of `array.array`, by type; a column of `none` has no values."""

_NUMBERED: Final = ("position", "config")


class RunColumn(WireModel):
    """A column: what its values are."""

    name: str = Field(description="Its name.", examples=["test_acc"])
    type: Literal["int32", "int64", "float64", "bool", "text", "none"] = Field(
        description="Of its values, which are little-endian. `bool`: a byte. `text`: `int32`, "
        "places in the legend, -1 where there is none. `none`: no value, and no byte."
    )
    missing: bool = Field(
        default=False,
        description="Of `int64` and `bool`: whether behind the values comes a byte for each, 1 "
        "where there is none. In `float64` NaN stands for it.",
    )
    legend: Listed[str] = Field([], description="The texts.")

    def size(self, rows: int) -> int:
        """Return how many bytes a column of so many rows has."""
        if self.type == "none":
            return 0
        return rows * (array(_CODES[self.type]).itemsize + self.is_masked)

    @property
    def is_masked(self) -> bool:
        """Whether bytes behind its values say which are missing."""
        return self.missing and self.type in {"int64", "bool"}


class MalformedArchitecture(WireModel):
    """What is wrong with an architecture that was asked about."""

    position: int = Field(ge=0, description="Which it is, counting from 0.")
    detail: str = Field(description="What is wrong.")


class RunColumnsHeader(WireModel, Generic[C]):
    """What runs in columns are of."""

    rows: int = Field(ge=0, description="Runs, or what several are reduced to.")
    configs: Listed[C] = Field(description="What was trained, each once.")
    columns: Listed[RunColumn] = Field(
        description="In the order of their values. First `position`, that of the architecture "
        "that was asked about, and `config`, the place among `configs`."
    )
    errors: Listed[MalformedArchitecture] = Field(description="Malformed architectures.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class RunColumns(RunColumnsHeader[C], Generic[C]):
    """Runs in columns, with their values."""

    data: bytes = Field(repr=False, description="The values, one column after the other.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if tuple(column.name for column in self.columns[:2]) != _NUMBERED:
            raise ValueError(f"its first columns are not {' and '.join(_NUMBERED)}")
        if any(column.type != "int32" or column.missing for column in self.columns[:2]):
            raise ValueError("places that are no numbers")
        size = sum(column.size(self.rows) for column in self.columns)
        if size != len(self.data):
            raise ValueError(f"{len(self.data)} bytes of {self.rows} rows, which have {size}")
        stored = self.stored
        if len(stored) != len(self.columns):
            raise ValueError("two columns of one name")
        positions = stored["position"].numbers()
        if any(map(gt, positions, positions[1:])) or (positions and positions[0] < 0):
            raise ValueError("architectures out of order")
        for name, column in stored.items():
            if name == "config" or column.what.type == "text":
                last = len(self.configs if name == "config" else column.what.legend) - 1
                first = 0 if name == "config" else -1
                places = column.numbers()
                if places and not first <= min(places) <= max(places) <= last:
                    raise ValueError(f"{name:.80} has places that there are not")
        return self

    @cached_property
    def stored(self) -> dict[str, StoredColumn]:
        """The columns by name, with their bytes."""
        begin, found = 0, {}
        for column in self.columns:
            end = begin + column.size(self.rows)
            found[column.name] = StoredColumn(column, self.rows, memoryview(self.data)[begin:end])
            begin = end
        return found


class StoredColumn(NamedTuple):
    """A column and its bytes.

    Attributes:
        what: What its values are.
        rows: How many they are.
        data: Their bytes.
    """

    what: RunColumn
    rows: int
    data: memoryview

    def numbers(self) -> array[Any]:
        """Return its values, those of a text as places, as an array of the standard library."""
        found = array(_CODES[self.what.type])
        found.frombytes(self.data[: self.rows * found.itemsize])
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def values(self) -> list[Any]:
        """Return its values as Python's, None where one is missing."""
        what, rows = self.what, self.rows
        if what.type == "none":
            return [None] * rows
        numbers = self.numbers()
        if what.type == "text":
            legend = [*what.legend, None]  # -1 is the last place
            return [legend[place] for place in numbers]
        if what.type == "float64":
            return [None if isnan(number) else number for number in numbers]
        found: list[Any] = list(map(bool, numbers)) if what.type == "bool" else numbers.tolist()
        if not what.is_masked:
            return found
        return [None if gone else value for value, gone in zip(found, self._mask, strict=True)]

    @property
    def lacks_any(self) -> bool:
        """Whether a value is missing."""
        what = self.what
        if what.type == "none":
            return self.rows > 0
        if what.type == "float64":
            return any(map(isnan, self.numbers()))
        if what.type == "text":
            return -1 in self.numbers()
        return what.is_masked and any(self._mask)

    @property
    def _mask(self) -> memoryview:
        """A byte for each value, 1 where there is none."""
        return self.data[len(self.data) - self.rows :]

    def to_numpy(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return its values, those of a text as places, and which are told to be missing.

        Both have the shape (rows,); values of `none` are NaN. For whoever has numpy.
        """
        import numpy  # noqa: ICN001, PLC0415 - pandas has brought it; others do without

        if self.what.type == "none":
            return numpy.full(self.rows, numpy.nan), numpy.ones(self.rows, bool)
        code = numpy.dtype(_CODES[self.what.type])
        values = numpy.frombuffer(self.data, code.newbyteorder("<"), self.rows).astype(code)
        if self.what.is_masked:
            return values, numpy.frombuffer(self._mask, "u1", self.rows) != 0
        return values, numpy.zeros(self.rows, bool)
