"""Input of the pickle machine: reads ahead in large blocks, and decodes single values."""

import zlib
from collections.abc import Callable
from os import SEEK_CUR
from struct import Struct
from sys import maxsize
from typing import BinaryIO, Final
from zipfile import BadZipFile

from safe_pickle.errors import DamagedArchiveError
from safe_pickle.runs import LONGEST_RUN_BYTES

__all__ = ["LONGEST_VALUE", "VALUE_READERS", "PickleInput"]

_CHUNK: Final = 1 << 18
LONGEST_VALUE: Final = 1 << 24
"""Default limit of bytes of a value, so that a corrupt length does not exhaust the memory."""
_LONGEST_INTEGER: Final = 1024  # bytes

_U2: Final = Struct("<H").unpack_from
_U4: Final = Struct("<I").unpack_from
_I4: Final = Struct("<i").unpack_from
_U8: Final = Struct("<Q").unpack_from


class PickleInput:
    """A window that moves forward over a file.

    Args:
        file: A file open for reading, at the pickle's first byte.
        longest_value: The most bytes of a string or a line of text.

    Attributes:
        data: The bytes in the window.
        pos: Index in `data` of the next byte to read.
        opcode_pos: Index in `data` of the current opcode.
        refill_pos: Index in `data` from which an opcode may extend beyond `data`.
    """

    __slots__ = (
        "_file", "_longest_value", "_passed", "data", "opcode_pos", "pos", "refill_pos",
    )  # fmt: skip

    def __init__(self, file: BinaryIO, *, longest_value: int = LONGEST_VALUE) -> None:
        self._file = file
        self._longest_value = longest_value
        self._passed = 0
        self.data = b""
        self.pos = 0
        self.opcode_pos = 0
        self.refill_pos = 0

    @property
    def offset(self) -> int:
        """Byte offset of the current opcode from the pickle's beginning."""
        return self._passed + self.opcode_pos

    def refill(self) -> None:
        """Read ahead, so that `data` fully contains the next opcode of fixed size, or run."""
        if not self._read_until(LONGEST_RUN_BYTES):
            self.refill_pos = maxsize
        else:
            self.refill_pos = len(self.data) - LONGEST_RUN_BYTES

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            DamagedArchiveError: The file ends before, or `size` exceeds the limit of a value.
        """
        if size > self._longest_value:
            raise DamagedArchiveError(
                f"malformed pickle: a value of {size} bytes, where at most {self._longest_value} "
                "are allowed"
            )
        end = self.pos + size
        if end > len(self.data):
            if not self._read_until(size):
                raise self.truncated()
            end = self.pos + size
        piece = self.data[self.pos : end]
        self.pos = end
        return piece

    def line(self) -> bytes:
        """Return the bytes up to a line feed, without it.

        Raises:
            DamagedArchiveError: The file ends before, or the line exceeds the limit of a value.
        """
        end = self.data.find(b"\n", self.pos)
        wanted = _CHUNK
        while end < 0:
            whole = self._read_until(wanted)
            end = self.data.find(b"\n", self.pos)
            if end < 0 and not whole:
                raise self.truncated()
            if wanted > self._longest_value:
                raise DamagedArchiveError("malformed pickle: a line without end")
            wanted += _CHUNK
        piece = self.data[self.pos : end]
        self.pos = end + 1
        return piece

    def u1(self) -> int:
        """Read an unsigned integer of one byte."""
        value = self.data[self.pos]
        self.pos += 1
        return value

    def u2(self) -> int:
        """Read an unsigned little-endian integer of two bytes."""
        value: int = _U2(self.data, self.pos)[0]
        self.pos += 2
        return value

    def u4(self) -> int:
        """Read an unsigned little-endian integer of four bytes."""
        value: int = _U4(self.data, self.pos)[0]
        self.pos += 4
        return value

    def i4(self) -> int:
        """Read a signed little-endian integer of four bytes."""
        value: int = _I4(self.data, self.pos)[0]
        self.pos += 4
        return value

    def u8(self) -> int:
        """Read an unsigned little-endian integer of eight bytes."""
        value: int = _U8(self.data, self.pos)[0]
        self.pos += 8
        return value

    def truncated(self) -> DamagedArchiveError:
        """Return an error saying that the file ends inside the current opcode."""
        end = self._passed + len(self.data)
        return DamagedArchiveError(f"truncated pickle: the file ends at byte {end}, in an opcode")

    def set_back(self) -> None:
        """Set a seekable file to `pos`, as if it had not been read ahead."""
        unread = len(self.data) - self.pos
        if unread and self._file.seekable():
            self._file.seek(-unread, SEEK_CUR)
            self.data = self.data[: self.pos]

    def expect_end(self) -> None:
        """Check that the file ends here.

        Raises:
            DamagedArchiveError: The file continues, or the container reports damage.
        """
        if self.pos < len(self.data) or self._read(1):
            end = self._passed + self.pos
            raise DamagedArchiveError(f"something follows the pickle, which ends at byte {end}")

    def _read_until(self, size: int) -> bool:
        """Read until `data` has `size` bytes from `pos` on; return False at its end."""
        pieces = [self.data[self.opcode_pos :]]
        lacking = size - (len(self.data) - self.pos)
        while lacking > 0:
            piece = self._read(max(lacking, _CHUNK))
            if not piece:
                break
            pieces.append(piece)
            lacking -= len(piece)
        self._passed += self.opcode_pos
        self.pos -= self.opcode_pos
        self.opcode_pos = 0
        self.data = b"".join(pieces)
        self.refill_pos = 0
        return lacking <= 0

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except (BadZipFile, EOFError, zlib.error) as error:
            raise self._damaged(error) from error
        except OSError as error:
            if error.errno is not None:  # an error of the disk, not of the content
                raise
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DamagedArchiveError:
        end = self._passed + len(self.data)
        return DamagedArchiveError(f"damaged container: after byte {end} of its content, {error}")


def _huge_integer(source: PickleInput) -> int:
    size = source.u4()
    if size > _LONGEST_INTEGER:
        raise DamagedArchiveError(f"malformed pickle: an integer of {size} bytes")
    return _signed(source.take(size))


def _signed(digits: bytes) -> int:
    return int.from_bytes(digits, "little", signed=True)


def _integer_line(source: PickleInput) -> int:
    """Read a decimal; protocols 0 and 1 write booleans as 00 and 01."""
    text = source.line()
    truth = {b"00": False, b"01": True}.get(text)
    return int(text) if truth is None else truth


VALUE_READERS: Final[dict[bytes, Callable[[PickleInput], object]]] = {
    b"N": lambda _: None,
    b"\x88": lambda _: True,
    b"\x89": lambda _: False,
    b"I": _integer_line,
    b"J": PickleInput.i4,
    b"L": lambda source: int(source.line().removesuffix(b"L")),
    b"M": PickleInput.u2,
    b"\x8a": lambda source: _signed(source.take(source.u1())),
    b"\x8b": _huge_integer,
    b"F": lambda source: float(source.line()),
    b"V": lambda source: source.line().decode("raw-unicode-escape"),
    b"\x8d": lambda source: source.take(source.u8()).decode("utf-8", "surrogatepass"),
    # Python 2's `str` may be text or bytes; in data it is text.
    b"T": lambda source: source.take(source.u4()).decode("latin-1"),
    b"U": lambda source: source.take(source.u1()).decode("latin-1"),
    b"B": lambda source: source.take(source.u4()),
    b"C": lambda source: source.take(source.u1()),
    b"\x8e": lambda source: source.take(source.u8()),
}
"""For each opcode, the function that reads its operand and returns the value.

Opcodes that may begin a run of dict items are missing, as the machine handles them.
"""
