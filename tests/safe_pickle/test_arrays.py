"""Arrays of bytes are read where they are asked for, and refused everywhere else."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
from written_pickles import dumped, loaded

from safe_pickle import ArchiveError, ByteArray, DamagedArchiveError, UnsafePickleError, load_pickle

ROWS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
FULL_PROTOCOLS = range(5)  # protocol 5 has a way of its own for arrays, of which no archive is


def read(raw: bytes, **options: Any) -> Any:
    return load_pickle(io.BytesIO(raw), arrays=True, **options)


@pytest.mark.parametrize("protocol", FULL_PROTOCOLS)
def test_an_array_comes_out_with_its_shape_and_bytes(protocol: int) -> None:
    array = read(pickle.dumps({"rows": ROWS}, protocol))["rows"]
    assert isinstance(array, ByteArray)
    assert np.array_equal(np.frombuffer(array.content, np.uint8).reshape(array.shape), ROWS)


@pytest.mark.parametrize("protocol", FULL_PROTOCOLS)
def test_arrays_are_refused_unless_they_are_asked_for(protocol: int) -> None:
    with pytest.raises(UnsafePickleError, match=r"refused to load 'numpy"):
        loaded(pickle.dumps(ROWS, protocol))


@pytest.mark.parametrize(
    "array", [ROWS.astype(np.int8), ROWS.astype("<u2"), np.asfortranarray(ROWS), np.array([None])]
)
def test_arrays_of_anything_but_bytes_are_refused(array: Any) -> None:
    with pytest.raises(UnsafePickleError):
        read(pickle.dumps(array, 2))


@pytest.mark.parametrize(
    "shape",
    [b"K\x19\x85", b"J\xff\xff\xff\xff\x85", b"\x88\x85", b"(" + b"K\x01" * 40 + b"t", b"N\x85"],
)
def test_a_shape_that_does_not_fit_is_damage(shape: bytes) -> None:
    raw = dumped(ROWS.ravel(), 2)
    assert b"K\x18\x85" in raw
    with pytest.raises(DamagedArchiveError, match="shape"):
        read(raw.replace(b"K\x18\x85", shape))


def test_an_array_is_as_long_as_a_value_may_be() -> None:
    raw = pickle.dumps(np.zeros(1000, np.uint8), 2)
    assert read(raw, longest_value=1000).shape == (1000,)
    with pytest.raises(
        DamagedArchiveError, match="a value of 1000 bytes, where at most 999 are allowed"
    ):
        read(raw, longest_value=999)


def test_the_class_of_arrays_is_only_named() -> None:
    with pytest.raises(ArchiveError, match=r"refused to call numpy\.ndarray"):
        read(b"cnumpy\nndarray\nK\x01\x85\x85R.")
