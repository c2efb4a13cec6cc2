"""Several runs as one number."""

from __future__ import annotations

import math
import statistics
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidQuestionError
from benchmark_db.items import (
    REDUCTIONS,
    Reduction,
    reduce_columns,
    reduce_values,
)
from benchmark_db.questions import checked_reduction

finite = st.floats(allow_nan=False, allow_infinity=False)
runs = st.lists(st.none() | finite, min_size=1, max_size=6)
how = st.sampled_from(REDUCTIONS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mean", 52.91333333333333), ("std", 0.70395707), ("min", 51.98), ("max", 53.68)],
)
def test_the_three_golden_runs_reduce_to_known_figures(name: Reduction, value: float) -> None:
    # Test accuracies of architecture 0, cifar100, 200 epochs: raw-formats.md, section 2.
    assert reduce_values([51.98, 53.68, 53.08], name) == pytest.approx(value, rel=1e-7)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_each_reduction_is_what_its_name_says(values: list[float]) -> None:
    assert reduce_values(values, "mean") == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert reduce_values(values, "std") == pytest.approx(statistics.pstdev(values), abs=1e-9)
    assert reduce_values(values, "min") == min(values)
    assert reduce_values(values, "max") == max(values)


@given(values=runs, how=how, data=st.data())
def test_the_order_of_the_runs_does_not_matter(
    values: list[float | None], how: Reduction, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(values))
    first, second = reduce_values(values, how), reduce_values(shuffled, how)
    if how == "std" and first is not None:
        assert second == pytest.approx(first, rel=1e-12, nan_ok=True)
    else:
        assert first == second


@given(values=st.lists(st.floats(0, 1e308), min_size=1, max_size=6), how=how)
def test_no_amount_is_too_large_to_reduce(values: list[float], how: Reduction) -> None:
    reduced = reduce_values(values, how)
    assert reduced is not None
    assert math.isfinite(reduced)
    if how != "std":
        assert min(values) * (1 - 1e-12) <= reduced <= max(values) * (1 + 1e-12)


@given(values=runs, how=how)
def test_runs_without_the_statistic_are_left_out(
    values: list[float | None], how: Reduction
) -> None:
    recorded = [value for value in values if value is not None]
    expected = reduce_values(recorded, how) if recorded else None
    assert reduce_values(values, how) == expected


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_no_run_recorded_stays_unknown(name: Reduction) -> None:
    assert reduce_values([None, None], name) is None


@given(value=finite, count=st.integers(1, 5))
def test_equal_runs_reduce_to_themselves_and_do_not_deviate(value: float, count: int) -> None:
    assert reduce_values([value] * count, "mean") == value
    assert reduce_values([value] * count, "std") == 0


def test_curves_are_reduced_epoch_by_epoch() -> None:
    curves = [[1.0, None, 3.0], [3.0, None, None]]
    assert reduce_columns(curves, "mean") == [2.0, None, 3.0]
    assert reduce_columns(curves, "std") == [1.0, None, 0.0]


def test_a_run_without_the_curve_is_left_out() -> None:
    assert reduce_columns([None, [1.0, 2.0]], "mean") == [1.0, 2.0]
    assert reduce_columns([None, None], "mean") is None


def test_a_shorter_curve_counts_as_far_as_it_goes() -> None:
    assert reduce_columns([[1.0], [3.0, 5.0]], "mean") == [2.0, 5.0]


@pytest.mark.parametrize("name", ["median", "", "MEAN", 3, [], {}, True, "x" * 10_000])
def test_an_unknown_reduction_is_refused(name: Any) -> None:
    with pytest.raises(InvalidQuestionError, match="known are mean, std, min, max") as caught:
        checked_reduction(cast("str", name))
    assert caught.value.field == "reduction"
    assert len(caught.value.message) < 200


def test_no_reduction_is_none() -> None:
    assert checked_reduction(None) is None
