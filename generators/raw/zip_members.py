"""Checks members of untrusted zip files before they are unpacked."""

from __future__ import annotations

import stat
import zipfile
from pathlib import PurePosixPath
from typing import Final

from safe_pickle import WrongFormatError

__all__ = ["check_member"]

_SMALL: Final = 2**20
"""Size below which a file is harmless whatever its compression ratio."""
_ENCRYPTED: Final = 0x1


def check_member(
    archive: str, member: zipfile.ZipInfo, *, highest_ratio: int, most: int | None = None
) -> None:
    """Raise an error if a member of a zip file of data is suspicious.

    Args:
        archive: Name of the file in messages.
        member: The member.
        highest_ratio: Highest accepted ratio of unpacked to packed size.
        most: Most unpacked bytes; None for no limit.

    Raises:
        WrongFormatError: Its name leads out of its folder, it is a link, encrypted, too large, or
            its compression ratio is too high.
    """
    # The original name: `filename` is cut at a zero byte.
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
