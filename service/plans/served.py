"""Check that a served database belongs to a plan."""

from __future__ import annotations

from pathlib import Path

from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.verify import opened_as_named

__all__ = ["is_of_another_plan"]


def is_of_another_plan(path: Path, digest: str) -> bool:
    """Tell whether a database exists that the plan with a digest must not replace.

    The file is read instead of the list of versions, because a server that is killed between
    exchanging the file and recording it leaves a file that is not in the list.
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
