"""Streams the records of a TFRecord file and checks every CRC, without TensorFlow.

Layout of a record: uint64 length, uint32 masked CRC-32C of those eight bytes, payload, uint32
masked CRC-32C of the payload, all little endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import google_crc32c

from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["RawRecord", "RecordError", "TFRecordReader", "framed"]

_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_UINT32 = 0xFFFFFFFF

_BUFFER_BYTES = 4 << 20
# The records of NAS-Bench-101 take about 400 bytes. A length above this limit counts as damage
# before so much is read.
_LARGEST_PAYLOAD = 64 << 20
# Lengths recur: known headers need not be checked again. At most this many are kept, a few
# megabytes.
_CACHED_HEADERS = 1 << 15


RawRecord: TypeAlias = tuple[int, int, bytes]
"""Record number from 0, byte offset of its header, payload. Plain tuples are cheap to exchange
between processes, by the million."""


class RecordError(DamagedArchiveError):
    """A record cannot be used; with its place in the archive.

    Args:
        number: Position of the record in its file, from 0.
        offset: Byte offset of the record's header.
        reason: What is wrong with it.
    """

    def __init__(self, number: int, offset: int, reason: str) -> None:
        super().__init__(number, offset, reason)
        self.number = number
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"record {self.number} at byte {self.offset}: {self.reason}"


class TFRecordReader:
    """Iterates over the records of one file, in file order and in constant memory.

    A record with a wrong payload CRC can be skipped. After a wrong length the next record cannot be
    located, so reading ends there even when corrupt records are skipped.

    Args:
        path: The file.
        skip_corrupt: Collect errors in `skipped` and continue, instead of raising.

    Attributes:
        skipped: Errors of the latest iteration, in file order; always empty without
            `skip_corrupt`.
        bytes_read: Position after the latest record, for progress bars.
    """

    def __init__(self, path: str | os.PathLike[str], *, skip_corrupt: bool = False) -> None:
        self.path = Path(path)
        self.skip_corrupt = skip_corrupt
        self.skipped: list[RecordError] = []
        self.bytes_read = 0

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield every sound record.

        Raises:
            ArchiveError: The file cannot be read.
            WrongFormatError: The file is empty or is not a TFRecord file.
            RecordError: Without `skip_corrupt`: a CRC or a length is wrong, or the last record
                is truncated.
        """
        self.skipped = []
        self.bytes_read = 0
        try:
            with self.path.open("rb", buffering=_BUFFER_BYTES) as stream:
                yield from self._records(stream)
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be read: {error.strerror}") from error

    def _records(self, stream: BinaryIO) -> Iterator[RawRecord]:
        lengths: dict[bytes, int] = {}
        number = offset = 0
        while header := stream.read(_HEADER.size):
            length = lengths.get(header)
            if length is None:
                try:
                    length = _checked_length(header)
                except _UnlocatableError as error:
                    if number == 0 and not error.is_tfrecord:
                        raise WrongFormatError(
                            f"{self.path} is not a TFRecord file: {error}"
                        ) from None
                    self._skip(number, offset, f"{error}; nothing after it can be located")
                    return
                if len(lengths) == _CACHED_HEADERS:
                    lengths.clear()
                lengths[header] = length
            body = stream.read(length + _CRC.size)
            missing = length + _CRC.size - len(body)
            if missing:
                self._skip(number, offset, f"the file ends {missing} bytes before the record does")
                return
            payload = body[:length]
            if _masked_crc(payload) == _CRC.unpack_from(body, length)[0]:
                yield number, offset, payload
            else:
                self._skip(number, offset, "the CRC of the payload does not match")
            number += 1
            offset += _HEADER.size + len(body)
            self.bytes_read = offset
        if number == 0:
            raise WrongFormatError(f"{self.path} is empty")

    def _skip(self, number: int, offset: int, reason: str) -> None:
        error = RecordError(number, offset, reason)
        if not self.skip_corrupt:
            raise error
        self.skipped.append(error)


class _UnlocatableError(Exception):
    """A header from which the next record cannot be located."""

    def __init__(self, message: str, *, is_tfrecord: bool) -> None:
        super().__init__(message)
        self.is_tfrecord = is_tfrecord


def _checked_length(header: bytes) -> int:
    """Return the payload's length."""
    if len(header) < _HEADER.size:
        raise _UnlocatableError(
            f"the file ends {_HEADER.size - len(header)} bytes before the record's header does",
            is_tfrecord=False,
        )
    length, crc = _HEADER.unpack(header)
    if crc != _masked_crc(header[: -_CRC.size]):
        raise _UnlocatableError(
            f"the CRC of the length ({length}) does not match", is_tfrecord=False
        )
    if length > _LARGEST_PAYLOAD:
        raise _UnlocatableError(
            f"the length is {length} bytes, more than the {_LARGEST_PAYLOAD} a record may have",
            is_tfrecord=True,
        )
    return int(length)


def framed(payload: bytes) -> bytes:
    """Return a payload as a complete record, with its length and both CRCs."""
    length = len(payload).to_bytes(_HEADER.size - _CRC.size, "little")
    return b"".join(
        (length, _CRC.pack(_masked_crc(length)), payload, _CRC.pack(_masked_crc(payload)))
    )


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _UINT32
