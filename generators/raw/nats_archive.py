"""Reads the archives of NAS-Bench-201 and NATS-Bench, one architecture at a time.

Four formats hold the same records: one pickle of all architectures, saved by torch (NAS-Bench-201)
or compressed with bz2 (NATS-Bench), and a folder with one bz2-compressed pickle per architecture,
as it is or as the published tar file.
"""

from __future__ import annotations

import bz2
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeAlias, cast

from benchmark_db.errors import shown
from generators.raw.torch_archive import open_torch_pickle
from safe_pickle import (
    ArchiveError,
    DamagedArchiveError,
    PickleStream,
    UnsafePickleError,
    WrongFormatError,
    load_pickle,
)

__all__ = ["NatsArchive"]

_META: Final = "meta.pickle.pbz2"
_RECORDS: Final = "arch2infos"
_FILE_NAME: Final = re.compile(r"([0-9]{6})\.pickle\.pbz2")
_BUDGETS: Final = {"less": 12, "full": 200}
"""Budgets in epochs, by their names in NAS-Bench-201's own archive."""

_EPOCHS: Final = re.compile(r"[0-9]{1,4}")

_MAX_FILE: Final = 64 * 2**20
"""Most unpacked bytes of a file of one architecture; real ones have 400 kB."""
_MAX_WHOLE: Final = 256 * 2**30
"""Most unpacked bytes of a file of all architectures; real ones have about 10 GB."""
_READ_AHEAD: Final = 8
_SYNTHETIC: Final = "synthetic"
_BZ2_START: Final = b"BZh"
_TAR_MARK: Final = slice(257, 262)
_TAR_BLOCK: Final = tarfile.BLOCKSIZE

_Read: TypeAlias = Callable[[], bytes]
"""Returns the packed bytes of a file."""


