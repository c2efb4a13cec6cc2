"""Whether bytes that come in are a safetensors file, told without PyTorch and without keeping them.

The format (github.com/huggingface/safetensors, README): the length of the header as a 64-bit
little-endian number; the header, a JSON object that gives each tensor's type, shape and place; then
the tensors, one after the other without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import orjson

__all__ = ["NotSafetensorsError", "SafetensorsCheck"]

_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 16 * 2**20
"""A network of a hundred thousand tensors needs less."""
_LONGEST_NAME: Final = 100
_METADATA: Final = "__metadata__"

_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
        **dict.fromkeys(("U32", "I32", "F32"), 32),
        **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    }
)
"""Bits of an element, by type."""


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
        tensors = _parsed(bytes(self._head[_LENGTH_BYTES:end]))
        self._head.clear()
        self._expected = end + _bytes_of(tensors)
        self.tensors = len(tensors)


def _parsed(header: bytes) -> dict[str, Any]:
    """Return the entries of the tensors in a header, by name."""
    try:
        entries = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise NotSafetensorsError(f"the header is no JSON: {error}") from None
    if not isinstance(entries, dict):
        raise NotSafetensorsError("the header is no JSON object")
    metadata = entries.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise NotSafetensorsError(f"{_METADATA} of the header is no object of texts")
    if not entries:
        raise NotSafetensorsError("the file has no tensors")
    return entries


def _bytes_of(tensors: Mapping[str, Any]) -> int:
    """Return how many bytes the tensors take, which lie one after the other."""
    places = sorted(_place(name, entry) for name, entry in tensors.items())
    if places[0][0] != 0:
        raise NotSafetensorsError(f"the first tensor begins at {places[0][0]}, not at 0")
    for (_, end, name), (begin, _, following) in pairwise(places):
        if begin != end:
            raise NotSafetensorsError(
                f"{_shown(name)} ends at {end} and {_shown(following)} begins at {begin}: "
                "tensors lie one after the other"
            )
    return places[-1][1]


def _place(name: str, entry: Any) -> tuple[int, int, str]:
    """Return where a tensor begins and ends, checked against its type and shape."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise NotSafetensorsError(f"{_shown(name)} has no dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise NotSafetensorsError(
            f"{_shown(name)}: dtype {_shown(dtype)} is none of {', '.join(_BITS)}"
        )
    if not _are_counts(shape):
        raise NotSafetensorsError(f"{_shown(name)}: its shape is no list of whole numbers")
    if not _are_counts(offsets) or len(offsets) != 2:  # noqa: PLR2004 - begin and end
        raise NotSafetensorsError(f"{_shown(name)}: its data_offsets are no begin and end")
    begin, end = offsets
    needed = math.prod(shape) * _BITS[dtype] // 8
    if end - begin != needed:
        raise NotSafetensorsError(
            f"{_shown(name)}: {dtype} of shape {_shown(shape)} takes {needed} bytes, not "
            f"{end - begin}"
        )
    return begin, end, name


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
