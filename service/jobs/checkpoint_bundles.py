"""A checkpoint of a training as one file, in which it goes from one machine to another.

It is a tar file without compression of the two files that a checkpoint is. What is read back may
come from whoever has a key: names, number and kind of the members are checked, and nothing is
written outside the folder that is given. Whether it is whole its reader checks by its digest, and
whether it is a checkpoint of this training by what is written in it.
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
    """Return the newest checkpoint below the folder of a training, whichever attempt wrote it.

    Args:
        folder: Has a folder for each attempt, named by its token.
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
        OSError: It was deleted meanwhile, or the file cannot be written.
    """
    # In this format a header is one block, whatever the size of its file.
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
    """Put the checkpoint of a file into the folder of an attempt, whole or not at all.

    Args:
        file: What `pack` wrote, or another pretends so.
        attempt: The folder; it is made.

    Returns:
        The folder of the checkpoint.

    Raises:
        RefusedResultError: It is no checkpoint.
        OSError: It cannot be written.
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
    """Return the name of the checkpoint in a file, which goes on as it is.

    Raises:
        RefusedResultError: It is no checkpoint.
    """
    return _extract(file, None)


def _extract(file: Path, into: Path | None) -> str:
    """Do what `_members` does, and refuse what is no tar file, too."""
    try:
        return _members(file, into)
    except RefusedResultError:
        raise
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as error:
        raise RefusedResultError("checkpoint", "it is no tar file") from error


def _members(file: Path, into: Path | None) -> str:
    """Write the members of a file into a folder and return the name of the checkpoint.

    Without a folder, look at them alone.

    Its headers are read here, one block each: `tarfile` would read those of its extensions into
    memory, however long they say that they are.
    """
    names = set()
    with file.open("rb") as bundle:
        while any(block := bundle.read(tarfile.BLOCKSIZE)):
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
            folder, _, name = member.name.partition("/")
            known = _NAME.fullmatch(folder) and name in _FILES and (folder, name) not in names
            if not known or member.type != tarfile.REGTYPE or member.size < 0:
                raise RefusedResultError("checkpoint", "it holds what no checkpoint has")
            # Files of two checkpoints leave one out, which is told below.
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
    """Copy so many bytes.

    Raises:
        EOFError: There are fewer.
    """
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise EOFError
        target.write(piece)
        size -= len(piece)
