"""Whether a database is what it says it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import orjson

from benchmark_db.catalog import BENCHMARKS
from benchmark_db.digest import content_digest
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.provenance import Provenance

__all__ = ["verify_database"]


def verify_database(path: Path) -> Provenance:
    """Read a database whole and return its provenance, proven.

    Checks SQLite's own structure, the schema, the number of runs and the content digest.

    Raises:
        UnusableDatabaseError: Something is not as it should be.
    """
    if not path.is_file():
        raise UnusableDatabaseError(f"{path.name} does not exist")
    name = _named_benchmark(path)
    benchmark = BENCHMARKS[name](path)
    try:
        (verdict,) = next(benchmark.database.rows("PRAGMA integrity_check(1)"))
        if verdict != "ok":
            raise UnusableDatabaseError(f"{path.name} is damaged: {verdict}")
        provenance = benchmark.provenance
        (runs,) = next(benchmark.database.rows("SELECT count(*) FROM run"))
        recorded = provenance.contents.get("runs")
        if runs != recorded:
            raise UnusableDatabaseError(f"{path.name} holds {runs} runs; it records {recorded}")
        digest = content_digest(benchmark.all_runs())
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
    except sqlite3.Error as error:
        raise UnusableDatabaseError(f"{path.name} is no benchmark database: {error}") from error
    name = orjson.loads(row[0]) if row else None
    if name not in BENCHMARKS:
        raise UnusableDatabaseError(
            f"{path.name} holds no benchmark of this version ({name!r:.80})"
        )
    return str(name)
