"""Plain data of every kind, written by Python's picklers and read by the reader of this project."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from safe_pickle import ArchiveError, PickleStream, load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PICKLERS: dict[str, Callable[..., Any]] = {"C": pickle.Pickler, "Python": pickle._Pickler}
both_picklers = pytest.mark.parametrize("pickler", PICKLERS)
all_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.binary(max_size=12)
)
keys = atoms | st.tuples(st.text(max_size=5), st.integers())
data = st.recursive(
    atoms | st.sets(atoms, max_size=4) | st.frozensets(keys, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(keys, inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5).map(OrderedDict)
    ),
    max_leaves=25,
)


def dumped(value: object, protocol: int = 2, pickler: str = "C") -> bytes:
    out = io.BytesIO()
    PICKLERS[pickler](out, protocol).dump(value)
    return out.getvalue()


def loaded(raw: bytes) -> Any:
    return load_pickle(io.BytesIO(raw))


def streamed(raw: bytes, key: str = "records") -> tuple[list[tuple[Any, Any]], Any]:
    stream = PickleStream(io.BytesIO(raw), stream_key=key)
    return list(stream.pairs()), stream.root


def same(left: object, right: object) -> bool:
    """Equal in value, in the types of numbers and in the order of keys."""
    if isinstance(right, OrderedDict):
        right = dict(right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            same(a, c) and same(b, d)
            for (a, b), (c, d) in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right) if isinstance(left, float) else left == right


def curves(epochs: int, name: str = "x-valid") -> dict[str, Any]:
    return {
        "train": {epoch: epoch * 1.1 for epoch in range(epochs)},
        "valid": {f"{name}@{epoch}": epoch / 3 for epoch in range(epochs)},
        "mixed": {f"{name}@{epoch}": epoch / 3 if epoch % 50 else "-" for epoch in range(epochs)},
    }


Reader = Callable[[bytes], object]


def outcome(raw: bytes, read: Reader) -> object:
    """Read anything; what is no pickle must be an ArchiveError and nothing else."""
    try:
        return read(raw)
    except ArchiveError:
        return None
