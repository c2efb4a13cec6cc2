"""The bytes of a pickle, read ahead in large pieces."""

import zlib
from os import SEEK_CUR
from struct import Struct
from sys import maxsize
from typing import BinaryIO, Final
from zipfile import BadZipFile

from generators.raw.errors import DamagedArchiveError
from generators.raw.pickle_runs import LONGEST_RUN_BYTES

__all__ = ["PickleInput"]

_CHUNK: Final = 1 << 18
_LONGEST_VALUE: Final = 1 << 24  # bytes: a flipped bit in a length must not fill the memory

_U2: Final = Struct("<H").unpack_from
_U4: Final = Struct("<I").unpack_from
_I4: Final = Struct("<i").unpack_from
_U8: Final = Struct("<Q").unpack_from
_F8: Final = Struct(">d").unpack_from


class PickleInput:
    """A window on a file that moves forward.

    Attributes:
        data: The bytes at hand.
        pos: Where in `data` to read next.
        opcode_pos: Where in `data` the current opcode stands.
        refill_pos: Past this position an opcode may reach beyond `data`.
    """

    __slots__ = ("_file", "_passed", "data", "opcode_pos", "pos", "refill_pos")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
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
        """Read on, so that opcodes of a fixed size and runs are whole in `data`."""
        if not self._read_until(LONGEST_RUN_BYTES):
            self.refill_pos = maxsize
        else:
            self.refill_pos = len(self.data) - LONGEST_RUN_BYTES

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            DamagedArchiveError: There are fewer, or more than any string of ours has.
        """
        if size > _LONGEST_VALUE:
            raise DamagedArchiveError(
                f"malformed pickle: a value of {size} bytes, where {_LONGEST_VALUE} are the most"
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
            DamagedArchiveError: There is none before the file ends or a value gets too long.
        """
        end = self.data.find(b"\n", self.pos)
        wanted = _CHUNK
        while end < 0:
            whole = self._read_until(wanted)
            end = self.data.find(b"\n", self.pos)
            if end < 0 and not whole:
                raise self.truncated()
            if wanted > _LONGEST_VALUE:
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

    def f8(self) -> float:
        """Read a big-endian double."""
        value: float = _F8(self.data, self.pos)[0]
        self.pos += 8
        return value

    def truncated(self) -> DamagedArchiveError:
        """Say that the file ends inside the current opcode."""
        end = self._passed + len(self.data)
        return DamagedArchiveError(f"truncated pickle: the file ends at byte {end}, in an opcode")

    def set_back(self) -> None:
        """Leave the file at `pos`, as though it had not been read ahead, where it can seek."""
        unread = len(self.data) - self.pos
        if unread and self._file.seekable():
            self._file.seek(-unread, SEEK_CUR)
            self.data = self.data[: self.pos]

    def expect_end(self) -> None:
        """Check that nothing follows.

        Raises:
            DamagedArchiveError: Something does, or the container says its content is damaged.
        """
        if self.pos < len(self.data) or self._read(1):
            end = self._passed + self.pos
            raise DamagedArchiveError(f"something follows the pickle, which ends at byte {end}")

    def _read_until(self, size: int) -> bool:
        """Have `size` bytes from `pos` on in `data`; False where the file ends before."""
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
            if error.errno is not None:  # the disk's fault, not the file's
                raise
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DamagedArchiveError:
        end = self._passed + len(self.data)
        return DamagedArchiveError(f"damaged container: after byte {end} of its content, {error}")
