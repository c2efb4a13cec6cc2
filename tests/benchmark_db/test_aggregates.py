"""Columns of means: exactly what reducing the runs gives, and proven by `verify`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.aggregates import Aggregates, AggregateSums, aligned, pack_column
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.items import reduce_values
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.verify import verify_database

VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.1, 0.2, 0.30000000000000004, 53.08, 8.55553, -0.0]),
    st.floats(-1e300, 1e300),
    st.floats(0, 100, width=32),
)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.lists(VALUES, min_size=1, max_size=7)), max_size=30)


def summed(rows: list[tuple[int, int, float | None]]) -> AggregateSums:
    sums = AggregateSums(
        ("number", "part", "value"), numbered_by="number", parts_by=("part",), aggregates=("value",)
    )
    assert list(sums.watch(iter(rows))) == rows
    return sums


@given(ROWS)
def test_a_column_is_the_mean_over_the_runs_to_the_last_digit(
    candidates: list[tuple[int, list[float | None]]],
) -> None:
    rows = [
        (number, part, value)
        for number, (part, values) in enumerate(candidates)
        for value in values
    ]
    found = {(part, name): (sums, counts) for part, name, sums, counts in summed(rows).columns()}
    for part in {part for part, _ in candidates}:
        expected = [reduce_values(values, "mean") for of, values in candidates if of == part]
        sums, counts = found[f"[{part}]", "value"]
        with np.errstate(invalid="ignore"):
            means = (sums / counts).tolist()
        assert [None if math.isnan(mean) else mean for mean in means] == expected
        numbers, _ = found[f"[{part}]", "number"]
        assert numbers.tolist() == [n for n, (of, _) in enumerate(candidates) if of == part]


def test_candidates_may_lie_across_any_number_of_rows_read_at_a_time() -> None:
    rows = [(number, 0, float(run)) for number in range(2000) for run in range(number % 9 + 1)]
    ((_, _, numbers, _), (_, _, sums, counts)) = summed(rows).columns()
    assert numbers.tolist() == list(range(2000))
    assert counts.tolist() == [number % 9 + 1 for number in range(2000)]
    assert sums.tolist() == [sum(range(number % 9 + 1)) for number in range(2000)]


def test_more_runs_than_a_byte_counts_are_kept_as_their_mean() -> None:
    rows = [(0, 0, float(run)) for run in range(300)]
    (_, (_, _, sums, counts)) = summed(rows).columns()
    assert (sums / counts).tolist() == [149.5]


def test_what_is_alike_packs_small() -> None:
    sums = np.full(100_000, 3.0)
    packed = pack_column(sums, np.full(100_000, 3, np.uint8))
    assert sum(map(len, packed)) < 2000


@pytest.mark.parametrize("numbers", [[], [4, 9]])
def test_values_are_aligned_by_number(numbers: list[int]) -> None:
    values = np.array([0.5 * number for number in numbers])
    found = aligned(np.array([1, 4, 5, 9, 12]), numbers, values)
    expected = [0.5 * n if n in numbers else None for n in (1, 4, 5, 9, 12)]
    assert [None if math.isnan(value) else value for value in found] == expected


def test_a_database_has_a_column_of_every_statistic(nasbench101: NasBench101) -> None:
    parts = nasbench101.aggregates.parts()
    assert parts == [(4,), (12,), (36,), (108,)]
    rows = list(nasbench101.all_rows())
    names = nasbench101.columns
    for part in parts:
        numbers = nasbench101.aggregates.numbers(part)
        assert numbers.tolist() == list(nasbench101.recorded())
        for name in nasbench101.stats:
            place = names.index(name)
            of_part = [row for row in rows if row[1] == part[0]]
            expected = [
                reduce_values([row[place] for row in runs], "mean")
                for _, runs in groupby(of_part, key=lambda row: row[0])
            ]
            assert nasbench101.aggregates.means(part, name).tolist() == expected


def test_a_part_that_does_not_exist_has_no_candidates(sample: NasBench201) -> None:
    assert len(sample.aggregates.numbers((13, 0))) == 0
    assert len(sample.aggregates.means((13, 0), "test_acc")) == 0


def test_columns_are_read_once_and_cannot_be_changed(sample: NasBench201) -> None:
    first = sample.aggregates.means((200, 2), "test_acc")
    assert sample.aggregates.means((200, 2), "test_acc") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 100.0


def test_columns_that_nobody_asked_for_lately_are_forgotten(
    sample: NasBench201, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_db.aggregates._CACHED_BYTES", 1)
    aggregates = Aggregates(sample.database, "arch_index")
    first = aggregates.means((200, 2), "test_acc")
    aggregates.means((200, 2), "valid_acc")
    again = aggregates.means((200, 2), "test_acc")
    assert again is not first
    assert again.tolist() == first.tolist()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE figure_data SET sums = x'00' WHERE id = 1", "damaged"),
        ("UPDATE figure_data SET counts = (SELECT counts FROM figure_data WHERE id = 0)", None),
        ("DELETE FROM figure WHERE name = 'test_acc'", "column of test_acc"),
        ("UPDATE figure SET data = 3 WHERE name = 'valid_acc'", "column of"),
    ],
)
def test_a_column_that_is_not_that_of_the_runs_is_found_by_verify(
    altered: Callable[..., Path], statement: str, complaint: str | None
) -> None:
    path = altered(statement)
    with pytest.raises(UnusableDatabaseError, match=complaint):
        verify_database(path)
