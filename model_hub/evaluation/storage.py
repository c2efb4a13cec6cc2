"""Storage of the files of a data set: a folder, or a tar archive that is never unpacked."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from model_hub.errors import DatasetError

__all__ = ["Folder", "Storage", "TarArchive", "is_hidden", "text_of"]

_OF_SYSTEMS: Final = frozenset(
    {
        *("$recycle.bin", "@eadir", "__macosx", "__pycache__", "desktop.ini", "lost+found"),
        *("system volume information", "thumbs.db"),
    }
)
"""Names, in lower case, of files that systems and programs create in any folder."""


def is_hidden(name: str) -> bool:
    """Return whether a file, given by its name in a data set, does not belong to the data set.

    The name of such a file, or of one of its folders, begins with a dot (`.git`, macOS's
    `._image.png`) or is that of a system file (`__MACOSX`, `Thumbs.db`).
    """
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part.lower() in _OF_SYSTEMS for part in parts)


def text_of(storage: Storage, name: str, *, most: int) -> str:
    """Return the text of a UTF-8 file, without its byte-order mark.

    Args:
        storage: The storage of the file.
        name: Name of the file in the storage.
        most: Largest allowed size in bytes.

    Raises:
        DatasetError: The file is larger, or not UTF-8.
        OSError: The file cannot be read.
    """
    content = storage.read(name, most=most + 1)
    if len(content) > most:
        raise DatasetError(f"{storage.place(name)} has more than {most} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{storage.place(name)} is not UTF-8 text: {error}") from error


class Storage(Protocol):
    """Files by name; names are relative and contain slashes."""

    def names(self) -> list[str]:
        """Return the names of all visible files, in the order of code points."""

    def folders(self) -> list[str]:
        """Return all visible outermost folders, including empty ones, in order."""

    def __contains__(self, name: object) -> bool:
        """Return whether a file exists."""

    def read(self, name: str, *, most: int | None = None) -> bytes:
        """Return the content of a file, or its first `most` bytes."""

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""

    def place(self, name: str) -> str:
        """Return the location of a file, for messages."""


class Folder:
    """The files in a folder and its subfolders.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of all visible files, in the order of code points."""
        return sorted(self._names())

    def _names(self) -> Iterator[str]:
        # Data sets often consist of links to folders.
        for folder, inner, names in os.walk(self._path, followlinks=True):
            inner[:] = [name for name in inner if not is_hidden(name)]
            for name in names:
                path = Path(folder, name)
                if not is_hidden(name) and path.is_file():
                    yield path.relative_to(self._path).as_posix()

    def folders(self) -> list[str]:
        """Return all visible outermost folders, including empty ones, in order."""
        inner = (path for path in self._path.iterdir() if not is_hidden(path.name))
        return sorted(path.name for path in inner if path.is_dir())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or PurePosixPath(name).is_absolute():
            return False
        return ".." not in PurePosixPath(name).parts and (self._path / name).is_file()

    def read(self, name: str, *, most: int | None = None) -> bytes:
        """Return the content of a file, or its first `most` bytes.

        Raises:
            OSError: The file cannot be read.
        """
        with (self._path / name).open("rb") as file:
            return file.read(most)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            OSError: The file is missing.
        """
        return (self._path / name).stat().st_size

    def place(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._path / name)


class TarArchive:
    """The files of an uncompressed tar archive, which are read without unpacking.

    Links, devices and other special members are ignored. An archive can be used by several threads
    and sent to other processes.

    Args:
        path: The archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of all visible files, in the order of code points.

        Raises:
            DatasetError: The file is damaged or not an archive.
        """
        return sorted(name for name in self._members if not is_hidden(name))

    def folders(self) -> list[str]:
        """Return all visible outermost folders, including empty ones, in order."""
        return sorted(name for name in self._folders if not is_hidden(name))

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str, *, most: int | None = None) -> bytes:
        """Return the content of a file, or its first `most` bytes.

        Raises:
            DatasetError: The archive ends before the file.
            OSError: The archive cannot be read.
        """
        start, size = self._members[name]
        size = size if most is None else min(size, most)
        file = os.open(self._path, os.O_RDONLY)
        try:
            content = os.pread(file, size, start)
        finally:
            os.close(file)
        if len(content) != size:
            raise DatasetError(f"{self.place(name)}: the archive is truncated")
        return content

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return self._members[name][1]

    def place(self, name: str) -> str:
        """Return the archive and the name of a file in it."""
        return f"{self._path}, {name}"

    @property
    def _members(self) -> Mapping[str, tuple[int, int]]:
        return self._index[0]

    @property
    def _folders(self) -> frozenset[str]:
        return self._index[1]

    @cached_property
    def _index(self) -> tuple[Mapping[str, tuple[int, int]], frozenset[str]]:
        """Offset and size of each file, and the outermost folders."""
        members: dict[str, tuple[int, int]] = {}
        folders: set[str] = set()
        try:
            with tarfile.open(self._path, "r:") as archive:
                for member in archive:
                    path = self._inside(member.name)
                    if member.isreg() and not member.issparse():
                        members[str(path)] = (member.offset_data, member.size)
                    if member.isdir() or len(path.parts) > 1:
                        folders.update(path.parts[:1])
                self._check_end(archive.offset)
        except (tarfile.TarError, ValueError, OverflowError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{self._path} is no uncompressed tar file: {error}") from error
        return members, frozenset(folders)

    def _inside(self, name: str) -> PurePosixPath:
        """Return the path of a member after checking that it stays inside the archive."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise DatasetError(f"{self.place(name)}: the name leads out of the archive")
        return path

    def _check_end(self, offset: int) -> None:
        """Check that the archive is complete: its end is a block of zeros.

        `tarfile` treats a truncated or damaged header as the end, which would silently drop images.
        """
        with self._path.open("rb") as file:
            file.seek(offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise DatasetError(f"{self._path} is truncated or damaged at byte {offset}")
