"""Whether a database is what it says it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import orjson

from benchmark_db.catalog import PUBLISHED
from benchmark_db.digest import content_digest
from benchmark_db.errors import UnusableDatabaseError, shown
from benchmark_db.provenance import Provenance

__all__ = ["verify_database"]


def verify_database(path: Path) -> Provenance:
    """Read a database whole and return its provenance, proven.

    Checks SQLite's own structure, the schema, the number of rows and the content digest.

    Raises:
        UnusableDatabaseError: Something is not as it should be.
    """
    if not path.is_file():
        raise UnusableDatabaseError(f"{path.name} does not exist")
    name = _named_benchmark(path)
    benchmark = PUBLISHED[name](path)
    try:
        (verdict,) = next(benchmark.database.rows("PRAGMA integrity_check(1)"))
        if verdict != "ok":
            raise UnusableDatabaseError(f"{path.name} is damaged: {verdict}")
        provenance = benchmark.provenance
        count = benchmark.count_rows()
        recorded = provenance.contents.get(benchmark.counted)
        if count != recorded:
            raise UnusableDatabaseError(
                f"{path.name} holds {count} {benchmark.counted}; it records {recorded}"
            )
        try:
            digest = content_digest(benchmark.all_rows())
        except TypeError as error:  # SQLite lets any column hold any type
            raise UnusableDatabaseError(
                f"{path.name} is damaged: a row has a value of the wrong type: {error}"
            ) from error
        if digest != provenance.content_digest:
            raise UnusableDatabaseError(
                f"{path.name} has been changed: its content has {digest}, it records "
                f"{provenance.content_digest}"
            )
        return provenance
    finally:
        benchmark.close()


def _named_benchmark(path: Path) -> str:
    """Return which benchmark a file says it holds, whatever the file is called."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    question = "SELECT value FROM provenance WHERE key = 'benchmark'"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            row = connection.execute(question).fetchone()
            name = orjson.loads(row[0]) if row else None
    # A damaged schema may make a message that is not UTF-8, a damaged row a value that is not JSON.
    except (sqlite3.Error, UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise UnusableDatabaseError(f"{path.name} is no benchmark database: {error}") from error
    if not isinstance(name, str) or name not in PUBLISHED:
        raise UnusableDatabaseError(
            f"{path.name} holds no benchmark of this version ({shown(name)})"
        )
    return name
