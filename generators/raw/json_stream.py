"""Streams long JSON lists of objects, one object at a time.

A document is a list of objects, or an object whose members are such lists. `NaN` and `Infinity`,
which Python writes although they are not JSON, are read as numbers.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

from benchmark_db.errors import shown
from safe_pickle import DamagedArchiveError, WrongFormatError

__all__ = ["Bytes", "Entry", "read_entries"]

_CHUNK: Final = 2**20
_LONGEST: Final = 2**24
"""Most characters of one object: thousands of times the record of a network."""
_SPACE: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


class Bytes(Protocol):
    """A source of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return some of the next bytes, or none at the end."""


class Entry(NamedTuple):
    """An object of a document.

    Attributes:
        place: Its place, for messages: the position of the object in its list, from 0.
        value: The object.
    """

    place: str
    value: dict[str, Any]


def read_entries(stream: Bytes, name: str) -> Iterator[Entry]:
    """Yield the objects of a document, keeping only a few in memory.

    Args:
        stream: The document, in UTF-8.
        name: Its name in errors.

    Raises:
        DamagedArchiveError: The document is truncated or not JSON.
        WrongFormatError: The document is JSON of another structure.
    """
    text = _Text(stream, name)
    if text.take("[{") == "[":
        yield from _objects(text, f"{name}, job")
    elif not text.accept("}"):
        while True:
            member = text.value(f"{name}, name of a list")
            if not isinstance(member, str):
                raise DamagedArchiveError(f"{name}: {shown(member)} is not the name of a list")
            text.take(":")
            text.take("[")
            yield from _objects(text, f"{name}, {member} job")
            if text.take(",}") == "}":
                break
    text.end()


def _objects(text: _Text, what: str) -> Iterator[Entry]:
    """Yield the objects of a list whose opening bracket has been consumed."""
    if text.accept("]"):
        return
    number = 0
    while True:
        place = f"{what} {number}"
        value = text.value(place)
        if not isinstance(value, dict):
            raise WrongFormatError(f"{place} is {shown(value)}, not an object")
        yield Entry(place, value)
        number += 1
        if text.take(",]") == "]":
            return


class _Text:
    """The rest of a document: the part that has been read but not consumed."""

    def __init__(self, stream: Bytes, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._taken = 0
        self._ended = False

    def value(self, place: str) -> Any:
        """Consume one value; it must end with a bracket or a quotation mark to be complete."""
        self._skip_space()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._position)
            except RecursionError as error:
                raise DamagedArchiveError(f"{place} is nested too deeply") from error
            except ValueError as error:  # also for an integer of thousands of digits
                # An incomplete value is not JSON either: read more first.
                if len(self._text) - self._position > _LONGEST or not self._read():
                    raise self._no_json(place, error) from error
            else:
                self._position = end
                return value

    def take(self, characters: str) -> str:
        """Consume one of the given characters, after any whitespace.

        Raises:
            DamagedArchiveError: Another character follows.
        """
        found = self._skip_space()
        if not found or found not in characters:
            expected = " or ".join(characters)
            what = "the file ends" if not found else f"{shown(found)} is"
            raise DamagedArchiveError(
                f"{self._name}: {what} where {expected} should be, at character {self._place()}"
            )
        self._position += 1
        return found

    def accept(self, character: str) -> bool:
        """Consume a character if it comes next, after any whitespace."""
        found = self._skip_space() == character
        self._position += found
        return found

    def end(self) -> None:
        """Check that only whitespace is left.

        Raises:
            DamagedArchiveError: There is more text.
        """
        if self._skip_space():
            raise DamagedArchiveError(
                f"{self._name}: more text after the end of the list, at character {self._place()}"
            )

    def _skip_space(self) -> str:
        """Return the next character that is not whitespace, unconsumed; empty at the end."""
        while True:
            while self._position < len(self._text):
                character = self._text[self._position]
                if character not in _SPACE:
                    return character
                self._position += 1
            if not self._read():
                return ""

    def _read(self) -> bool:
        """Read more, drop the consumed part, and return whether there was anything to read."""
        if self._ended:
            return False
        data = self._stream.read(_CHUNK)
        self._ended = not data
        try:
            more = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise DamagedArchiveError(
                f"{self._name} is not text in UTF-8 after character {self._place()}: {error.reason}"
            ) from error
        self._taken += self._position
        self._text = self._text[self._position :] + more
        self._position = 0
        return True

    def _no_json(self, place: str, error: ValueError) -> DamagedArchiveError:
        if self._ended:
            return DamagedArchiveError(f"{place} is truncated or not JSON: {error}")
        return DamagedArchiveError(f"{place} is not JSON: {error}")

    def _place(self) -> int:
        return self._taken + self._position
