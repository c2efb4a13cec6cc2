"""Training checkpoints as one file, to be sent from one machine to another.

A bundle is an uncompressed tar file of the two files of a checkpoint. It may come from any client
with an API key: names, number and types of the members are checked, and nothing is written outside
the given folder. The reader checks the digest of the bundle, and whether the checkpoint belongs to
this training.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from service.jobs.errors import RefusedResultError

__all__ = ["examine", "newest_checkpoint", "pack", "unpack"]

_NAME: Final = re.compile(r"step-[0-9]{12}")
_FILES: Final = frozenset({"weights.safetensors", "state.json"})
_PIECE: Final = 2**20


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint in the folder of a training, across all attempts.

    Args:
        folder: Contains a folder for each attempt, named by its token.
    """
    found = [
        path
        for path in folder.glob("[0-9]*/step-*")
        if _NAME.fullmatch(path.name) and path.parent.name.isdecimal()
    ]
    return max(found, key=lambda path: (path.name, int(path.parent.name)), default=None)


def pack(checkpoint: Path, target: Path) -> None:
    """Write a checkpoint into a file.

    Raises:
        OSError: The checkpoint was deleted meanwhile, or the file cannot be written.
    """
    # In GNU format a header is one block, whatever the file's size.
    with (
        target.open("xb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as bundle,
    ):
        for name in sorted(_FILES):
            member = tarfile.TarInfo(f"{checkpoint.name}/{name}")
            with (checkpoint / name).open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                bundle.addfile(member, content)


def unpack(file: Path, attempt: Path) -> Path:
    """Extract the checkpoint of a file into the folder of an attempt, atomically.

    Args:
        file: A bundle, not yet checked.
        attempt: The folder; it is created.

    Returns:
        The folder of the checkpoint.

    Raises:
        RefusedResultError: The file is not a checkpoint bundle.
        OSError: The checkpoint cannot be written.
    """
    attempt.mkdir(parents=True, exist_ok=True)
    beside = attempt / f".{uuid4().hex}"
    beside.mkdir()
    try:
        name = _extract(file, beside)
        target = attempt / name
        shutil.rmtree(target, ignore_errors=True)
        beside.replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def examine(file: Path) -> str:
    """Check a bundle without extracting it, and return the name of its checkpoint.

    Raises:
        RefusedResultError: The file is not a checkpoint bundle.
    """
    return _extract(file, None)


def _extract(file: Path, into: Path | None) -> str:
    """Do what `_members` does, and raise RefusedResultError for files that are not tar files."""
    try:
        return _members(file, into)
    except RefusedResultError:
        raise
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as error:
        raise RefusedResultError("checkpoint", "it is no tar file") from error


def _members(file: Path, into: Path | None) -> str:
    """Extract the members of a file into a folder and return the name of the checkpoint.

    Without a folder, only check the members.

    Headers are read here, one block each: `tarfile` would read extension headers into memory,
    whatever length they claim.
    """
    names = set()
    with file.open("rb") as bundle:
        while any(block := bundle.read(tarfile.BLOCKSIZE)):
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
            folder, _, name = member.name.partition("/")
            known = _NAME.fullmatch(folder) and name in _FILES and (folder, name) not in names
            if not known or member.type != tarfile.REGTYPE or member.size < 0:
                raise RefusedResultError("checkpoint", "it has a member that no checkpoint has")
            # A mixture of two checkpoints lacks a file of each, which is checked below.
            names.add((folder, name))
            with Path(os.devnull if into is None else into / name).open("wb") as target:
                _copy(bundle, target, member.size)
                target.flush()
                if into is not None:
                    os.fsync(target.fileno())
            bundle.seek(-member.size % tarfile.BLOCKSIZE, os.SEEK_CUR)
    folders = {folder for folder, _ in names}
    if len(folders) != 1 or {name for _, name in names} != _FILES:
        raise RefusedResultError("checkpoint", "it lacks a file that a checkpoint has")
    return folders.pop()


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy the given number of bytes.

    Raises:
        EOFError: The source has fewer.
    """
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise EOFError
        target.write(piece)
        size -= len(piece)
