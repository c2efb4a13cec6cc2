"""The raw files of a declared table: one file, a folder, or a zip file, with size limits."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from generators.raw.zip_members import check_member
from safe_pickle import DamagedArchiveError, WrongFormatError

__all__ = ["RawTable", "raw_tables"]

_MOST_BYTES: Final = 2**29
"""Most bytes of one file, which is read completely; the largest known table has a hundredth."""
_MOST_TOTAL: Final = 2**31
_MOST_FILES: Final = 10_000
_HIGHEST_RATIO: Final = 200
_ZIP_START: Final = b"PK\x03\x04"
_TORCH_MEMBER: Final = "data.pkl"


@dataclass(frozen=True)
class RawTable:
    """A raw file in memory.

    Attributes:
        name: Its name, for messages and as `$file`.
        data: Its bytes.
    """

    name: str
    data: bytes

    @property
    def stem(self) -> str:
        """Its name without the last suffix."""
        return PurePosixPath(self.name).stem


def raw_tables(path: Path) -> Iterator[RawTable]:
    """Yield the files of a table, sorted by name.

    Args:
        path: A file, a folder (hidden and .sha256 files are ignored), or a zip file. A file written
            by `torch.save` counts as one file although it is a zip file.

    Raises:
        WrongFormatError: A file is too large, or a zip file is suspicious: names that lead out of
            it, duplicate names, links, or a zip bomb.
        DamagedArchiveError: A zip file is damaged.
        OSError: A file or folder cannot be read.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        files = [file for file in files if not file.name.startswith(".")]
        # `nbs fetch` writes the digest of a file beside it.
        files = [file for file in files if file.suffix != ".sha256"]
        _check_total(path.name, [file.stat().st_size for file in files])
        for file in files:
            yield from raw_tables(file)
        return
    with path.open("rb") as opened:
        start = opened.read(len(_ZIP_START))
    if start == _ZIP_START:
        yield from _unzipped(path)
        return
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise WrongFormatError(f"{path.name} has {size:,} bytes; at most {_MOST_BYTES:,} are read")
    yield RawTable(path.name, path.read_bytes())


def _unzipped(path: Path) -> Iterator[RawTable]:
    try:
        with zipfile.ZipFile(path) as container:
            members = [member for member in container.infolist() if not member.is_dir()]
            _check_total(path.name, [member.file_size for member in members])
            for member in members:
                check_member(path.name, member, highest_ratio=_HIGHEST_RATIO, most=_MOST_BYTES)
            _check_names(path.name, members)
            if any(PurePosixPath(member.filename).name == _TORCH_MEMBER for member in members):
                yield RawTable(path.name, path.read_bytes())
                return
            for member in sorted(members, key=lambda member: member.filename):
                yield RawTable(PurePosixPath(member.filename).name, container.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DamagedArchiveError(f"{path.name}: {error}") from error
    except UnicodeDecodeError as error:
        raise WrongFormatError(f"{path.name} has names that are not text: {error}") from error


def _check_total(name: str, sizes: list[int]) -> None:
    if len(sizes) > _MOST_FILES:
        raise WrongFormatError(f"{name} holds {len(sizes)} files; at most {_MOST_FILES} are read")
    if sum(sizes) > _MOST_TOTAL:
        raise WrongFormatError(f"{name} holds {sum(sizes):,} bytes; at most {_MOST_TOTAL:,}")


def _check_names(archive: str, members: list[zipfile.ZipInfo]) -> None:
    names = Counter(PurePosixPath(member.filename).name for member in members)
    twice = [name for name, count in names.items() if count > 1 and name != "version"]
    if twice:
        raise WrongFormatError(f"{archive} holds {twice[0]!r:.80} twice: which one is meant?")
