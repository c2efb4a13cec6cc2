"""Learning curves, packed into one compact value per run.

A run's curves are a few columns (training accuracy, validation loss, …) of one float32 per epoch.
Many columns are absent, known only at the last epoch, or equal to another column, and then take no
space. float32 keeps every value within a relative 6e-8 of the raw double, at half its size, and
decimals of up to six digits exactly; where every digit counts, other columns are kept as doubles.

Layout, little endian: uint16 number of epochs; one byte per column, its kind; the float32 or double
values of the columns that have their own, in column order. NaN stands for "not recorded at this
epoch".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
import orjson
import peewee
from numpy.typing import NDArray

__all__ = [
    "Column",
    "Curve",
    "CurvedRun",
    "Curves",
    "MalformedCurvesError",
    "decode_curves",
    "encode_alike",
    "encode_curves",
    "every_epoch",
]

Column: TypeAlias = Sequence[float | None] | NDArray[np.float64]
"""One value per epoch, from the first to the last; None or NaN where nothing is recorded."""

Curves: TypeAlias = tuple[Sequence[int], list[list[float | None] | None]]
"""Epochs at which a run was evaluated, and its curves over them; None for an absent curve."""

_ABSENT: Final = 0
_FULL: Final = 1
_LAST: Final = 2
_DOUBLE: Final = 3
_SAME_AS: Final = 0x80
_LENGTH: Final = struct.Struct("<H")
_FLOAT: Final = np.dtype("<f4")
_WIDE: Final = np.dtype("<f8")


class Curve(peewee.Model):
    """Packed curves of a run, encoded by `encode_curves`."""

    id = peewee.IntegerField(primary_key=True)
    data = peewee.BlobField()

    class Meta:
        table_name = "curve"


class CurvedRun(peewee.Model):
    """Base class of the run tables: a run may have curves."""

    curve = peewee.IntegerField(null=True)


class MalformedCurvesError(ValueError):
    """Raised for bytes that `encode_curves` cannot have written."""


def encode_curves(columns: Sequence[Column], num_epochs: int, *, exact: bool = False) -> bytes:
    """Pack curves of equal length into bytes.

    Args:
        columns: The curves, each of `num_epochs` values.
        num_epochs: 0 to 65,535.
        exact: Whether `decode_curves` must return every value to the last digit; a column that
            float32 cannot represent exactly then takes twice the space.

    Raises:
        ValueError: A column has another length.
    """
    header = bytearray(_LENGTH.pack(num_epochs))
    body = bytearray()
    seen: dict[bytes, int] = {}
    for position, column in enumerate(columns):
        if len(column) != num_epochs:
            raise ValueError(f"a curve of {len(column)} values among {num_epochs} epochs")
        kind, packed = _packed(np.asarray(column, dtype=np.float64), exact=exact)
        if kind != _ABSENT and packed in seen:
            header.append(_SAME_AS | seen[packed])
            continue
        header.append(kind)
        body += packed[-_FLOAT.itemsize :] if kind == _LAST else packed
        seen[packed] = position
    return bytes(header + body)


def encode_alike(columns: Sequence[NDArray[np.float64] | None], num_epochs: int) -> Iterator[bytes]:
    """Pack the curves of many runs that record the same columns, much faster than one by one.

    Args:
        columns: Each of shape (runs, `num_epochs`), finite; None where nothing is recorded. An
            array that occurs twice is stored once.
        num_epochs: 2 to 65,535.
    """
    header = bytearray(_LENGTH.pack(num_epochs))
    own: list[NDArray[np.float64]] = []
    places: dict[int, int] = {}
    for place, column in enumerate(columns):
        if column is None:
            header.append(_ABSENT)
        elif id(column) in places:
            header.append(_SAME_AS | places[id(column)])
        else:
            places[id(column)] = place
            header.append(_FULL)
            own.append(column)
    if own:
        for body in np.concatenate(own, axis=1).astype(_FLOAT):
            yield bytes(header) + body.tobytes()


def decode_curves(data: bytes, num_columns: int) -> tuple[int, list[list[float | None] | None]]:
    """Return the number of epochs and the columns that `encode_curves` packed.

    A column without values is None. Values are doubles, or the shortest decimals that
    identify the stored float32 (28.172 rather than 28.172000885009766).

    Raises:
        MalformedCurvesError: The bytes do not hold that many columns.
    """
    start = _LENGTH.size + num_columns
    if len(data) < start:
        raise MalformedCurvesError(f"{len(data)} bytes cannot hold {num_columns} curves")
    (num_epochs,) = _LENGTH.unpack_from(data)
    kinds = data[_LENGTH.size : start]
    words = {_FULL: num_epochs, _LAST: 1, _DOUBLE: num_epochs * _WIDE.itemsize // _FLOAT.itemsize}
    lengths = [words.get(kind, 0) for kind in kinds]
    if start + sum(lengths) * _FLOAT.itemsize != len(data):
        raise MalformedCurvesError(f"{len(data)} bytes do not match their header")
    values = _numbers(data, offset=start)
    columns: list[list[float | None] | None] = []
    taken = 0
    for kind, length in zip(kinds, lengths, strict=True):
        own = values[taken : taken + length]
        taken += length
        if kind == _ABSENT:
            columns.append(None)
        elif kind == _FULL:
            columns.append(own)
        elif kind == _DOUBLE:
            end = start + taken * _FLOAT.itemsize
            columns.append(_numbers(data[end - num_epochs * _WIDE.itemsize : end], _WIDE))
        elif kind == _LAST and num_epochs:
            columns.append([*[None] * (num_epochs - 1), *own])
        elif kind & _SAME_AS and kind ^ _SAME_AS < len(columns):
            columns.append(columns[kind ^ _SAME_AS])
        else:
            raise MalformedCurvesError(f"curve {len(columns)} is of unknown kind {kind}")
    return num_epochs, columns


def every_epoch(data: bytes | None, num_columns: int) -> Curves:
    """Return packed curves over the epochs 1, 2, …; none for a run without curves.

    Raises:
        MalformedCurvesError: The bytes do not hold that many columns.
    """
    if data is None:
        return (), [None] * num_columns
    num_epochs, columns = decode_curves(data, num_columns)
    return range(1, num_epochs + 1), columns


def _packed(values: NDArray[np.float64], *, exact: bool) -> tuple[int, bytes]:
    """Return the kind of a column, and its values packed for that kind."""
    recorded = np.flatnonzero(values == values)  # noqa: PLR0124 - false for NaN alone
    if recorded.size == 0:
        return _ABSENT, b""
    with np.errstate(over="ignore"):  # a diverged loss becomes infinite and is read as None
        packed = values.astype(_FLOAT).tobytes()
    if exact:
        kept = np.array(_numbers(packed), dtype=np.float64)
        if not np.array_equal(kept, values, equal_nan=True):
            return _DOUBLE, values.astype(_WIDE).tobytes()
    return (_LAST if recorded[0] == len(values) - 1 else _FULL), packed


def _numbers(
    data: bytes, kind: np.dtype[np.floating[Any]] = _FLOAT, offset: int = 0
) -> list[float | None]:
    values = np.frombuffer(data, kind, offset=offset)
    # orjson writes the shortest decimal of a number, and null for NaN, several times faster than a
    # loop over the values.
    text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
    return cast("list[float | None]", orjson.loads(text))