class NatsArchive:
    """An archive in any of the formats.

    Args:
        path: A `.pth` file, a `.pickle.pbz2` file of all architectures, a folder, or the tar file
            of a folder.
        architectures: The published list of architectures, which the archive must match.

    Attributes:
        synthetic: Whether the archive declares its numbers as made up; known once `entries` is
            exhausted.
    """

    def __init__(self, path: Path, architectures: Sequence[str]) -> None:
        self.path = path
        self.synthetic = False
        self._architectures = architectures

    def entries(self) -> Iterator[tuple[int, Mapping[int, Any]]]:
        """Yield each architecture's index and its records by budget in epochs.

        Raises:
            ArchiveError: The archive is damaged, of another format, or of another benchmark.
            OSError: The archive cannot be read.
        """
        pairs = self._pairs()
        seen = set()
        for index, records in pairs:
            where = f"architecture {shown(index)}"
            if type(index) is not int or not 0 <= index < len(self._architectures):
                raise ArchiveError(f"{where}: not an index below {len(self._architectures)}")
            if index in seen:
                raise ArchiveError(f"{where}: recorded twice")
            seen.add(index)
            if not isinstance(records, dict):
                raise ArchiveError(f"{where}: its records are not a dict ({shown(records)})")
            budgets = {self._budget(name, where): record for name, record in records.items()}
            if len(budgets) < len(records):
                raise ArchiveError(f"{where}: a training budget recorded twice in {shown(records)}")
            for record in budgets.values():
                self._check_identity(record, index, where)
            yield index, budgets

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield the unchecked values of an index and of its records."""
        if self.path.is_dir():
            yield from self._many(_files_of(self.path), self.path.name)
            return
        with self.path.open("rb") as file:
            start = file.read(_TAR_BLOCK)
        if start[_TAR_MARK] == b"ustar":
            with _open_tar(self.path) as files:
                yield from self._many(files, self.path.name)
        elif start.startswith(_BZ2_START):
            yield from self._whole_bz2()
        else:
            yield from self._whole_torch()

    def _whole_torch(self) -> Iterator[tuple[Any, Any]]:
        with open_torch_pickle(self.path) as file:
            stream = PickleStream(file, stream_key=_RECORDS)
            yield from stream.pairs()
            self._check_meta(stream.root)

    def _whole_bz2(self) -> Iterator[tuple[Any, Any]]:
        with bz2.open(self.path) as file:
            stream = PickleStream(
                cast("BinaryIO", _Unpacked(file, self.path.name)), stream_key=_RECORDS
            )
            yield from stream.pairs()
            stream.expect_end()
            self._check_meta(stream.root)

    def _many(self, files: Mapping[str, _Read], archive: str) -> Iterator[tuple[Any, Any]]:
        if _META not in files:
            raise WrongFormatError(f"{archive} holds no {_META}: not an archive of NATS-Bench")
        self._check_meta(_decoded(_plain(files[_META](), _META), _META))
        names = ((int(match[1]), name) for name in files if (match := _FILE_NAME.fullmatch(name)))
        waiting = iter(sorted(names))
        # Decompression takes most of the time and releases the GIL.
        with ThreadPoolExecutor(2, "bz2") as pool:

            def unpacking(count: int) -> list[tuple[int, str, Any]]:
                return [
                    (index, name, pool.submit(_plain, files[name](), name))
                    for index, name in islice(waiting, count)
                ]

            ahead = unpacking(_READ_AHEAD)
            while ahead:
                index, name, data = ahead.pop(0)
                ahead += unpacking(1)
                yield index, _decoded(data.result(), name)

    def _check_meta(self, meta: Any) -> None:
        listed = meta.get("meta_archs") if isinstance(meta, dict) else None
        if listed != list(self._architectures):
            count = len(listed) if isinstance(listed, list) else "no"
            raise ArchiveError(
                f"{self.path.name} lists {count} architectures that are not the published "
                f"{len(self._architectures)}: the archive of another benchmark"
            )
        self.synthetic = bool(meta.get(_SYNTHETIC))

    def _check_identity(self, record: Any, index: int, where: str) -> None:
        named = record.get("arch_str") if isinstance(record, dict) else None
        if named != self._architectures[index]:
            raise ArchiveError(
                f"{where}: its record is of {shown(named, 120)}, not {self._architectures[index]!r}"
            )

    @staticmethod
    def _budget(name: Any, where: str) -> int:
        if name in _BUDGETS:
            return _BUDGETS[name]
        if isinstance(name, str) and _EPOCHS.fullmatch(name):
            return int(name)
        raise ArchiveError(f"{where}: {shown(name)} is not a training budget")


class _Unpacked:
    """The unpacked content of a bz2 file, read sequentially and up to a limit."""

    def __init__(self, file: bz2.BZ2File, name: str) -> None:
        self._file = file
        self._name = name
        self._left = _MAX_WHOLE

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DamagedArchiveError(f"{self._name} unpacks to more than {_MAX_WHOLE} bytes")
        return data

    def seekable(self) -> bool:
        """Return False: seeking back would unpack the file from its beginning again."""
        return False


def _files_of(folder: Path) -> Mapping[str, _Read]:
    """Return the files of a folder by name."""
    files = {file.name: partial(_read_file, file) for file in folder.iterdir()}
    if _META not in files:
        inside = [file.parent.name for file in folder.glob(f"*/{_META}")]
        if len(inside) == 1:
            raise WrongFormatError(f"the archive is {inside[0]}, a folder in {folder.name}")
    return files


def _read_file(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(_MAX_FILE + 1)
    _check_size(len(data), file.name)
    return data


@contextmanager
def _open_tar(path: Path) -> Iterator[Mapping[str, _Read]]:
    """Open a tar file as a mapping of its files by name; nothing is unpacked to the disk.

    Raises:
        DamagedArchiveError: The file is truncated or damaged.
        WrongFormatError: Its files lie in several folders.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            members = [member for member in archive.getmembers() if member.isreg()]
            # tarfile ends silently at a damaged or truncated header.
            file.seek(archive.offset)
            if file.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
                raise DamagedArchiveError(f"{path.name} is truncated or damaged")
            known = [
                member
                for member in members
                if (name := PurePosixPath(member.name).name) == _META or _FILE_NAME.fullmatch(name)
            ]
            if len({PurePosixPath(member.name).parent for member in known}) > 1:
                raise WrongFormatError(f"{path.name} holds the files of several archives")
            files = {
                PurePosixPath(member.name).name: partial(_read_member, archive, member)
                for member in known
            }
            if len(files) < len(known):
                raise DamagedArchiveError(f"{path.name} holds a file twice")
            yield files
    except tarfile.TarError as error:
        raise DamagedArchiveError(f"{path.name} is truncated or damaged: {error}") from error


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    _check_size(member.size, member.name)
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _check_size(size: int, name: str) -> None:
    if size > _MAX_FILE:
        raise WrongFormatError(f"{name!r:.80} has more than {_MAX_FILE} bytes")


def _plain(packed: bytes, name: str) -> bytes:
    try:
        with bz2.open(BytesIO(packed)) as file:
            data = file.read(_MAX_FILE + 1)
    except (OSError, EOFError, ValueError) as error:
        raise DamagedArchiveError(f"{name} is damaged: {error}") from error
    if len(data) > _MAX_FILE:
        raise WrongFormatError(f"{name} unpacks to more than {_MAX_FILE} bytes")
    return data


def _decoded(data: bytes, name: str) -> Any:
    try:
        return load_pickle(BytesIO(data))
    except UnsafePickleError as error:
        weights = "; the archive called …-simple has no weights" if "'torch." in str(error) else ""
        raise UnsafePickleError(f"{name}: {error}{weights}") from error
    except ArchiveError as error:
        raise ArchiveError(f"{name}: {error}") from error
