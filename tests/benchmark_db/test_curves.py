"""Learning curves packed and unpacked, and bytes that are none."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark_db.curves import (
    MalformedCurvesError,
    decode_curves,
    encode_alike,
    encode_curves,
    every_epoch,
)

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_TINY_FLOAT32 = float(np.finfo(np.float32).tiny)

numbers = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 10.0, 1e300, 28.172, 1e-300])


@st.composite
def sheets(draw: st.DrawFn) -> tuple[int, list[list[float | None]]]:
    """Draw curves of one length: free, absent, known at the last epoch only, or one twice."""
    length = draw(st.integers(0, 20))
    columns: list[list[float | None]] = []
    for _ in range(draw(st.integers(0, 9))):
        kind = draw(st.sampled_from(["free", "absent", "last", "again"]))
        if kind == "again" and columns:
            columns.append(list(draw(st.sampled_from(columns))))
        elif kind == "last" and length:
            columns.append([*[None] * (length - 1), draw(numbers)])
        elif kind == "absent":
            columns.append([None] * length)
        else:
            columns.append(draw(st.lists(numbers, min_size=length, max_size=length)))
    return length, columns


def _expected(value: float | None) -> float | None:
    if value is None or not math.isfinite(value) or abs(value) > _MAX_FLOAT32:
        return None
    return value


@given(sheets())
def test_every_value_comes_back_within_a_millionth(
    sheet: tuple[int, list[list[float | None]]],
) -> None:
    length, columns = sheet
    found_length, found = decode_curves(encode_curves(columns, length), len(columns))
    assert found_length == length
    assert len(found) == len(columns)
    for column, back in zip(columns, found, strict=True):
        for value, got in zip(column, back or [None] * length, strict=True):
            wanted = _expected(value)
            if wanted is None:
                assert got is None
            else:
                assert got == pytest.approx(wanted, rel=1e-6, abs=_TINY_FLOAT32)


@given(sheets())
def test_every_value_comes_back_to_the_last_digit_where_each_counts(
    sheet: tuple[int, list[list[float | None]]],
) -> None:
    length, columns = sheet
    packed = encode_curves(columns, length, exact=True)
    _, found = decode_curves(packed, len(columns))
    for column, back in zip(columns, found, strict=True):
        wanted = [None if value is None or not math.isfinite(value) else value for value in column]
        assert list(back or [None] * length) == wanted


def test_decimals_of_six_digits_take_no_more_space_to_come_back_exactly() -> None:
    curve = [93.58, 99.772, 0.011, 100.0, 7.25]
    assert encode_curves([curve], 5, exact=True) == encode_curves([curve], 5)
    longer = [*curve[:-1], 1 / 3]
    assert len(encode_curves([longer], 5, exact=True)) == 2 + 1 + 5 * 8


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(0, 30))))
def test_arrays_and_lists_are_packed_alike(values: np.ndarray) -> None:
    length = values.shape[1]
    assert encode_curves(list(values), length) == encode_curves(values.tolist(), length)


def test_a_decimal_comes_back_as_it_was_written() -> None:
    _, (column,) = decode_curves(encode_curves([[28.172, 53.0, 0.1]], 3), 1)
    assert column == [28.172, 53.0, 0.1]


def test_a_column_without_a_value_takes_no_space_and_comes_back_as_none() -> None:
    data = encode_curves([[None] * 200, [math.nan] * 200], 200)
    assert len(data) == 4
    assert decode_curves(data, 2) == (200, [None, None])


def test_a_column_known_at_the_last_epoch_takes_the_space_of_one_value() -> None:
    data = encode_curves([[*[None] * 199, 53.08]], 200)
    assert len(data) == 3 + 4
    assert decode_curves(data, 1) == (200, [[*[None] * 199, 53.08]])


def test_a_column_equal_to_another_takes_no_space() -> None:
    curve = [float(epoch) for epoch in range(200)]
    assert len(encode_curves([curve, curve, curve], 200)) == 5 + 800


@pytest.mark.parametrize("value", [1e39, 1e308, -1e308, math.inf, -math.inf, math.nan])
def test_what_float32_cannot_hold_is_read_as_not_recorded(value: float) -> None:
    assert decode_curves(encode_curves([[value, 1.0]], 2), 1) == (2, [[None, 1.0]])


@pytest.mark.parametrize("num_epochs", [1, 2, 199, 65_535])
def test_runs_of_any_number_of_epochs_are_packed(num_epochs: int) -> None:
    curve = [1.5] * num_epochs
    assert decode_curves(encode_curves([curve, curve], num_epochs), 2) == (num_epochs, [curve] * 2)


def test_no_epochs_are_packed() -> None:
    assert decode_curves(encode_curves([[], []], 0), 2) == (0, [None, None])


def test_curves_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="a curve of 1 values among 2 epochs"):
        encode_curves([[1.0, 2.0], [1.0]], 2)


def test_a_run_without_curves_has_no_epochs() -> None:
    assert every_epoch(None, 3) == ((), [None, None, None])


@given(data=st.binary(max_size=64), num_columns=st.integers(0, 9))
@example(data=b"", num_columns=0)
@example(data=b"\x00\x00\x02\x00\x00\x80\x3f", num_columns=1)  # a last value of no epochs
@example(data=b"\x01\x00\x80", num_columns=1)  # the same as itself
@example(data=b"\x01\x00\x81\x80", num_columns=2)  # the same as a later one
def test_any_bytes_are_curves_or_malformed(data: bytes, num_columns: int) -> None:
    try:
        num_epochs, columns = decode_curves(data, num_columns)
    except MalformedCurvesError:
        return
    assert len(columns) == num_columns
    assert all(column is None or len(column) == num_epochs for column in columns)


@given(sheet=sheets(), data=st.data())
def test_damaged_curves_are_curves_or_malformed(
    sheet: tuple[int, list[list[float | None]]], data: st.DataObject
) -> None:
    length, columns = sheet
    packed = bytearray(encode_curves(columns, length))
    position = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        packed[position] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del packed[position:]
    try:
        num_epochs, found = decode_curves(bytes(packed), len(columns))
    except MalformedCurvesError:
        return
    assert all(column is None or len(column) == num_epochs for column in found)


@given(sheet=sheets())
def test_shortened_curves_are_never_taken_for_whole(
    sheet: tuple[int, list[list[float | None]]],
) -> None:
    length, columns = sheet
    packed = encode_curves(columns, length)
    for end in range(len(packed)):
        with pytest.raises(MalformedCurvesError, match=f"{end} bytes"):
            decode_curves(packed[:end], len(columns))


@pytest.mark.parametrize("kind", [4, 0x7F, 0x81, 0xFF])
def test_a_curve_of_an_unknown_kind_is_malformed(kind: int) -> None:
    with pytest.raises(MalformedCurvesError, match=f"unknown kind {kind}"):
        decode_curves(struct.pack("<HB", 1, kind), 1)


def test_curves_of_many_runs_are_packed_as_those_of_one() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 7, 12))
    together = list(encode_alike([first, None, second, second], 12))
    nothing = [None] * 12
    assert together == [
        encode_curves([first[run], nothing, second[run], second[run]], 12) for run in range(7)
    ]
    assert not list(encode_alike([None, None], 12))
