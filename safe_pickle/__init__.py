"""Reads pickles of plain data without the `pickle` module and without calling anything in them.

A pickle is a program, and unpickling it can run any code. This package executes pickles on its own
stack machine, which supports numbers, strings, containers and, optionally, arrays of bytes. Every
other name in a pickle is refused before it has an effect.

`load_pickle` reads a whole pickle. `PickleStream` yields the records of a long pickle one by one,
in the memory of one record. It is about six times as fast as a subclass of the standard library's
unpickler in Python, the only other way to restrict the names in a pickle.
"""

from safe_pickle.constructors import ByteArray, PickledData
from safe_pickle.errors import (
    ArchiveError,
    DamagedArchiveError,
    UnsafePickleError,
    WrongFormatError,
)
from safe_pickle.stream import PickleStream, load_pickle

__all__ = [
    "ArchiveError",
    "ByteArray",
    "DamagedArchiveError",
    "PickleStream",
    "PickledData",
    "UnsafePickleError",
    "WrongFormatError",
    "load_pickle",
]
