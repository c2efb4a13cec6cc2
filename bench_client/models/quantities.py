"""The units of the wire: one alias a unit, None where nothing is recorded.

The unit lies in the JSON schema (`"unit": "percent"`), where OpenAPI, the descriptions of the
benchmarks and other programs find it.
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
"""Marks, in a field's JSON schema, a value that was computed rather than measured."""

Percent: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "percent"})]
"""0 to 100."""

Loss: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "cross-entropy"})]
"""Mean cross-entropy in nats; None also for a loss that was NaN."""

Seconds: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "seconds"})]

Milliseconds: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "milliseconds"})]
"""Only where a published name has them: what the contract names itself is in seconds."""

Millijoules: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "millijoules"})]

FlopPerByte: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "FLOP/byte"})]

Millions: TypeAlias = Annotated[float | None, Field(json_schema_extra={UNIT: "millions"})]

SizeSource: TypeAlias = Annotated[
    Literal["recorded", "counted"],
    Field(
        description="Where parameters and flops come from. counted: the runs of the architecture "
        "and data set disagree on one or both, which are counted from the structure of the "
        "network. Otherwise, and in a single run always, recorded; where it is left out, too."
    ),
]

Epochs: TypeAlias = Annotated[int, Field(json_schema_extra={UNIT: "epochs"})]

PercentCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "percent"})
]
"""One value an epoch, aligned with `current_epoch`."""

LossCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "cross-entropy"})
]
"""One value an epoch, aligned with `current_epoch`."""

SecondsCurve: TypeAlias = Annotated[
    Listed[float | None], Field(json_schema_extra={UNIT: "seconds"})
]
"""One value an epoch, aligned with `current_epoch`."""
