"""Wire models of whole columns of a benchmark and their descriptions."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from bench_client.columns import Column as FrameColumn
from bench_client.columns import columns_of
from bench_client.frames import Tabular
from bench_client.models.answers import Listed, Members, ProvenanceMark, WireModel
from missing_extra import needs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AxisOfColumns", "Column", "ColumnDescription", "ColumnHeader", "Columns"]
__all__ += ["SpelledArchitecture"]

ColumnType: TypeAlias = Literal["float32", "int32", "uint8"]
Better: TypeAlias = Literal["larger", "smaller"]

_CODES: Final = {"float32": "f", "int32": "i", "uint8": "B"}
"""Type codes of `array.array`, by column type."""

_PART = "Axis values of the columns, by axis; null if they do not select one combination."


class AxisOfColumns(WireModel):
    """An axis of a benchmark, such as its data sets."""

    name: str = Field(description="Name of the filter.", examples=["dataset"])
    values: Listed[str | int] = Field(description="Possible values.")
    required: bool = Field(description="Whether queries about metrics must name a value.")


class ColumnDescription(WireModel):
    """Description of a column and the URL of its values."""

    name: str = Field(description="Name, for the parameter `metric`.", examples=["test_acc"])
    kind: Literal["metric", "number", "choice", "count", "flag"] = Field(
        description="metric; number: the candidates' numbers; choice: an index into the legend; "
        "count: an integer; flag: 0 or 1."
    )
    type: ColumnType = Field(description="Type of the values, which are little-endian.")
    description: str = Field(description="Description in one sentence.")
    unit: str | None = Field(description="Unit of the values; null unless a metric.")
    better: Better | None = Field(description="Which values are better; null unless a metric.")
    source: str | None = Field(
        description="Name of the published data of the column; null for features of the "
        "architecture."
    )
    legend: Listed[str] = Field(description="Meaning of the values of a choice, by value.")
    missing: int | None = Field(
        description="Candidates without a value; null unless the query selects one combination of "
        "axis values."
    )
    smallest: float | None = Field(description="Smallest finite value; null as for `missing`.")
    largest: float | None = Field(description="Largest finite value; null as for `missing`.")
    distinct: int | None = Field(description="Number of distinct values; null as for `missing`.")
    address: str = Field(
        description="URL of the values, relative to that of this response; add the axes that the "
        "query did not name.",
        examples=["column?metric=test_acc&dataset=cifar100&num_epochs=200"],
    )


class Columns(Tabular, WireModel):
    """The columns of a benchmark."""

    rows: int | None = Field(
        description="Number of candidates, the length of every column; null unless the query "
        "selects one combination of axis values."
    )
    part: Members[str | int | None] | None = Field(description=_PART)
    axes: Listed[AxisOfColumns] = Field(description="Axes of the benchmark.")
    parts: Listed[Members[str | int | None]] = Field(description="Recorded axis values.")
    items: Listed[ColumnDescription] = Field(description="The columns, metrics first.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")

    def _columns(self, *, intermediates: bool) -> list[FrameColumn]:
        return columns_of(ColumnDescription, self.items, curves=intermediates)


class ColumnHeader(WireModel):
    """JSON content of the header `X-Column` of a column."""

    metric: str = Field(description="Name of the column.")
    type: ColumnType = Field(description="Type of the values.")
    rows: int = Field(ge=0, description="Number of values.")
    unit: str | None = Field(description="Unit of the values, if any.")
    better: Better | None = Field(description="Which values are better, if defined.")
    part: Members[str | int | None] | None = Field(description=_PART)
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")


class Column(ColumnHeader):
    """A metric or a feature of every candidate, in ascending order of their numbers."""

    data: bytes = Field(repr=False, description="The values, little-endian, one after the other.")

    @model_validator(mode="after")
    def _has_all_rows(self) -> Self:
        size = array(_CODES[self.type]).itemsize * self.rows
        if len(self.data) != size:
            raise ValueError(f"{len(self.data)} bytes of {self.rows} values of {self.type}")
        return self

    def __len__(self) -> int:
        return self.rows

    @property
    def values(self) -> array[Any]:
        """The values as an array of the standard library; NaN means "not recorded"."""
        found = array(_CODES[self.type])
        found.frombytes(self.data)
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def to_numpy(self) -> NDArray[np.generic]:
        """Return the values as a read-only array of shape (rows,); NaN means "not recorded".

        Raises:
            ImportError: numpy is not installed.
        """
        with needs("local", "columns as arrays"):
            import numpy  # noqa: ICN001, PLC0415 - optional

        return numpy.frombuffer(self.data, numpy.dtype(self.type).newbyteorder("<"))


class SpelledArchitecture(WireModel):
    """Number and spelling of an architecture."""

    number: int = Field(description="Number of the architecture, as in the column `@number`.")
    arch: str | None = Field(
        description="Spelling that queries accept, for NDS the JSON of both specifications; null "
        "if no architecture has the number."
    )
