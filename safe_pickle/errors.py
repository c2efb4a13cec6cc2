"""Errors of files that others wrote, named after what the owner of the file can do about it.

The readers of other raw formats (`generators.raw`) raise them, too.

::

    ArchiveError
    ├── WrongFormatError      give the path of another file
    ├── DamagedArchiveError   fetch the file again
    └── UnsafePickleError     do not trust the file
"""

__all__ = ["ArchiveError", "DamagedArchiveError", "UnsafePickleError", "WrongFormatError"]


class ArchiveError(Exception):
    """A file cannot be read; the message says where and why."""


class WrongFormatError(ArchiveError):
    """The file is whole but something else than what was asked for."""


class DamagedArchiveError(ArchiveError):
    """The file is cut short, or its bytes contradict one another."""


class UnsafePickleError(ArchiveError):
    """The pickle asks for more than plain data; nothing of it was run."""
