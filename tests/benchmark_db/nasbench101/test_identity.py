"""Which cell a spelling means, whether or not the database records it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.identity import CellIdentities, Identity

# Of five vertices; the database has all cells of up to four, and the golden one.
UNRECORDED = Cell.from_predecessors([1, 2, 4, 8], [1, 1, 1])
STRANDED = Cell.from_predecessors([1, 1], [2])  # the single edge, and a dead end
MALFORMED = {"op1": "conv3x3", "input1": [0], "input2": []}


@pytest.fixture
def identities(nasbench101: NasBench101) -> CellIdentities:
    return CellIdentities(nasbench101.database)


@pytest.fixture
def recorded(nasbench101: NasBench101) -> dict[str, Cell]:
    rows = nasbench101.database.rows("SELECT hash, code FROM cell")
    return {digits: Cell(code) for digits, code in rows}


def test_a_recorded_cell_has_the_hash_that_is_computed(
    identities: CellIdentities, recorded: dict[str, Cell]
) -> None:
    for digits, cell in recorded.items():
        assert identities.hash_of(cell.to_dict()) == digits == hash_cell(cell)
    assert identities.hashes_of([cell.to_dict() for cell in recorded.values()]) == list(recorded)


def test_another_numbering_of_a_recorded_cell_has_its_hash(
    identities: CellIdentities, recorded: dict[str, Cell]
) -> None:
    golden = recorded["00005c142e6f48ac74fdcf73e3439874"]
    other = golden.reordered([0, 1, 2, 4, 3, 5, 6])
    assert other != golden
    for spelling in (other.to_dict(), json.dumps(other.to_dict()), other.to_module()):
        assert identities.hash_of(spelling) == "00005c142e6f48ac74fdcf73e3439874"
        assert identities.hashes_of([spelling]) == ["00005c142e6f48ac74fdcf73e3439874"]


@pytest.mark.parametrize("cell", [UNRECORDED, STRANDED])
def test_a_cell_that_is_not_recorded_is_hashed(identities: CellIdentities, cell: Cell) -> None:
    assert identities.hash_of(cell.to_dict()) == hash_cell(cell)
    assert identities.hashes_of([cell.to_dict()]) == [hash_cell(cell)]


def test_many_are_answered_in_order_whatever_is_among_them(
    identities: CellIdentities, recorded: dict[str, Cell]
) -> None:
    digits, cell = next(iter(recorded.items()))
    spellings: list[Any] = [MALFORMED, cell.to_dict(), digits.upper(), UNRECORDED.to_dict()]
    malformed, *found = identities.identify_each([*spellings, cell.to_module()])
    assert isinstance(malformed, InvalidArchitectureError)
    assert found == [
        Identity(digits, cell),
        Identity(digits, None),
        Identity(hash_cell(UNRECORDED), UNRECORDED),
        Identity(digits, cell),
    ]


def test_nothing_is_asked_of_nobody(identities: CellIdentities) -> None:
    assert identities.identify_each([]) == []


def test_codes_are_those_of_the_recorded_cells(
    identities: CellIdentities, recorded: dict[str, Cell]
) -> None:
    digits, cell = next(iter(recorded.items()))
    assert identities.recorded_codes([digits, hash_cell(UNRECORDED)]) == {digits: cell.code}
