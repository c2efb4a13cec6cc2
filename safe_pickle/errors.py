"""Errors of archives, with what the owner of the file can do about each.

The readers of other raw formats (`generators.raw`) raise them as well.

::

    ArchiveError
    ├── WrongFormatError      choose another file
    ├── DamagedArchiveError   download the file again
    └── UnsafePickleError     do not trust the file
"""

__all__ = ["ArchiveError", "DamagedArchiveError", "UnsafePickleError", "WrongFormatError"]


class ArchiveError(Exception):
    """A file cannot be read; the message says where and why."""


class WrongFormatError(ArchiveError):
    """The file is intact, but has another format or content than requested."""


class DamagedArchiveError(ArchiveError):
    """The file is truncated, or its content is inconsistent."""


class UnsafePickleError(ArchiveError):
    """The pickle contains more than plain data; none of its code was run."""
