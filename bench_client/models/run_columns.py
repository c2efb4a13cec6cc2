"""Wire models of the runs of many architectures as columns."""

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
"""Media type: `RunColumnsHeader` as one line of JSON, followed by the bytes of its columns."""

C = TypeVar("C", bound=NetworkModel)

_CODES: Final = {"int32": "i", "int64": "q", "float64": "d", "bool": "B", "text": "i"}
"""Type codes of `array.array`, by column type; a column of type `none` has no values."""

_NUMBERED: Final = ("position", "config")


class RunColumn(WireModel):
    """Name and type of a column."""

    name: str = Field(description="Name of the column.", examples=["test_acc"])
    type: Literal["int32", "int64", "float64", "bool", "text", "none"] = Field(
        description="Type of the values, which are little-endian. `bool`: one byte. `text`: "
        "`int32` indices into the legend, -1 if missing. `none`: all missing, no bytes."
    )
    missing: bool = Field(
        default=False,
        description="For `int64` and `bool`: whether the values are followed by one byte for each, "
        "1 if it is missing. In `float64`, NaN means missing.",
    )
    legend: Listed[str] = Field([], description="Texts that the values of `text` refer to.")

    def size(self, rows: int) -> int:
        """Return the size of a column with so many rows, in bytes."""
        if self.type == "none":
            return 0
        return rows * (array(_CODES[self.type]).itemsize + self.is_masked)

    @property
    def is_masked(self) -> bool:
        """Whether the values are followed by a mask of missing ones."""
        return self.missing and self.type in {"int64", "bool"}


class MalformedArchitecture(WireModel):
    """Error for a malformed architecture of the request."""

    position: int = Field(ge=0, description="Position of the architecture in the request, from 0.")
    detail: str = Field(description="What is wrong with the architecture.")


class RunColumnsHeader(WireModel, Generic[C]):
    """Header of runs as columns: their configurations, columns, errors and provenance."""

    rows: int = Field(ge=0, description="Number of runs, or of reduced items.")
    configs: Listed[C] = Field(description="Trained configurations, each once.")
    columns: Listed[RunColumn] = Field(
        description="Columns in the order of their values. The first are `position`, the position "
        "of the architecture in the request, and `config`, an index into `configs`."
    )
    errors: Listed[MalformedArchitecture] = Field(description="Malformed architectures.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class RunColumns(RunColumnsHeader[C], Generic[C]):
    """Runs as columns: header and values."""

    data: bytes = Field(repr=False, description="Bytes of the columns, one after the other.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if tuple(column.name for column in self.columns[:2]) != _NUMBERED:
            raise ValueError(f"its first columns are not {' and '.join(_NUMBERED)}")
        if any(column.type != "int32" or column.missing for column in self.columns[:2]):
            raise ValueError(f"{' and '.join(_NUMBERED)} are not columns of int32")
        size = sum(column.size(self.rows) for column in self.columns)
        if size != len(self.data):
            raise ValueError(f"{len(self.data)} bytes of {self.rows} rows, which have {size}")
        stored = self.stored
        if len(stored) != len(self.columns):
            raise ValueError("two columns have the same name")
        positions = stored["position"].numbers()
        if any(map(gt, positions, positions[1:])) or (positions and positions[0] < 0):
            raise ValueError("architectures out of order")
        for name, column in stored.items():
            if name == "config" or column.what.type == "text":
                last = len(self.configs if name == "config" else column.what.legend) - 1
                first = 0 if name == "config" else -1
                places = column.numbers()
                if places and not first <= min(places) <= max(places) <= last:
                    raise ValueError(f"{name:.80} has indices out of range")
        return self

    @cached_property
    def stored(self) -> dict[str, StoredColumn]:
        """Columns with their bytes, by name."""
        begin, found = 0, {}
        for column in self.columns:
            end = begin + column.size(self.rows)
            found[column.name] = StoredColumn(column, self.rows, memoryview(self.data)[begin:end])
            begin = end
        return found


class StoredColumn(NamedTuple):
    """A column with its bytes.

    Attributes:
        what: Name and type of the column.
        rows: Number of values.
        data: Bytes of the values.
    """

    what: RunColumn
    rows: int
    data: memoryview

    def numbers(self) -> array[Any]:
        """Return the values as an array of the standard library; texts as indices."""
        found = array(_CODES[self.what.type])
        found.frombytes(self.data[: self.rows * found.itemsize])
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def values(self) -> list[Any]:
        """Return the values as Python objects, None if missing."""
        what, rows = self.what, self.rows
        if what.type == "none":
            return [None] * rows
        numbers = self.numbers()
        if what.type == "text":
            legend = [*what.legend, None]  # index -1 is None
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
        """One byte per value, 1 if it is missing."""
        return self.data[len(self.data) - self.rows :]

    def to_numpy(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the values (texts as indices) and the mask of missing ones, as numpy arrays.

        Both have the shape (rows,); values of type `none` are NaN.
        """
        import numpy  # noqa: ICN001, PLC0415 - optional; pandas depends on it

        if self.what.type == "none":
            return numpy.full(self.rows, numpy.nan), numpy.ones(self.rows, bool)
        code = numpy.dtype(_CODES[self.what.type])
        values = numpy.frombuffer(self.data, code.newbyteorder("<"), self.rows).astype(code)
        if self.what.is_masked:
            return values, numpy.frombuffer(self._mask, "u1", self.rows) != 0
        return values, numpy.zeros(self.rows, bool)
