"""Strategies compared at one time: figures by hand, corrected tests, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_search.errors import StudyError
from nas_search.study import IncomparableRunsError, RecordedRun, compare_runs, holm, mann_whitney

RunOf = Callable[..., RecordedRun]


def runs_of(run_of: RunOf, strategy: str, values: list[float]) -> list[RecordedRun]:
    return [
        run_of((1.0, 80.0), (5.0, value), strategy=strategy, seed=seed)
        for seed, value in enumerate(values)
    ]


def test_figures_are_those_by_hand_and_the_best_comes_first(run_of: RunOf) -> None:
    runs = [*runs_of(run_of, "slow", [90, 91, 92, 93]), *runs_of(run_of, "quick", [94, 94, 95])]
    found = compare_runs(runs)
    assert [row.strategy for row in found.rows] == ["quick", "slow"]
    slow = found.rows[1]
    assert (slow.runs, slow.median, slow.lower, slow.upper, slow.mean) == (4, 3.5, 2.75, 4.25, 3.5)
    assert slow.std == pytest.approx(math.sqrt(5 / 3))
    (difference,) = found.differences
    assert (difference.better, difference.other, difference.superiority) == ("quick", "slow", 1.0)
    assert difference.p == mann_whitney([94, 94, 95], [90, 91, 92, 93]).p_two_sided
    assert difference.p == difference.p_holm
    # Before, all were alike.
    before = compare_runs(runs, at=1.0)
    assert {row.median for row in before.rows} == {15.0}
    assert [one.p_holm for one in before.differences] == [1.0]


def test_pairs_are_tested_together_and_printed_where_they_differ(run_of: RunOf) -> None:
    values = {"a": 94.0, "b": 93.99, "c": 90.0}
    runs = [
        run
        for name, value in values.items()
        for run in runs_of(run_of, name, [value + 0.1 * math.sin(seed) for seed in range(25)])
    ]
    found = compare_runs(runs)
    pairs = {(one.better, one.other): one for one in found.differences}
    assert set(pairs) == {("a", "c"), ("b", "c"), ("a", "b")}
    assert all(one.p <= one.p_holm <= 3 * one.p for one in found.differences)
    assert pairs["a", "c"].p_holm == pytest.approx(3 * pairs["a", "c"].p)
    told = str(found).splitlines()
    assert told[0] == "regret in valid_acc after 100 s"
    assert [line.split()[0] for line in told[2:5]] == ["a", "b", "c"]
    assert [line.split(":")[0].strip() for line in told[6:]] == ["a < c", "b < c"]
    frame = found.to_pandas()
    assert list(frame.index) == ["a", "b", "c"]
    assert frame.loc["c", "runs"] == 25


def test_few_runs_are_said_to_be_few(run_of: RunOf) -> None:
    found = compare_runs(runs_of(run_of, "a", [94]) + runs_of(run_of, "b", [93]))
    assert [row.std for row in found.rows] == [None, None]
    assert "  none" in str(found)
    assert str(found).endswith("of fewer than 20 runs each, p is a rough figure")
    assert "differences" not in str(compare_runs(runs_of(run_of, "a", [94, 95])))


def test_runs_that_cannot_be_compared_are_refused(run_of: RunOf) -> None:
    runs = runs_of(run_of, "a", [94, 95])
    for given_runs, options, says in (
        ([], {}, "no runs"),
        (runs, {"at": 0.5}, "a, seed 0, has no result at 0.5 seconds"),
        (runs, {"at": 1e9}, "ends at 100 seconds, before 1e[+]09"),
        ([*runs, runs[0]], {}, "two runs of a"),
        ([*runs, run_of((1.0, 90.0), metric="test_acc")], {}, "metric is"),
        ([run_of((1.0, 90.0), oracle=None)], {}, "recorded without an oracle"),
    ):
        with pytest.raises(IncomparableRunsError, match=says):
            compare_runs(given_runs, **options)  # type: ignore[arg-type]
    assert compare_runs([run_of((1.0, 90.0), oracle=None)], oracle=95).rows[0].median == 5
    with pytest.raises(ValueError, match="ascending"):
        compare_runs(runs, at=math.nan)


def test_adjusted_probabilities_are_those_of_a_worked_example() -> None:
    """By hand: times 4, 3, 2 and 1, and none below one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    for wrong in ([-0.1], [1.1], [math.nan]):
        with pytest.raises(StudyError, match="within 0 and 1"):
            holm(wrong)


@given(st.lists(st.floats(0, 1), max_size=4))
def test_adjusted_probabilities_keep_their_order_wherever_they_stand(chances: list[float]) -> None:
    adjusted = holm(chances)
    assert all(one <= more <= 1 for one, more in zip(chances, adjusted, strict=True))
    for order in permutations(range(len(chances))):
        assert holm([chances[place] for place in order]) == [adjusted[place] for place in order]
