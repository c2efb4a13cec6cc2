"""Opens the pickle in a file written by torch.save, without torch.

Since torch 1.6 the file is a zip archive with the pickle as its member `<name>/data.pkl`,
uncompressed. Before, it was a sequence of pickles: a magic number, a protocol number, a dict about
the system, the object, and the list of tensor storages. Archives of benchmark results hold no
tensors, so torch is not needed to read either.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from safe_pickle import DamagedArchiveError, PickledData, PickleStream, WrongFormatError

__all__ = ["open_torch_pickle"]

_MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION: Final = 1001
_ZIP_START: Final = b"PK\x03\x04"
_PICKLE_START: Final = b"\x80"  # the PROTO opcode of protocol 2 and later
_ENCRYPTED: Final = 0x1
_EXPECTED: Final = "expected what torch.save writes: a zip archive or, before torch 1.6, pickles"


@contextmanager
def open_torch_pickle(path: Path) -> Iterator[BinaryIO]:
    """Open a file written by torch.save, at the pickle of its object.

    On exit, the data after the pickle are checked: a zip's checksum, or the list of storages.
    Therefore read the pickle to its end, and do not trust it before the block has been left.

    Args:
        path: The file, usually named `.pth`.

    Yields:
        A file for `PickleStream`.

    Raises:
        WrongFormatError: The file is not such an archive, or has tensors.
        DamagedArchiveError: It is truncated, its checksum is wrong, or its pickle was not read to
            the end.
        UnsafePickleError: One of its own pickles requests more than data.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(len(_ZIP_START))
        file.seek(0)
        if start == _ZIP_START:
            with _open_member(file, path) as member:
                yield member
        elif start.startswith(_PICKLE_START):
            _read_header(file, path)
            yield file
            _read_storages(file, path)
        elif not start:
            raise WrongFormatError(f"{path} is empty; {_EXPECTED}")
        else:
            raise WrongFormatError(f"{path} is neither a zip archive nor a pickle; {_EXPECTED}")


@contextmanager
def _open_member(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """Open the zip's pickle; `zipfile` compares its checksum when it is read to the end."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise DamagedArchiveError(
            f"{path} starts like a zip archive, but is truncated or damaged: {error}"
        ) from error
    with archive:
        info = _pickle_member(archive, path)
        try:
            member = archive.open(info)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise DamagedArchiveError(f"{path}: {info.filename!a} is damaged: {error}") from error
        with member:
            yield cast("BinaryIO", member)
            if _read_on(member, path):
                raise DamagedArchiveError(
                    f"{path}: {info.filename!a} continues after its pickle, or was not read to "
                    "its end"
                )


def _read_on(member: IO[bytes], path: Path) -> bytes:
    try:
        return member.read(1)
    except (zipfile.BadZipFile, EOFError) as error:
        raise DamagedArchiveError(f"{path} is damaged: {error}") from error


def _pickle_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    pickles = [
        info
        for info in archive.infolist()
        if info.filename.count("/") == 1 and info.filename.endswith("/data.pkl")
    ]
    if len(pickles) != 1:
        raise WrongFormatError(
            f"{path} is a zip archive with {len(pickles)} members <name>/data.pkl; "
            "torch.save writes one"
        )
    info = pickles[0]
    # A compressed member could unpack to any size. torch.save never compresses.
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
        raise WrongFormatError(
            f"{path}: {info.filename!a} is compressed or encrypted; torch.save stores it as it is"
        )
    return info


def _read_header(file: BinaryIO, path: Path) -> None:
    """Read and check the three pickles before the object."""
    for name, expected in ("magic number", _MAGIC_NUMBER), ("protocol version", _PROTOCOL_VERSION):
        if _read_pickle(file) != expected:
            raise WrongFormatError(f"{path} is a pickle without torch's {name}; {_EXPECTED}")
    system = _read_pickle(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WrongFormatError(f"{path} was not written on a little-endian machine by torch.save")


def _read_storages(file: BinaryIO, path: Path) -> None:
    """Read the list of storages after the object; tensors would follow it."""
    storages = _read_pickle(file)
    if storages != [] or file.read(1):
        raise WrongFormatError(f"{path} does not end with torch's empty list of tensor storages")


def _read_pickle(file: BinaryIO) -> PickledData:
    stream = PickleStream(file)
    for _ in stream.pairs():
        pass
    return stream.root
