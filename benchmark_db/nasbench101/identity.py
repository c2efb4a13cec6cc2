"""Which cell a spelling means: the published hash, equal for isomorphic cells.

Most cells that are asked for are spelled as the database records them, since that is where
researchers have them from: those are looked up, which takes a fraction of hashing them. Any other
is hashed; many at once are much cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell, hash_cells
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash

__all__ = ["CellIdentities", "Identity"]

_REMEMBERED_TEXTS: Final = 4096
"""Whoever asks for a cell over HTTP asks for it again: for the next budget, for its curves."""

_HASH_OF_CODE: Final = "SELECT hash FROM cell WHERE code = :code"
_HASHES_OF_CODES: Final = (
    "SELECT code, hash FROM cell WHERE code IN (SELECT value FROM json_each(:codes))"
)
_CODES_OF_HASHES: Final = (
    "SELECT hash, code FROM cell WHERE hash IN (SELECT value FROM json_each(:hashes))"
)


class Identity(NamedTuple):
    """What a spelling says of a cell.

    Attributes:
        hash: 32 lower-case hexadecimal digits.
        cell: As spelled, not pruned; None when the hash alone was given.
    """

    hash: str
    cell: Cell | None


class CellIdentities:
    """The cells that spellings mean.

    Args:
        database: Records the codes and hashes of cells.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        self._database = database
        self._hash_of_text = lru_cache(maxsize=_REMEMBERED_TEXTS)(self._read_text)

    def hash_of(self, spelling: Any) -> str:
        """Return the hash of the cell that a dict, its JSON text or a hash spells.

        Raises:
            InvalidArchitectureError: It is malformed or outside the space.
        """
        if isinstance(spelling, str):
            return self._hash_of_text(spelling)
        return self._hash_of_cell(parse_cell(spelling))

    def hashes_of(self, spellings: Sequence[Any]) -> list[str | InvalidArchitectureError]:
        """Return the hash of each cell, or the error of a malformed one, in order."""
        return [
            found if isinstance(found, InvalidArchitectureError) else found.hash
            for found in self.identify_each(spellings)
        ]

    def identify_each(self, spellings: Sequence[Any]) -> list[Identity | InvalidArchitectureError]:
        """Return what each spelling says, or the error of a malformed one, in order."""
        read = [_read(spelling) for spelling in spellings]
        hashes = self._hashes_of_codes({meant.code for meant in read if isinstance(meant, Cell)})
        return [
            Identity(hashes[meant.code], meant) if isinstance(meant, Cell) else meant
            for meant in read
        ]

    def recorded_codes(self, hashes: Iterable[str]) -> dict[str, int]:
        """Return by hash the codes of those cells that the database records."""
        keys = orjson.dumps(list(hashes)).decode()
        return dict(self._database.rows(_CODES_OF_HASHES, {"hashes": keys}))

    def _read_text(self, text: str) -> str:
        return parse_hash(text) or self._hash_of_cell(parse_cell(text))

    def _hash_of_cell(self, cell: Cell) -> str:
        for (recorded,) in self._database.rows(_HASH_OF_CODE, {"code": cell.code}):
            return str(recorded)
        return hash_cell(cell)

    def _hashes_of_codes(self, codes: set[int]) -> dict[int, str]:
        keys = orjson.dumps(list(codes)).decode()
        hashes: dict[int, str] = dict(self._database.rows(_HASHES_OF_CODES, {"codes": keys}))
        others = list(codes - hashes.keys())
        hashes.update(zip(others, hash_cells(map(Cell, others)), strict=True))
        return hashes


def _read(spelling: Any) -> Cell | Identity | InvalidArchitectureError:
    known = parse_hash(spelling)
    if known is not None:
        return Identity(known, None)
    try:
        return parse_cell(spelling)
    except InvalidArchitectureError as error:
        return error
