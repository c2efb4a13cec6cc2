"""Field types with units, one alias per unit; None means "not recorded".

The unit is part of the JSON schema (`"unit": "percent"`), which OpenAPI, the descriptions of
benchmarks and other programs read.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field

from bench_client.models.answers import Listed

__all__ = [
    "DERIVED",
    "UNIT",
    "Epochs",
    "FlopPerByte",
    "Loss",
    "LossCurve",
    "Millijoules",
    "Millions",
    "Milliseconds",
    "Percent",
    "PercentCurve",
    "Seconds",
    "SecondsCurve",
    "SizeSource",
]

UNIT: Final = "unit"
"""Key of a field's unit in its JSON schema."""

DERIVED: Final[dict[str, Any]] = {"derived": True}
"""Entry of a field's JSON schema for values that were computed rather than measured."""

Percent: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "percent"})]
"""0 to 100."""

Loss: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "cross-entropy"})]
"""Mean cross-entropy in nats; None also for a loss that was NaN."""

Seconds: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "seconds"})]

Milliseconds: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "milliseconds"})]
"""Only for published statistics in milliseconds; fields that this service defines use seconds."""

Millijoules: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "millijoules"})]

FlopPerByte: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "FLOP/byte"})]

Millions: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "millions"})]

SizeSource: TypeAlias = Annotated[
    Literal["recorded", "counted"],
    Field(
        description="Source of parameters and flops. counted: the runs of the architecture and "
        "data set disagree on one or both, which are therefore counted from the network's "
        "structure. recorded: otherwise, for single runs, and if this field is missing."
    ),
]

Epochs: TypeAlias = Annotated[int, Field(json_schema_extra={UNIT: "epochs"})]

PercentCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "percent"})
]
"""One value per epoch, aligned with `current_epoch`."""

LossCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "cross-entropy"})
]
"""One value per epoch, aligned with `current_epoch`."""

SecondsCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "seconds"})
]
"""One value per epoch, aligned with `current_epoch`."""
