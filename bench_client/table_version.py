"""Names of tables, with or without a version: `digits@3` is the third version of `digits`."""

from __future__ import annotations

import re
from typing import Final, NewType

__all__ = ["TableName", "names_version", "table_version"]

TableName = NewType("TableName", str)
"""Name of a benchmark that type checkers do not know: your own table, or a name chosen at run time.
With a `TableName`, methods accept any filter; with a literal name, only the filters of that
benchmark."""

_VERSIONED: Final = re.compile(r"([^@]*)@([1-9][0-9]{0,8})", re.ASCII)


def table_version(name: str) -> tuple[str, int | None]:
    """Split a name into table and version; the version is None for the one that is served."""
    found = _VERSIONED.fullmatch(name)
    return (name, None) if found is None else (found[1], int(found[2]))


def names_version(name: str | None) -> bool:
    """Return whether a name includes a version."""
    return name is not None and table_version(name)[1] is not None
