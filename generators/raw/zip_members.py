"""Members of a zip file from outside, looked at before any of them is unpacked."""

from __future__ import annotations

import stat
import zipfile
from pathlib import PurePosixPath
from typing import Final

from safe_pickle import WrongFormatError

__all__ = ["check_member"]

_SMALL: Final = 2**20
"""Bytes of a file too small to do harm, however well it was packed."""
_ENCRYPTED: Final = 0x1


def check_member(
    archive: str, member: zipfile.ZipInfo, *, highest_ratio: int, most: int | None = None
) -> None:
    """Refuse what a zip file of data never holds.

    Args:
        archive: What the file is called in messages.
        member: Of it.
        highest_ratio: How many times as large as it is packed a member may be.
        most: Bytes that it may have; None: any number.

    Raises:
        WrongFormatError: It has a name that leads out of its folder, is a link, is encrypted, or is
            too large, by itself or for what is packed.
    """
    # The name as it was written: zipfile itself cuts it at a zero byte.
    name = member.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name:
        problem = "has a name that leads out of its folder"
    elif stat.S_ISLNK(member.external_attr >> 16):
        problem = "is a link"
    elif member.flag_bits & _ENCRYPTED:
        problem = "is encrypted"
    elif member.file_size > max(_SMALL, highest_ratio * member.compress_size):
        problem = f"would unpack to {member.file_size:,} from {member.compress_size:,} bytes"
    elif most is not None and member.file_size > most:
        problem = f"has {member.file_size:,} bytes; at most {most:,} are read"
    else:
        return
    raise WrongFormatError(f"{archive}: {name!r:.80} {problem}: do not trust it")
