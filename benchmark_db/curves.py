"""Learning curves in one compact value a run.

A run's curves are a few columns (training accuracy, validation loss, …) of one float32 an epoch.
Many columns are absent, known only at the last epoch, or the same as another column, and take no
space then. float32 keeps every value within 6e-8 of the raw double, at half its size.

Layout, little endian: uint16 number of epochs; one byte a column, its kind; the float32 values of
the columns that have their own, in column order. NaN stands for "not recorded at this epoch".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import numpy as np
import orjson
import peewee
from numpy.typing import NDArray

__all__ = ["Column", "Curve", "CurvedRun", "MalformedCurvesError", "decode_curves", "encode_curves"]

Column: TypeAlias = Sequence[float | None] | NDArray[np.float64]
"""One value an epoch, from the first to the last; None or NaN where nothing is recorded."""

_ABSENT: Final = 0
_FULL: Final = 1
_LAST: Final = 2
_SAME_AS: Final = 0x80
_LENGTH: Final = struct.Struct("<H")
_FLOAT: Final = np.dtype("<f4")


class Curve(peewee.Model):
    """The curves of a run, packed by `encode_curves`."""

    id = peewee.IntegerField(primary_key=True)
    data = peewee.BlobField()

    class Meta:
        table_name = "curve"


class CurvedRun(peewee.Model):
    """Base of the run tables: a run may have curves."""

    curve = peewee.IntegerField(null=True)


class MalformedCurvesError(ValueError):
    """Bytes that `encode_curves` cannot have written."""


def encode_curves(columns: Sequence[Column], num_epochs: int) -> bytes:
    """Pack curves of equal length into bytes.

    Args:
        columns: The curves, each of `num_epochs` values.
        num_epochs: 0 to 65,535.

    Raises:
        ValueError: A column has another length.
    """
    header = bytearray(_LENGTH.pack(num_epochs))
    body = bytearray()
    seen: dict[bytes, int] = {}
    for position, column in enumerate(columns):
        if len(column) != num_epochs:
            raise ValueError(f"a curve of {len(column)} values among {num_epochs} epochs")
        values = np.asarray(column, dtype=np.float64)
        with np.errstate(over="ignore"):  # a diverged loss becomes infinite, read as None
            packed = values.astype(_FLOAT).tobytes()
        recorded = np.flatnonzero(values == values)  # noqa: PLR0124 - false for NaN alone
        if recorded.size == 0:
            header.append(_ABSENT)
        elif packed in seen:
            header.append(_SAME_AS | seen[packed])
        elif recorded[0] == num_epochs - 1:
            header.append(_LAST)
            body += packed[-_FLOAT.itemsize :]
            seen[packed] = position
        else:
            header.append(_FULL)
            body += packed
            seen[packed] = position
    return bytes(header + body)


def decode_curves(data: bytes, num_columns: int) -> tuple[int, list[list[float | None] | None]]:
    """Return the number of epochs and the columns that `encode_curves` packed.

    A column in which nothing is recorded is None. Values are the shortest decimals that identify
    the stored float32 (28.172 rather than 28.172000885009766).

    Raises:
        MalformedCurvesError: The bytes do not hold that many columns.
    """
    start = _LENGTH.size + num_columns
    if len(data) < start:
        raise MalformedCurvesError(f"{len(data)} bytes cannot hold {num_columns} curves")
    (num_epochs,) = _LENGTH.unpack_from(data)
    kinds = data[_LENGTH.size : start]
    lengths = [num_epochs if kind == _FULL else int(kind == _LAST) for kind in kinds]
    if start + sum(lengths) * _FLOAT.itemsize != len(data):
        raise MalformedCurvesError(f"{len(data)} bytes do not match their header")
    values = _floats(data, start)
    columns: list[list[float | None] | None] = []
    taken = 0
    for kind, length in zip(kinds, lengths, strict=True):
        own = values[taken : taken + length]
        taken += length
        if kind == _ABSENT:
            columns.append(None)
        elif kind == _FULL:
            columns.append(own)
        elif kind == _LAST and num_epochs:
            columns.append([*[None] * (num_epochs - 1), *own])
        elif kind & _SAME_AS and kind ^ _SAME_AS < len(columns):
            columns.append(columns[kind ^ _SAME_AS])
        else:
            raise MalformedCurvesError(f"curve {len(columns)} is of unknown kind {kind}")
    return num_epochs, columns


def _floats(data: bytes, offset: int) -> list[float | None]:
    values = np.frombuffer(data, _FLOAT, offset=offset)
    # orjson writes the shortest decimal of a float32 and null for NaN, several times faster than
    # any loop over the values.
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    return cast("list[float | None]", orjson.loads(text))
