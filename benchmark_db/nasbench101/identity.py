"""Which cell a spelling means: the published hash, equal for isomorphic cells.

Reading and hashing many cells at once costs a fraction of doing it one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell, hash_cells
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash

__all__ = ["Identity", "hash_of", "hashes_of", "identify_each"]


_REMEMBERED_TEXTS: Final = 4096
"""Whoever asks for a cell over HTTP asks for it again: for the next budget, for its curves."""


class Identity(NamedTuple):
    """What a spelling says of a cell.

    Attributes:
        hash: 32 lower-case hexadecimal digits.
        cell: As spelled, not pruned; None when the hash alone was given.
    """

    hash: str
    cell: Cell | None


def hash_of(spelling: Any) -> str:
    """Return the hash of the cell that a dict, its JSON text or a hash spells.

    Raises:
        InvalidArchitectureError: It is malformed or outside the space.
    """
    if isinstance(spelling, str):
        return _hash_of_text(spelling)
    return hash_cell(parse_cell(spelling))


@lru_cache(maxsize=_REMEMBERED_TEXTS)
def _hash_of_text(text: str) -> str:
    return parse_hash(text) or hash_cell(parse_cell(text))


def hashes_of(spellings: Sequence[Any]) -> list[str | InvalidArchitectureError]:
    """Return the hash of each cell, or the error of a malformed one, in order."""
    return [
        found if isinstance(found, InvalidArchitectureError) else found.hash
        for found in identify_each(spellings)
    ]


def identify_each(spellings: Sequence[Any]) -> list[Identity | InvalidArchitectureError]:
    """Return what each spelling says, or the error of a malformed one, in order."""
    read = [_read(spelling) for spelling in spellings]
    hashes = iter(hash_cells(meant for meant in read if isinstance(meant, Cell)))
    return [Identity(next(hashes), meant) if isinstance(meant, Cell) else meant for meant in read]


def _read(spelling: Any) -> Cell | Identity | InvalidArchitectureError:
    known = parse_hash(spelling)
    if known is not None:
        return Identity(known, None)
    try:
        return parse_cell(spelling)
    except InvalidArchitectureError as error:
        return error
