"""Whether bytes that come in are a safetensors file, told without PyTorch and without keeping them.

The format (github.com/huggingface/safetensors, README): the length of the header as a 64-bit
little-endian number; the header, a JSON object that gives each tensor's type, shape and place; then
the tensors, one after the other without gaps. The library reads the header, once it is known to be
of a size that is read fast: its reader keeps everybody else waiting. It takes a name that is there
twice, which other readers take for another tensor; so that is looked for here.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from typing import Any, Final

from safetensors import SafetensorError, safe_open

__all__ = ["NotSafetensorsError", "SafetensorsCheck"]

_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 4 * 2**20
_MOST_MARKS: Final = 500_000
"""Commas, colons and brackets of a header, those in texts included."""
_MOST_TENSORS: Final = 20_000
_MOST_DIMENSIONS: Final = 64
"""PyTorch has no more."""
_LARGEST: Final = 2**40
"""Of a dimension, of the product of all, and of an offset; a checkpoint is smaller by far."""
_LONGEST_NUMBER: Final = 20
"""Digits; 2^64 has as many."""
_LONGEST_NAME: Final = 100
_LONGEST_REASON: Final = 300
_METADATA: Final = "__metadata__"


class NotSafetensorsError(ValueError):
    """The bytes are not a safetensors file; the message says why."""


class SafetensorsCheck:
    """A check of a safetensors file whose bytes come in one piece after the other.

    Attributes:
        tensors: How many tensors the file has; 0 until its header is complete.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._received = 0
        self._expected: int | None = None
        self.tensors = 0

    def feed(self, piece: bytes) -> None:
        """Look at the next piece.

        Raises:
            NotSafetensorsError: The file cannot be one, whatever follows.
        """
        self._received += len(piece)
        if self._expected is None:
            self._head += piece
            self._read_header()
        if self._expected is not None and self._received > self._expected:
            raise NotSafetensorsError(
                f"the file goes on after its {self._expected} bytes of header and tensors"
            )

    def finish(self) -> None:
        """Check that the file is complete.

        Raises:
            NotSafetensorsError: It is not.
        """
        if self._expected is None:
            raise NotSafetensorsError(f"the file ends within its header, at {self._received} bytes")
        if self._received != self._expected:
            raise NotSafetensorsError(
                f"the file ends at {self._received} bytes; its header speaks of {self._expected}"
            )

    def _read_header(self) -> None:
        if len(self._head) < _LENGTH_BYTES:
            return
        length = int.from_bytes(self._head[:_LENGTH_BYTES], "little")
        if not 0 < length <= _LONGEST_HEADER:
            raise NotSafetensorsError(
                f"the file begins with a header length of {length}; 1 to {_LONGEST_HEADER} is sane"
            )
        end = _LENGTH_BYTES + length
        if len(self._head) < end:
            return
        header = bytes(self._head[_LENGTH_BYTES:end])
        self._head.clear()
        tensors = _bounded(header)
        self._expected = end + _end(tensors)
        self.tensors = len(tensors)
        _read_by_the_library(header, self._expected)


def _bounded(header: bytes) -> dict[str, Any]:
    """Return the entries of the tensors in a header, by name, which are within all bounds.

    Raises:
        NotSafetensorsError: They are not, or there are none.
    """
    if sum(map(header.count, (b",", b":", b"[", b"{"))) > _MOST_MARKS:
        raise NotSafetensorsError("the header holds too much")
    try:
        entries = json.loads(
            header.decode(),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except NotSafetensorsError:
        raise
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise NotSafetensorsError(f"the header is no JSON: {reason}") from None
    if not isinstance(entries, dict):
        raise NotSafetensorsError("the header is no JSON object")
    entries.pop(_METADATA, None)
    if not entries:
        raise NotSafetensorsError("the file has no tensors")
    if len(entries) > _MOST_TENSORS:
        raise NotSafetensorsError(f"the file has more than {_MOST_TENSORS} tensors")
    for name, entry in entries.items():
        _refuse_unbounded(name, entry)
    return entries


def _refuse_unbounded(name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise NotSafetensorsError(f"{_shown(name)} has no dtype, shape and data_offsets")
    if not isinstance(entry["dtype"], str):
        raise NotSafetensorsError(f"{_shown(name)}: its dtype is no text")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or len(shape) > _MOST_DIMENSIONS:
        raise NotSafetensorsError(
            f"{_shown(name)}: its shape is no list of at most {_MOST_DIMENSIONS} dimensions, each "
            f"from 0 to {_LARGEST}"
        )
    product = 1
    for length in shape:
        product *= length
        if product > _LARGEST:
            raise NotSafetensorsError(f"{_shown(name)}: it has more than {_LARGEST} elements")
    if not _are_counts(offsets) or len(offsets) != 2:  # noqa: PLR2004 - begin and end
        raise NotSafetensorsError(f"{_shown(name)}: its data_offsets are no begin and end")


def _end(tensors: dict[str, Any]) -> int:
    """Return where the last tensor ends."""
    return max(int(entry["data_offsets"][1]) for entry in tensors.values())


def _read_by_the_library(header: bytes, size: int) -> None:
    """Have the library read a header, in a file whose tensors are a hole.

    Raises:
        NotSafetensorsError: It refuses it: types, shapes and places do not fit each other.
        OSError: There is no room for the header.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(len(header).to_bytes(_LENGTH_BYTES, "little") + header)
        file.flush()
        file.truncate(size)
        try:
            with safe_open(file.name, framework="np"):
                pass
        except SafetensorError as error:
            raise NotSafetensorsError(str(error)[:_LONGEST_REASON]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise NotSafetensorsError(f"{_shown(counts.most_common(1)[0][0])} is there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise NotSafetensorsError(f"the header has a number of {len(digits)} digits")
    return int(digits)


def _no_number(text: str) -> float:
    raise NotSafetensorsError(f"the header has {_shown(text)}, which is no whole number")


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= _LARGEST for value in values
    )


def _shown(value: str) -> str:
    text = repr(value[:_LONGEST_NAME])
    return text if len(value) <= _LONGEST_NAME else f"{text}…"
