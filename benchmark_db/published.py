"""Published data in a database of its own: what runs and tables of costs have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.description import Description
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.items import Row
from benchmark_db.provenance import read_provenance
from benchmark_db.questions import Filter
from benchmark_db.run_source import RunSource

__all__ = ["Published"]


class Published(ABC):
    """Published data, installed: an open database that says what it is and where it comes from.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this data and schema.
    """

    description: ClassVar[Description]
    schema_version: ClassVar[int]
    source: ClassVar[RunSource]
    """Where its rows lie."""
    key_columns: ClassVar[tuple[str, ...]]
    """Columns that tell what is answered for apart, in the order of answers."""
    filters: Mapping[str, Filter]
    """By the name callers use; `arch` reads every spelling of an architecture into a column."""
    counted: ClassVar[str]
    """What a row is, in the plural: `contents` of the provenance counts them under this name."""

    cache_kib: ClassVar[int] = 1024
    """Memory that each connection keeps of the file, in KiB."""

    def __init__(self, path: Path) -> None:
        self.database = ReadOnlyDatabase(path, self.schema_version, cache_kib=self.cache_kib)
        try:
            self.provenance = read_provenance(self.database, self.description.name)
        except UnusableDatabaseError:
            self.database.close()
            raise

    @abstractmethod
    def all_rows(self) -> Iterator[Row]:
        """Yield every row in key order, each ending with packed curves or None.

        This is what the data answers, whatever the archive it was made from: the content digest
        is taken over it.
        """

    def count_rows(self) -> int:
        """Return how many rows there are, whether or not they can be asked for."""
        ((count,),) = self.database.rows(self.database.compile(self.source.count()))
        return int(count)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
