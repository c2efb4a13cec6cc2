"""Verifies a database: structure, row counts, content digest, aggregates and file checksum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote

import numpy as np
import orjson

from benchmark_db.aggregates import NamedColumn
from benchmark_db.errors import UnusableDatabaseError, shown
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.provenance import Provenance
from benchmark_db.registry import INSTALLABLE
from benchmark_db.tabular.benchmark import Tabular
from benchmark_db.tabular.stored_spec import stored_text

__all__ = ["opened_as_named", "verify_database"]


def verify_database(path: Path) -> Provenance:
    """Check a whole database and return its provenance.

    Checks SQLite's own structure, the schema, the number of rows, the content digest, the
    aggregates against the runs and, for everything else in the file, its checksum.

    Raises:
        UnusableDatabaseError: A check failed.
    """
    if not path.is_file():
        raise UnusableDatabaseError(f"{path.name} does not exist")
    benchmark = opened_as_named(path)
    try:
        (verdict,) = next(benchmark.database.rows("PRAGMA integrity_check(1)"))
        if verdict != "ok":
            raise UnusableDatabaseError(f"{path.name} is damaged: {verdict}")
        provenance = benchmark.provenance
        count = benchmark.count_rows()
        recorded = provenance.contents.get(benchmark.counted)
        if count != recorded:
            raise UnusableDatabaseError(
                f"{path.name} holds {count} {benchmark.counted}; its provenance says {recorded}"
            )
        try:
            sums = benchmark.new_sums()
            digest = benchmark.digest_of(sums.watch(benchmark.all_rows()))
        except (TypeError, ValueError) as error:  # SQLite lets any column hold any type
            raise UnusableDatabaseError(
                f"{path.name} is damaged: a row has a value of the wrong type: {error}"
            ) from error
        if digest != provenance.content_digest:
            raise UnusableDatabaseError(
                f"{path.name} has been changed: its content has {digest}, its provenance says "
                f"{provenance.content_digest}"
            )
        benchmark.check_derived()
        with closing(benchmark.aggregates.columns()) as kept:
            _check_aggregates(kept, sums.columns(), path.name)
        benchmark.database.verify()
        return provenance
    finally:
        benchmark.close()


def _check_aggregates(
    kept: Iterator[NamedColumn], proper: Iterator[NamedColumn], file: str
) -> None:
    """Check that the stored columns are those computed from the runs."""
    # Compared unpacked, because a newer compressor may write other bytes.
    for there, right in zip_longest(kept, proper):
        if there is None or right is None or not _same(there, right):
            part, name, *_ = right or there
            raise UnusableDatabaseError(
                f"{file} has been changed: its column of {name}, part {part}, differs from its runs"
            )


def _same(one: NamedColumn, other: NamedColumn) -> bool:
    equal = (np.array_equal(one[2], other[2]), np.array_equal(one[3], other[3]))
    return one[:2] == other[:2] and all(equal)


def opened_as_named(path: Path) -> InstalledDataset:
    """Open a database according to the name stored in it, whatever the name of the file.

    Raises:
        UnusableDatabaseError: The file holds no data set known to this version.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    question = "SELECT value FROM provenance WHERE key = 'benchmark'"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            row = connection.execute(question).fetchone()
            name = orjson.loads(row[0]) if row else None
    # A damaged schema may give a message that is not UTF-8, a damaged row a value that is not JSON.
    except (sqlite3.Error, UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise UnusableDatabaseError(f"{path.name} is not a benchmark database: {error}") from error
    if isinstance(name, str) and name in INSTALLABLE:
        return INSTALLABLE[name](path)
    if stored_text(path) is None:
        raise UnusableDatabaseError(
            f"{path.name} holds {shown(name)}, which this version does not know"
        )
    return Tabular(path)
