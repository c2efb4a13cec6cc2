"""Whole columns of a benchmark, and what there is to know of each."""

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
"""Of `array.array`, by type."""

_PART = "What tells the part apart, by axis; null where the columns are of several parts."


class AxisOfColumns(WireModel):
    """What tells parts of a benchmark apart."""

    name: str = Field(description="Name of the filter.", examples=["dataset"])
    values: Listed[str | int] = Field(description="The values that it may have.")
    required: bool = Field(description="Whether a question about figures must name one.")


class ColumnDescription(WireModel):
    """A column: what it holds, and where its values are."""

    name: str = Field(description="Its name, as `metric` takes it.", examples=["test_acc"])
    kind: Literal["metric", "number", "choice", "count", "flag"] = Field(
        description="A metric; the candidates' numbers; a choice of the legend; a whole number; "
        "or no and yes."
    )
    type: ColumnType = Field(description="Of its values, which are little-endian.")
    description: str = Field(description="A sentence.")
    unit: str | None = Field(description="Its unit; null for what is no metric.")
    better: Better | None = Field(description="Which way is better; null for what is no metric.")
    source: str | None = Field(
        description="Name of the published data that it is of; null for what follows from the "
        "architecture alone."
    )
    legend: Listed[str] = Field(description="What its values mean, by value, for choices.")
    missing: int | None = Field(
        description="Candidates of the part without a value; null where no part is named."
    )
    smallest: float | None = Field(description="Smallest finite value of the part; null likewise.")
    largest: float | None = Field(description="Largest finite value; null likewise.")
    distinct: int | None = Field(description="How many different values are sent; null likewise.")
    address: str = Field(
        description="Address of its values, relative to that of this answer; the axes that were "
        "not named are to be added.",
        examples=["column?metric=test_acc&dataset=cifar100&num_epochs=200"],
    )


class Columns(Tabular, WireModel):
    """The columns of a benchmark."""

    rows: int | None = Field(
        description="Candidates of the part, which every column has; null where none is named."
    )
    part: Members[str | int | None] | None = Field(description=_PART)
    axes: Listed[AxisOfColumns] = Field(description="What tells its parts apart.")
    parts: Listed[Members[str | int | None]] = Field(description="The parts that are recorded.")
    items: Listed[ColumnDescription] = Field(description="The columns, metrics first.")
    provenance: ProvenanceMark = Field(description="Where the numbers come from.")

    def _columns(self, *, intermediates: bool) -> list[FrameColumn]:
        return columns_of(ColumnDescription, self.items, curves=intermediates)


class ColumnHeader(WireModel):
    """What the header `X-Column` of a column says, as JSON."""

    metric: str = Field(description="Name of the column.")
    type: ColumnType = Field(description="Of its values.")
    rows: int = Field(ge=0, description="How many values there are.")
    unit: str | None = Field(description="Its unit, if it has one.")
    better: Better | None = Field(description="Which way is better, if one is.")
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
        """The values as an array of the standard library; NaN where nothing is recorded."""
        found = array(_CODES[self.type])
        found.frombytes(self.data)
        if sys.byteorder == "big":
            found.byteswap()
        return found

    def to_numpy(self) -> NDArray[np.generic]:
        """Return the values, shape (rows,), not to be written to; NaN where none is recorded.

        Raises:
            ImportError: numpy is not installed.
        """
        with needs("local", "columns as arrays"):
            import numpy  # noqa: ICN001, PLC0415 - whoever only asks does without

        return numpy.frombuffer(self.data, numpy.dtype(self.type).newbyteorder("<"))


class SpelledArchitecture(WireModel):
    """The number of an architecture, and a text that every question takes for it."""

    number: int = Field(description="Its number, as the column `@number` has it.")
    arch: str | None = Field(
        description="Its spelling, of NDS the JSON of both specifications; null where no "
        "architecture has the number."
    )
