"""Names of tables, also such as say which version is meant: `digits@3`, the third of `digits`."""

from __future__ import annotations

import re
from typing import Final, NewType

__all__ = ["TableName", "names_version", "table_version"]

TableName = NewType("TableName", str)
"""Name of a benchmark that a type checker cannot know: a table of one's own, or a choice made as
the program runs. With it, methods take any filter; of a benchmark that is named in the program,
those alone that it has."""

_VERSIONED: Final = re.compile(r"([^@]*)@([1-9][0-9]{0,8})", re.ASCII)


def table_version(name: str) -> tuple[str, int | None]:
    """Return a table and the version of it that a name means; None: that which is served."""
    found = _VERSIONED.fullmatch(name)
    return (name, None) if found is None else (found[1], int(found[2]))


def names_version(name: str | None) -> bool:
    """Return whether a name says which version of a table is meant."""
    return name is not None and table_version(name)[1] is not None
