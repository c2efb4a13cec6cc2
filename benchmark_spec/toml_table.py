"""Strict reading of TOML tables: an unknown key is an error with its line and a suggestion.

`tomllib` does not report the lines of keys, so the line is searched in the text for an error
message.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from benchmark_spec.errors import SpecError, shown

__all__ = ["KeyPlaces", "TomlFile", "TomlTable"]

K = TypeVar("K")

_MAX_BYTES: Final = 2**20
_HEADER: Final = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")


class KeyPlaces(Protocol):
    """Source of tables, with the lines of keys."""

    @property
    def name(self) -> str:
        """Name of the source in messages."""

    def line_of(self, path: Sequence[str]) -> int | None:
        """Return the line of a key, from 1; None if the source has no lines."""


class TomlFile:
    """A TOML file, with the lines of its keys.

    Args:
        path: The file, at most 1 MiB.

    Raises:
        SpecError: The file is too large or not valid TOML.
        OSError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise SpecError(f"{path.name} is larger than {_MAX_BYTES} bytes")
        try:
            self._text = data.decode()
            self._values = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"{path.name} is not valid TOML: {error}") from error

    def root(self) -> TomlTable:
        """Return the root table."""
        return TomlTable(self, (), self._values)

    def line_of(self, path: Sequence[str]) -> int | None:
        """Return the line of a key, from 1; None if it is not found."""
        *table, key = path
        best: int | None = None
        for number, header, line in self._lines():
            named = re.search(rf"(?:^|[\s{{,.\[])[\"']?{re.escape(key)}[\"']?\s*(?:=|\.|\])", line)
            if not named:
                continue
            if header == ".".join(table) or f"{'.'.join(path)}" == header:
                return number
            if best is None and (not table or table[0] == header.partition(".")[0]):
                best = number
        return best

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield the number of each line, the table it belongs to, and its text."""
        header = ""
        for number, line in enumerate(self._text.splitlines(), 1):
            found = _HEADER.match(line)
            if found:
                header = re.sub(r"[\s\"']", "", found[1])
            yield number, header, line


class TomlTable:
    """A table whose keys are taken one by one; `finish` refuses the others as unknown.

    Args:
        file: Source of the table, such as its file.
        path: Keys that lead to the table.
        values: Content of the table.
    """

    def __init__(self, file: KeyPlaces, path: tuple[str, ...], values: Mapping[str, Any]) -> None:
        self.file = file
        self.path = path
        self._values = values
        self._known: list[str] = []

    @property
    def keys(self) -> list[str]:
        """All keys, in the order of the file."""
        return list(self._values)

    def take(self, key: str, kind: type[K], default: K | None = None) -> K:
        """Return the value of a key.

        Raises:
            SpecError: The key is missing and has no default, or its value has another type.
        """
        found = self.find(key, kind)
        if found is not None:
            return found
        if default is None:
            raise self.error(f"`{key}` is missing")
        return default

    def find(self, key: str, kind: type[K]) -> K | None:
        """Return the value of a key; None if it is missing.

        Raises:
            SpecError: The value has another type.
        """
        value = self.any(key)
        if value is None:
            return None
        if kind is float and type(value) is int:
            return kind(value)  # type: ignore[call-arg]  # a float of an int
        if type(value) is not kind:
            raise self.error(f"{shown(value)} is not {_TYPES.get(kind, kind.__name__)}", key)
        return value

    def any(self, key: str) -> Any:
        """Return the value of a key with any type; None if it is missing."""
        self._known.append(key)
        return self._values.get(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list; empty if it is missing.

        Raises:
            SpecError: The value is not a list of texts.
        """
        found: list[Any] = self.find(key, list) or []
        if not all(isinstance(one, str) for one in found):
            raise self.error(f"{shown(found)} is not a list of texts", key)
        return tuple(found)

    def table(self, key: str) -> TomlTable:
        """Return a nested table; empty if it is missing.

        Raises:
            SpecError: The value is not a table.
        """
        values: dict[str, Any] = self.find(key, dict) or {}
        return TomlTable(self.file, (*self.path, key), values)

    def tables(self, key: str) -> list[TomlTable]:
        """Return the tables of a list; empty if it is missing.

        Raises:
            SpecError: The value is not a list of tables.
        """
        found: list[Any] = self.find(key, list) or []
        if not all(isinstance(one, dict) for one in found):
            raise self.error(f"{shown(found)} is not a list of tables", key)
        return [TomlTable(self.file, (*self.path, key), values) for values in found]

    def finish(self) -> None:
        """Check that all keys were taken.

        Raises:
            SpecError: A key is unknown. The message has its line and a suggestion.
        """
        for key in self._values:
            if key not in self._known:
                near = get_close_matches(key, self._known, n=1)
                meant = f"; did you mean `{near[0]}`?" if near else ""
                known = "" if near else f"; known are {', '.join(dict.fromkeys(self._known))}"
                raise self.error(f"unknown key `{key}`{meant}{known}", key)

    def error(self, message: str, key: str | None = None) -> SpecError:
        """Return an error whose message starts with file, line and table."""
        path = self.path if key is None else (*self.path, key)
        line = self.file.line_of(path) if path else None
        at = self.file.name if line is None else f"{self.file.name}, line {line}"
        inside = f" [{'.'.join(self.path)}]" if self.path else ""
        return SpecError(f"{at}{inside}: {message}", path=path)


_TYPES: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
