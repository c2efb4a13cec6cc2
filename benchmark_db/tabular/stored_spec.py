"""Descriptions stored in database files."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import orjson

from benchmark_db.database import APPLICATION_ID
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.registry import INSTALLABLE
from benchmark_spec import BenchmarkSpec, SpecError

__all__ = ["DIGEST_KEY", "SPEC_KEY", "database_files", "installed_specs", "is_declared_table"]
__all__ += ["spec_rows", "stored_spec", "stored_text", "version_of"]

SPEC_KEY: Final = "spec"
DIGEST_KEY: Final = "spec_digest"

_VERSION: Final = re.compile(r"([a-z0-9-]+)@([1-9][0-9]{0,8})", re.ASCII)
_MOST_TABLES: Final = 1_000
_MOST_CHARACTERS: Final = 2**20
_QUESTION: Final = "SELECT substr(value, 1, ?) FROM provenance WHERE key = ?"


def spec_rows(spec: BenchmarkSpec) -> list[tuple[str, str]]:
    """Return the rows of the provenance table that hold a description."""
    return [(SPEC_KEY, spec.text), (DIGEST_KEY, orjson.dumps(spec.digest).decode())]


def stored_text(path: Path) -> str | None:
    """Return the description stored in a file, as text; None if there is none.

    Raises:
        UnusableDatabaseError: The file is not a database, or damaged.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            row = connection.execute(_QUESTION, (_MOST_CHARACTERS + 1, SPEC_KEY)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise UnusableDatabaseError(f"{path.name} is not a benchmark database: {error}") from error
    return row[0] if row and isinstance(row[0], str) else None


def stored_spec(path: Path) -> BenchmarkSpec:
    """Return the description stored in a file.

    Raises:
        UnusableDatabaseError: There is no description, or it is contradictory.
    """
    if not path.is_file():
        raise UnusableDatabaseError(f"{path.name} does not exist")
    text = stored_text(path)
    if text is None:
        raise UnusableDatabaseError(f"{path.name} holds no description of a table")
    try:
        return BenchmarkSpec.of_text(text)
    except SpecError as error:
        raise UnusableDatabaseError(f"{path.name}: its description: {error}") from error


def database_files(directory: Path, *, versions: bool = False) -> list[Path]:
    """Return the files of a folder that may be databases, in order of their names.

    Args:
        directory: The folder.
        versions: Whether to return kept versions as well: `digits@3.db` is one of `digits.db`.
    """
    found = sorted(directory.glob("*.db")) if directory.is_dir() else []
    named = [path for path in found if "@" not in path.stem][:_MOST_TABLES]
    if not versions:
        return named
    return named + [path for path in found if version_of(path.stem)][:_MOST_TABLES]


def version_of(stem: str) -> tuple[str, int] | None:
    """Return table and version number from the file name of a kept version, else None."""
    found = _VERSION.fullmatch(stem)
    return (found[1], int(found[2])) if found else None


def is_declared_table(path: Path) -> bool:
    """Return whether a file is a declared table.

    Files of other programs are not: only databases of this project carry its application id. An
    unreadable one of this project counts as a table, so that opening it gives the error.
    """
    if not _is_ours(path):
        return False
    try:
        return stored_text(path) is not None
    except UnusableDatabaseError:
        return True


def installed_specs(directory: Path) -> list[BenchmarkSpec]:
    """Return the descriptions of the declared tables in a folder.

    A file whose description is unusable is left out: the catalog reports the reason.
    """
    found = []
    for path in database_files(directory):
        if path.stem in INSTALLABLE or not is_declared_table(path):
            continue
        try:
            spec = stored_spec(path)
        except UnusableDatabaseError:
            continue
        if spec.name == path.stem:
            found.append(spec)
    return found


def _is_ours(path: Path) -> bool:
    """Return whether a file has the header of a database of this project."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return False
    return int.from_bytes(header[68:72], "big") == APPLICATION_ID
