"""Which plan made the database that is served under a name."""

from __future__ import annotations

from pathlib import Path

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.verify import opened_as_named

__all__ = ["is_of_another_plan"]


def is_of_another_plan(path: Path, digest: str) -> bool:
    """Tell whether there is a database that a plan must not replace.

    The file is asked and no list of versions: whoever is killed between the exchange of a file and
    the note of it leaves one that no list has.
    """
    if not path.exists():
        return False
    try:
        database = opened_as_named(path)
    except UnusableDatabaseError:
        return True
    try:
        provenance = database.provenance
        return not provenance.is_of_a_plan or provenance.contents["plan"] != digest
    except UnusableDatabaseError:
        return True
    finally:
        database.close()
