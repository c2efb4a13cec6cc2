"""Finds the recorded cell of an architecture, by its code or by its published hash.

Most requested cells are written exactly as recorded, because researchers took them from there. They
are looked up by code, which is much cheaper than hashing. All other cells are hashed, preferably
many at once. Runs are found by the index of their cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.batch_hash import hash_cells
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.spelling import parse_cell, parse_hash

__all__ = ["NO_CELL", "CellIdentities", "Identity"]

NO_CELL: Final = -1
"""The index, and the code, of a cell that is not recorded."""

_CACHED_TEXTS: Final = 4096
"""Size of the cache of parsed texts: cells are requested again, for other budgets or curves."""

_NUMBER_OF_CODE: Final = "SELECT id FROM cell WHERE code = :code"
_NUMBER_OF_HASH: Final = "SELECT id FROM cell WHERE hash = :hash"
_NUMBERS_OF_CODES: Final = (
    "SELECT code, id FROM cell WHERE code IN (SELECT value FROM json_each(:codes))"
)
_NUMBERS_OF_HASHES: Final = (
    "SELECT hash, id FROM cell WHERE hash IN (SELECT value FROM json_each(:hashes))"
)
_HASHES_OF_CODES: Final = (
    "SELECT code, hash FROM cell WHERE code IN (SELECT value FROM json_each(:codes))"
)
_CODES_OF_HASHES: Final = (
    "SELECT hash, code FROM cell WHERE hash IN (SELECT value FROM json_each(:hashes))"
)


class Identity(NamedTuple):
    """The hash of an architecture, and its cell if known.

    Attributes:
        hash: 32 lower-case hexadecimal digits.
        cell: The given cell, not pruned; None when only the hash was given.
    """

    hash: str
    cell: Cell | None


class CellIdentities:
    """Looks up the cells that architectures stand for.

    Args:
        database: Holds the codes and hashes of recorded cells.
    """

    def __init__(self, database: ReadOnlyDatabase) -> None:
        self._database = database
        self._number_of_text = lru_cache(maxsize=_CACHED_TEXTS)(self._read_text)

    def number_of(self, spelling: Any) -> int:
        """Return the index of the cell given as a dict, JSON text or hash, or `NO_CELL`.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        if isinstance(spelling, str):
            return self._number_of_text(spelling)
        return self._number_of_cell(parse_cell(spelling))

    def numbers_of(self, spellings: Sequence[Any]) -> list[int | InvalidArchitectureError]:
        """Return the index of each cell, or the error of a malformed one, in order."""
        read = [_read(spelling) for spelling in spellings]
        by_code = self._numbers_of_codes({meant.code for meant in read if isinstance(meant, Cell)})
        by_hash = self._numbers_of_hashes(
            {meant.hash for meant in read if isinstance(meant, Identity)}
        )
        return [_number_in(meant, by_code, by_hash) for meant in read]

    def identify_each(self, spellings: Sequence[Any]) -> list[Identity | InvalidArchitectureError]:
        """Return hash and cell of each architecture, or the error of a malformed one, in order."""
        read = [_read(spelling) for spelling in spellings]
        hashes = self._hashes_of_codes({meant.code for meant in read if isinstance(meant, Cell)})
        return [
            Identity(hashes[meant.code], meant) if isinstance(meant, Cell) else meant
            for meant in read
        ]

    def recorded_codes(self, hashes: Iterable[str]) -> dict[str, int]:
        """Return the codes of those cells that the database records, by hash."""
        keys = orjson.dumps(list(hashes)).decode()
        return dict(self._database.rows(_CODES_OF_HASHES, {"hashes": keys}))

    def _read_text(self, text: str) -> int:
        known = parse_hash(text)
        if known is not None:
            return self._number(_NUMBER_OF_HASH, {"hash": known})
        return self._number_of_cell(parse_cell(_object_in(text)))

    def _number_of_cell(self, cell: Cell) -> int:
        recorded = self._number(_NUMBER_OF_CODE, {"code": cell.code})
        if recorded != NO_CELL:
            return recorded
        return self._number(_NUMBER_OF_HASH, {"hash": hash_cell(cell)})

    def _number(self, statement: str, parameters: Mapping[str, Any]) -> int:
        rows = self._database.rows(statement, parameters)
        return next((int(number) for (number,) in rows), NO_CELL)

    def _numbers_of_codes(self, codes: set[int]) -> dict[int, int]:
        """Return the indices of the cells with these codes; `NO_CELL` where none is recorded."""
        keys = orjson.dumps(list(codes)).decode()
        numbers: dict[int, int] = dict(self._database.rows(_NUMBERS_OF_CODES, {"codes": keys}))
        others = list(codes - numbers.keys())
        hashes = hash_cells(map(Cell, others))
        by_hash = self._numbers_of_hashes(hashes)
        numbers.update(
            (code, by_hash.get(cell_hash, NO_CELL))
            for code, cell_hash in zip(others, hashes, strict=True)
        )
        return numbers

    def _numbers_of_hashes(self, hashes: Iterable[str]) -> dict[str, int]:
        """Return the indices of those cells that the database records, by hash."""
        keys = orjson.dumps(list(hashes)).decode()
        return dict(self._database.rows(_NUMBERS_OF_HASHES, {"hashes": keys}))

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


def _number_in(
    meant: Cell | Identity | InvalidArchitectureError,
    by_code: Mapping[int, int],
    by_hash: Mapping[str, int],
) -> int | InvalidArchitectureError:
    if isinstance(meant, Cell):
        return by_code[meant.code]
    return by_hash.get(meant.hash, NO_CELL) if isinstance(meant, Identity) else meant


def _object_in(text: str) -> Any:
    """Return the object decoded from JSON text, or the text itself, which is rejected later."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, dict) else text
