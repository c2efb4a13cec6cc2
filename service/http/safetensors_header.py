"""Validation of the header of a safetensors file during its upload, without PyTorch.

The format (github.com/huggingface/safetensors, README): the length of the header as a 64-bit
little-endian number; the header, a JSON object with type, shape and offsets of each tensor; then
the tensors without gaps. The safetensors library checks all of that. Sizes and dimensions are
limited before, because its reader holds the GIL, and duplicate names are refused, because the
library accepts them and readers differ in which tensor they use.
"""

from __future__ import annotations

import json
import tempfile
from math import prod
from typing import Any, Final

__all__ = ["NotSafetensorsError", "SafetensorsCheck"]

_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 4 * 2**20
_MOST_MARKS: Final = 500_000
"""Commas, colons and brackets of a header, including those in texts."""
_MOST_TENSORS: Final = 20_000
_MOST_DIMENSIONS: Final = 64
"""PyTorch's limit."""
_LARGEST: Final = 2**40
"""Limit of a dimension, of the product of all, and of an offset; far above real checkpoints."""
_LONGEST_NUMBER: Final = 20
"""Digits; 2^64 has as many."""
_LONGEST_NAME: Final = 100
_LONGEST_REASON: Final = 300
_METADATA: Final = "__metadata__"
_MEMBERS: Final = frozenset({"dtype", "shape", "data_offsets"})
"""The members of a tensor; the library would ignore others."""


class NotSafetensorsError(ValueError):
    """The bytes are not a safetensors file; the message says why."""


class SafetensorsCheck:
    """Validates a safetensors file that arrives in chunks.

    Attributes:
        tensors: Number of tensors in the file; 0 until its header is complete.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._received = 0
        self._expected: int | None = None
        self.tensors = 0

    def feed(self, piece: bytes) -> None:
        """Process the next chunk.

        Raises:
            NotSafetensorsError: The file is invalid, whatever follows.
        """
        self._received += len(piece)
        if self._expected is None:
            self._head += piece
            self._read_header()
        if self._expected is not None and self._received > self._expected:
            raise NotSafetensorsError(
                f"the file continues after its {self._expected} bytes of header and tensors"
            )

    def finish(self) -> None:
        """Check that the file is complete.

        Raises:
            NotSafetensorsError: The file is incomplete.
        """
        if self._expected is None:
            raise NotSafetensorsError(f"the file ends within its header, at {self._received} bytes")
        if self._received != self._expected:
            raise NotSafetensorsError(
                f"the file ends at {self._received} bytes; by its header it has {self._expected}"
            )

    def _read_header(self) -> None:
        if len(self._head) < _LENGTH_BYTES:
            return
        length = int.from_bytes(self._head[:_LENGTH_BYTES], "little")
        if not 0 < length <= _LONGEST_HEADER:
            raise NotSafetensorsError(
                f"the header length is {length}; 1 to {_LONGEST_HEADER} is allowed"
            )
        end = _LENGTH_BYTES + length
        if len(self._head) < end:
            return
        header = bytes(self._head[_LENGTH_BYTES:end])
        self._head.clear()
        tensors = _bounded(header)
        self._expected = end + max(entry["data_offsets"][-1] for entry in tensors.values())
        self.tensors = len(tensors)
        _read_by_the_library(header, self._expected)


def _bounded(header: bytes) -> dict[str, Any]:
    """Return the tensors in a header by name, if they are small enough for the library.

    Raises:
        NotSafetensorsError: A limit is exceeded, a name is duplicate, or there is no tensor.
    """
    if sum(map(header.count, (b",", b":", b"[", b"{"))) > _MOST_MARKS:
        raise NotSafetensorsError("the header is too large")
    try:
        entries = json.loads(header.decode(), object_pairs_hook=_unique, parse_int=_integer)
    except NotSafetensorsError:
        raise
    except (ValueError, RecursionError) as error:
        raise NotSafetensorsError(f"the header is not JSON: {error}") from None
    tensors = dict(entries) if isinstance(entries, dict) else {}
    tensors.pop(_METADATA, None)
    if not 0 < len(tensors) <= _MOST_TENSORS:
        raise NotSafetensorsError(f"the header is not an object of 1 to {_MOST_TENSORS} tensors")
    for name, entry in tensors.items():
        if not _is_small(entry):
            raise NotSafetensorsError(
                f"{name[:_LONGEST_NAME]!r} must have only dtype, shape and data_offsets, with at "
                f"most {_MOST_DIMENSIONS} dimensions, and elements and offsets up to {_LARGEST}"
            )
    return tensors


def _is_small(entry: Any) -> bool:
    """Tell whether a tensor is small enough for the library, which does the other checks."""
    if not isinstance(entry, dict) or entry.keys() != _MEMBERS:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else None
    return (
        numbers is not None
        and 0 < len(offsets) <= len(numbers) <= _MOST_DIMENSIONS + 2
        and all(type(number) is int for number in numbers)
        and prod(shape) <= _LARGEST
        and 0 <= offsets[-1] <= _LARGEST
    )


def _read_by_the_library(header: bytes, size: int) -> None:
    """Have the library read a header, in a sparse file without tensor data.

    Raises:
        NotSafetensorsError: The library refuses it: types, shapes and offsets are inconsistent.
        OSError: The disk is full.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - not before an upload

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
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NotSafetensorsError(f"{name[:_LONGEST_NAME]!r} is duplicate")
        found[name] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise NotSafetensorsError(f"the header has a number of {len(digits)} digits")
    return int(digits)
