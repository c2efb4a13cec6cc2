"""A page by itself: where it ends, and the cursor that goes on from there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidQuestionError, TableReplacedError
from benchmark_db.questions import MAX_LIMIT, Paging


def paging(
    *question: str, limit: int = 3, by_number: bool = False, table: str = "table@1"
) -> Paging:
    return Paging(
        table=table,
        question=question,
        columns=("number", "half"),
        place=("half", "number"),
        by_number=by_number,
        limit=limit,
    )


def items(count: int) -> list[tuple[tuple[int, float], dict[str, int]]]:
    """Return items with their rows: a number, and the half of it."""
    return [((number, number / 2), {"number": number}) for number in range(count)]


@given(st.integers(0, 50), st.integers(1, MAX_LIMIT))
def test_a_page_holds_the_first_items_and_a_cursor_if_there_are_more(
    count: int, limit: int
) -> None:
    cut = paging("question", limit=limit, by_number=True)
    page = cut.page(items(count))
    assert page.items == [item for _, item in items(count)][:limit]
    assert (page.next_cursor is None) == (count <= limit)
    if page.next_cursor is not None:
        assert cut.position(page.next_cursor) == [(limit - 1) / 2, limit - 1]


def test_no_more_items_are_taken_than_tell_whether_there_is_another_page() -> None:
    source = iter(items(10))
    paging("question", limit=3).page(source)
    assert next(source) == items(10)[4]


def test_a_cursor_is_good_for_its_question_alone() -> None:
    cursor = paging("one", by_number=True).page(items(9)).next_cursor
    with pytest.raises(InvalidQuestionError, match="another question"):
        paging("other", by_number=True).position(cursor)


def test_a_cursor_is_good_for_its_version_of_its_table_alone() -> None:
    cursor = paging("one", by_number=True).page(items(9)).next_cursor
    with pytest.raises(TableReplacedError, match=r"database of table was replaced .* start again"):
        paging("one", by_number=True, table="table@2").position(cursor)
    # Codes, and with them fingerprints, may be others in another version.
    with pytest.raises(TableReplacedError):
        paging("other", by_number=True, table="table@2").position(cursor)
    with pytest.raises(InvalidQuestionError, match="another question"):
        paging("one", by_number=True, table="tables@1").position(cursor)


def test_a_place_of_keys_is_made_of_whole_numbers() -> None:
    cursor = paging("question", limit=2).page(items(9)).next_cursor
    assert paging("question", by_number=True).position(cursor) == [0.5, 1]
    with pytest.raises(InvalidQuestionError, match="is not a cursor"):
        paging("question").position(cursor)
