"""Which cell a spelling means, whether or not the database records it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nasbench101_cells import HASH as GOLDEN

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.identity import NO_CELL, CellIdentities, Identity
from benchmark_db.nasbench101.spelling import parse_cell

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


@pytest.fixture
def numbers(nasbench101: NasBench101) -> dict[str, int]:
    return dict(nasbench101.database.rows("SELECT hash, id FROM cell"))


def test_a_recorded_cell_has_its_number_and_the_hash_that_is_computed(
    identities: CellIdentities, recorded: dict[str, Cell], numbers: dict[str, int]
) -> None:
    for digits, cell in recorded.items():
        assert digits == hash_cell(cell)
        for spelling in (cell.to_dict(), cell.to_module(), json.dumps(cell.to_dict()), digits):
            assert identities.number_of(spelling) == numbers[digits]
    expected = [numbers[digits] for digits in recorded]
    assert identities.numbers_of([cell.to_dict() for cell in recorded.values()]) == expected
    assert identities.numbers_of(list(recorded)) == expected


def test_another_numbering_of_a_recorded_cell_means_it(
    identities: CellIdentities, recorded: dict[str, Cell], numbers: dict[str, int]
) -> None:
    golden = recorded[GOLDEN]
    other = golden.reordered([0, 1, 2, 4, 3, 5, 6])
    assert other != golden
    for spelling in (other.to_dict(), json.dumps(other.to_dict()), other.to_module()):
        assert identities.number_of(spelling) == numbers[GOLDEN]
        assert identities.numbers_of([spelling]) == [numbers[GOLDEN]]


def test_a_cell_with_a_dead_end_means_what_is_left_of_it(
    identities: CellIdentities, numbers: dict[str, int]
) -> None:
    expected = numbers[hash_cell(STRANDED)]
    assert identities.number_of(STRANDED.to_dict()) == expected
    assert identities.numbers_of([STRANDED.to_dict()]) == [expected]


def test_what_is_not_recorded_has_no_number(identities: CellIdentities) -> None:
    for spelling in (UNRECORDED.to_dict(), json.dumps(UNRECORDED.to_dict()), "f" * 32):
        assert identities.number_of(spelling) == NO_CELL
        assert identities.numbers_of([spelling]) == [NO_CELL]


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1]", '"op1"', "0" * 31, "1" * 40])
def test_a_text_that_is_no_cell_is_refused_with_what_it_is(
    identities: CellIdentities, text: str
) -> None:
    with pytest.raises(InvalidArchitectureError) as expected:
        parse_cell(text)
    with pytest.raises(InvalidArchitectureError) as refused:
        identities.number_of(text)
    assert refused.value.message == expected.value.message


def test_numbers_are_told_in_order_whatever_is_among_them(
    identities: CellIdentities, recorded: dict[str, Cell], numbers: dict[str, int]
) -> None:
    digits, cell = next(iter(recorded.items()))
    spellings: list[Any] = [MALFORMED, cell.to_dict(), digits.upper(), UNRECORDED.to_dict()]
    malformed, *found = identities.numbers_of(spellings)
    assert isinstance(malformed, InvalidArchitectureError)
    assert found == [numbers[digits], numbers[digits], NO_CELL]
    assert identities.numbers_of([]) == []


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
