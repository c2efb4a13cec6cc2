"""What can be wrong with a raw archive, named after what its owner can do about it.

::

    ArchiveError
    ├── WrongFormatError      give the path of another file
    ├── DamagedArchiveError   fetch the file again
    └── UnsafePickleError     do not trust the file
"""

__all__ = ["ArchiveError", "DamagedArchiveError", "UnsafePickleError", "WrongFormatError"]


class ArchiveError(Exception):
    """A raw archive cannot be read; the message says where and why."""


class WrongFormatError(ArchiveError):
    """The file is whole but something else than what was asked for."""


class DamagedArchiveError(ArchiveError):
    """The file is cut short, or its bytes contradict one another."""


class UnsafePickleError(ArchiveError):
    """The pickle asks for more than numbers, strings and containers; nothing of it was run."""
