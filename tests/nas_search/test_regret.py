from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_search.study import (
    IncomparableRunsError,
    RecordedRun,
    common_times,
    regret_at,
    regret_bands,
    regret_steps,
)

RunOf = Callable[..., RecordedRun]


def test_regret_is_the_distance_of_the_best_so_far_from_the_oracle(run_of: RunOf) -> None:
    run = run_of((1.0, 90.0), (2.0, 89.0), (3.0, 94.0), (4.0, 95.0))
    assert regret_steps(run) == [(1.0, 5.0), (3.0, 1.0), (4.0, 0.0)]


def test_regret_in_a_loss_grows_with_the_loss(run_of: RunOf) -> None:
    run = run_of((1.0, 0.5), (2.0, 0.25), larger_is_better=False, metric="valid_loss", oracle=0.25)
    assert regret_steps(run) == [(1.0, 0.25), (2.0, 0.0)]


def test_a_single_run_above_the_best_mean_has_negative_regret(run_of: RunOf) -> None:
    assert regret_steps(run_of((1.0, 95.5), run_seed=0)) == [(1.0, -0.5)]


def test_another_oracle_may_be_given(run_of: RunOf) -> None:
    assert regret_steps(run_of((1.0, 90.0)), 91.0) == [(1.0, 1.0)]
    assert regret_steps(run_of((1.0, 90.0), oracle=None), 91.0) == [(1.0, 1.0)]


def test_without_an_oracle_there_is_no_regret(run_of: RunOf) -> None:
    with pytest.raises(IncomparableRunsError, match="recorded without an oracle"):
        regret_steps(run_of((1.0, 90.0), oracle=None))


def test_between_evaluations_the_regret_holds(run_of: RunOf) -> None:
    steps = regret_steps(run_of((1.0, 90.0), (3.0, 94.0)))
    times = (0.0, 0.999, 1.0, 2.999, 3.0, 1e9)
    assert [regret_at(steps, time) for time in times] == [None, None, 5.0, 5.0, 1.0, 1.0]


def test_what_was_not_evaluated_at_the_runs_own_budget_has_no_regret(run_of: RunOf) -> None:
    assert regret_steps(run_of()) == []


def test_bands_are_median_and_quartiles_of_each_strategy(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0 + seed), seed=seed) for seed in range(5)]
    runs.insert(2, run_of((2.0, 94.5), strategy="evolution"))
    random, evolution = regret_bands(runs, times=[0.5, 1.0, 2.0])
    assert (random.strategy, random.runs, random.metric) == ("random search", 5, "valid_acc")
    assert random.times == [0.5, 1.0, 2.0]
    assert random.lower == [None, 2.0, 2.0]
    assert random.median == [None, 3.0, 3.0]
    assert random.upper == [None, 4.0, 4.0]
    assert (evolution.strategy, evolution.runs) == ("evolution", 1)
    assert evolution.median == evolution.lower == evolution.upper == [None, None, 0.5]


def test_past_the_smallest_budget_nothing_is_known(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0), budget=10.0), run_of((1.0, 91.0), budget=20.0, seed=1)]
    (band,) = regret_bands(runs, times=[10.0, 15.0])
    assert band.median == [4.5, None]


@given(
    values=st.lists(st.floats(0.0, 95.0), min_size=1, max_size=9),
    fraction=st.sampled_from(["lower", "median", "upper"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quartiles_are_those_of_numpy(run_of: RunOf, values: list[float], fraction: str) -> None:
    runs = [run_of((1.0, value), seed=seed) for seed, value in enumerate(values)]
    (band,) = regret_bands(runs, times=[1.0])
    share = {"lower": 0.25, "median": 0.5, "upper": 0.75}[fraction]
    expected = np.quantile([95.0 - value for value in values], share)
    assert getattr(band, fraction) == [pytest.approx(expected)]


def test_common_times_go_from_the_last_first_result_to_the_smallest_budget(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0), budget=10.0), run_of((4.0, 91.0), budget=20.0, seed=1)]
    times = common_times(runs)
    assert (times[0], times[-1], times) == (4.0, 10.0, sorted(times))
    (band,) = regret_bands(runs)
    assert band.times == times
    assert None not in band.median


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [()],
        [((1.0, 90.0),), ()],
    ],
    ids=str,
)
def test_runs_without_results_have_no_common_times(run_of: RunOf, runs: list[Any]) -> None:
    with pytest.raises(IncomparableRunsError):
        common_times([run_of(*points, seed=seed) for seed, points in enumerate(runs)])


def test_a_budget_that_ends_before_another_run_begins_is_told(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0), budget=2.0), run_of((4.0, 91.0), budget=20.0, seed=1)]
    with pytest.raises(IncomparableRunsError, match="first after 4 s, and one ends at 2 s"):
        regret_bands(runs)


@pytest.mark.parametrize(
    "fields",
    [
        {"benchmark": "natssss"},
        {"dataset": "cifar100"},
        {"metric": "test_acc"},
        {"larger_is_better": False},
        {"continue_training": True},
        {"free_repeats": True},
        {"evaluation_time": True},
        {"oracle": 96.0},
        {"oracle": None},
    ],
    ids=str,
)
def test_runs_that_do_not_measure_the_same_are_not_compared(
    run_of: RunOf, fields: dict[str, Any]
) -> None:
    runs = [run_of((1.0, 90.0)), run_of((1.0, 90.0), **({"seed": 1} | fields))]
    (field,) = fields
    with pytest.raises(IncomparableRunsError, match=f"cannot be compared: {field} is"):
        regret_bands(runs, times=[1.0])


def test_what_to_do_about_whole_and_short_trainings_is_said(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0)), run_of((1.0, 90.0), seed=1, continue_training=True)]
    with pytest.raises(IncomparableRunsError, match=r"on problems of the same `fidelities`$"):
        regret_bands(runs, times=[1.0])


def test_runs_of_different_oracles_are_compared_with_a_given_one(run_of: RunOf) -> None:
    runs = [run_of((1.0, 90.0)), run_of((1.0, 90.0), seed=1, oracle=None)]
    (band,) = regret_bands(runs, times=[1.0], oracle=92.0)
    assert band.median == [2.0]


def test_a_run_given_twice_does_not_count_as_two(run_of: RunOf) -> None:
    with pytest.raises(IncomparableRunsError, match="two runs of random search with seed 0"):
        regret_bands([run_of((1.0, 90.0)), run_of((1.0, 90.0))])


@pytest.mark.parametrize("times", [[2.0, 1.0], [float("nan")], [1.0, float("inf")]], ids=str)
def test_times_that_are_not_ascending_numbers_are_refused(
    run_of: RunOf, times: list[float]
) -> None:
    with pytest.raises(ValueError, match="ascending numbers"):
        regret_bands([run_of((1.0, 90.0))], times=times)


def test_no_runs_are_not_compared() -> None:
    with pytest.raises(IncomparableRunsError, match="no runs"):
        regret_bands([])
