"""Fast path of the pickle machine: decodes whole runs of dict items, such as learning curves.

A curve is written as `key, float, key, float …`. Neighbouring keys have the same length, so the
items form a table of bytes with a fixed stride, whose columns are slices with a step. The column of
opcodes gives the length of the table, the columns of the keys together give the keys, and one
struct format reads all floats. This takes a tenth of the time of executing the opcodes one by one
and gives the same values and memo entries.
"""

from functools import lru_cache
from struct import Struct
from typing import Final, Generic, NamedTuple, TypeVar

__all__ = ["LONGEST_RUN_BYTES", "Run", "integer_key_run", "memoized_key_run", "numbered_key_run"]

_MOST_ITEMS: Final = 256
_FEWEST_ITEMS: Final = 3  # shorter runs are faster item by item
_LONGEST_KEY: Final = 48
_CYCLE: Final = bytes(range(256)) * 2
_FLOAT: Final = 9  # an opcode and eight bytes
LONGEST_RUN_BYTES: Final = _MOST_ITEMS * (_LONGEST_KEY + 10 + _FLOAT)
"""The most bytes of a run, which a buffer has to contain so that no run is cut in two."""

Key = TypeVar("Key", int, str)


class Run(NamedTuple, Generic[Key]):
    """Several items of a dict, read at once.

    Attributes:
        keys: The keys in order; runs with equal keys share one tuple.
        values: The values, as floats.
        size: The bytes of the run in the pickle.
    """

    keys: tuple[Key, ...]
    values: tuple[float, ...]
    size: int


def integer_key_run(data: bytes, start: int) -> Run[int] | None:
    """Read items ``BININT1 key BINFLOAT value``.

    Args:
        data: Part of a pickle.
        start: The index of the first item.

    Returns:
        The run, or None if fewer than three such items follow.
    """
    stride = 2 + _FLOAT
    if data[start + stride : start + stride + 3 : 2] != b"KG":
        return None
    count = _count(data, start, stride, ((0, b"K"), (2, b"G")))
    if count < _FEWEST_ITEMS:
        return None
    end = start + count * stride
    keys = tuple(data[start + 1 : end : stride])
    return Run(keys, _floats(stride, count).unpack_from(data, start), end - start)


def numbered_key_run(data: bytes, start: int, first_id: int) -> Run[str] | None:
    """Read items ``BINUNICODE key LONG_BINPUT id BINFLOAT value`` (protocols 1 to 3).

    Args:
        data: Part of a pickle.
        start: The index of the first item.
        first_id: The id of the next memo entry.

    Returns:
        The run, or None if fewer than three such items follow, or if their ids do not count up
        from `first_id`.
    """
    length = data[start + 1]
    if length > _LONGEST_KEY or data[start + 5 + length : start + 11 + length : 5] != b"rG":
        return None
    stride = 10 + length + _FLOAT
    count = _count(data, start, stride, ((0, b"X"), (5 + length, b"r"), (10 + length, b"G")))
    if count < _FEWEST_ITEMS:
        return None
    end = start + count * stride
    keys = _keys(_columns(data, start + 1, 4 + length, end, stride), count, 4)
    if not keys or not _ids_count_up(data, start + 6 + length, end, stride, first_id, count):
        return None
    return Run(keys, _floats(stride, count).unpack_from(data, start), end - start)


def memoized_key_run(data: bytes, start: int) -> Run[str] | None:
    """Read items ``SHORT_BINUNICODE key MEMOIZE BINFLOAT value`` (protocol 4 and later).

    Args:
        data: Part of a pickle.
        start: The index of the first item.

    Returns:
        The run, or None if fewer than three such items follow.
    """
    length = data[start + 1]
    if length > _LONGEST_KEY or data[start + 2 + length : start + 4 + length] != b"\x94G":
        return None
    stride = 3 + length + _FLOAT
    count = _count(data, start, stride, ((0, b"\x8c"), (2 + length, b"\x94"), (3 + length, b"G")))
    if count < _FEWEST_ITEMS:
        return None
    end = start + count * stride
    keys = _keys(_columns(data, start + 1, 1 + length, end, stride), count, 1)
    if not keys:
        return None
    return Run(keys, _floats(stride, count).unpack_from(data, start), end - start)


def _count(data: bytes, start: int, stride: int, opcodes: tuple[tuple[int, bytes], ...]) -> int:
    """Return the number of items from `start` on with all opcodes at the given offsets."""
    count = min(_MOST_ITEMS, (len(data) - start) // stride)
    for offset, opcode in opcodes:
        column = data[start + offset : start + count * stride : stride]
        count = len(column) - len(column.lstrip(opcode))
    return count


def _columns(data: bytes, start: int, length: int, end: int, stride: int) -> bytes:
    return b"".join([data[column:end:stride] for column in range(start, start + length)])


def _ids_count_up(data: bytes, start: int, end: int, stride: int, first: int, count: int) -> bool:
    """Return whether little-endian numbers of four bytes are `first`, `first` + 1 and so on."""
    low = first & 0xFF
    if data[start:end:stride] != _CYCLE[low : low + count]:
        return False
    # The three higher bytes change only when the low one wraps, at most once in a run.
    before = min(count, 0x100 - low)
    highs = (first >> 8).to_bytes(4, "little")
    next_highs = ((first >> 8) + 1).to_bytes(4, "little")
    for byte in range(3):
        expected = highs[byte : byte + 1] * before
        if before < count:
            expected += next_highs[byte : byte + 1] * (count - before)
        if data[start + 1 + byte : end : stride] != expected:
            return False
    return True


@lru_cache(maxsize=1024)
def _floats(stride: int, count: int) -> Struct:
    """Return a format for the last eight bytes of each item."""
    return Struct(">" + f"{stride - 8}xd" * count)


@lru_cache(maxsize=2048)
def _keys(columns: bytes, count: int, header: int) -> tuple[str, ...]:
    """Decode keys with their length prefixes.

    Args:
        columns: The first bytes of all keys, then their second bytes, and so on.
        count: The number of keys.
        header: The bytes of the little-endian length before each key.

    Returns:
        The keys; an empty tuple if they differ in length.
    """
    rows = [columns[row::count] for row in range(count)]
    length = (len(rows[0]) - header).to_bytes(header, "little")
    if not all(row.startswith(length) for row in rows):
        return ()
    return tuple(row[header:].decode("utf-8", "surrogatepass") for row in rows)
