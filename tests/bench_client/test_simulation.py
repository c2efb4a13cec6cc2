"""What a simulated search is charged, and what it is told for it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasbench101_cells import HASH as GOLDEN_HASH

from bench_client import (
    BenchClient,
    BenchError,
    BudgetExhausted,
    Evaluation,
    InvalidRequestError,
    NotRecordedError,
    Simulation,
    SyntheticDataWarning,
    Trajectory,
)

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
OPS = ["avg_pool_3x3", "conv_1x1", "skip_connect", "conv_1x1", "skip_connect", "skip_connect"]


def mean_of(bench: BenchClient, arch: int, num_epochs: int = 200) -> Any:
    (item,) = bench.query_nb201(arch, num_epochs, "cifar10-valid", reduction="mean")
    return item


def test_an_evaluation_is_the_mean_over_the_runs_and_costs_their_mean_training_time(
    uniform: BenchClient,
) -> None:
    simulation = uniform.simulate("nasbench201", "CIFAR100", 200, budget=1000, metric="test_acc")
    found = simulation.evaluate(0)
    # raw-formats.md, section 2: 51.98, 53.68 and 53.08 for seeds 777, 888 and 999.
    assert found.value == pytest.approx((51.98 + 53.68 + 53.08) / 3)
    assert (found.arch, found.cost, found.time, found.position) == (ARCH, 100.0, 100.0, 0)
    assert (found.num_epochs, found.epoch) == (200, 200)
    assert found.item == uniform.query_nb201(0, 200, "cifar100", reduction="mean")[0]


def test_a_seed_chooses_the_same_runs_in_every_process_and_version(uniform: BenchClient) -> None:
    def chosen(arch: int, seed: int) -> int | None:
        simulation = uniform.simulate("nasbench201", "cifar100", 200, budget=1000, seed=seed)
        found = simulation.evaluate(arch)
        assert found.item.num_runs == 1
        return getattr(found.item, "seed", None)

    # Pinned: results that people publish depend on them.
    assert [chosen(0, seed) for seed in range(8)] == [777, 999, 999, 777, 999, 888, 888, 888]
    assert [chosen(arch, 0) for arch in range(8)] == [777, 888, 777, 999, 888, 888, 888, 777]


def test_the_runs_that_seeds_choose_are_spread_over_all(uniform: BenchClient) -> None:
    simulation = uniform.simulate("nasbench201", "cifar100", 200, budget=1e9, seed=7)
    chosen = [getattr(one.item, "seed", None) for one in simulation.evaluate_many(range(60))]
    assert {seed: chosen.count(seed) > 10 for seed in (777, 888, 999)} == {
        777: True,
        888: True,
        999: True,
    }


@pytest.mark.parametrize("arch", [ARCH, 0, "0", np.int64(0), OPS], ids=lambda a: type(a).__name__)
def test_every_spelling_is_the_same_architecture(
    simulate: Callable[..., Simulation], arch: Any
) -> None:
    simulation = simulate(free_repeats=True)
    simulation.evaluate(ARCH)
    repeated = simulation.evaluate(arch)
    assert (repeated.arch, repeated.cost) == (ARCH, 0.0)


def test_the_spelling_in_an_evaluation_asks_for_the_same_again(
    cells: BenchClient,
) -> None:
    cell = {"op1": "conv3x3", "input1": [0], "input2": [1]}
    simulation = cells.simulate("nasbench101", None, 108, budget=1e9)
    found = simulation.evaluate(cell)
    again = simulation.evaluate(found.arch)
    assert (again.arch, again.value) == (found.arch, found.value)
    assert len(found.arch) == 32


def test_costs_add_up_on_the_clock(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    simulation = simulate(budget=1e6)
    costs = [mean_of(sample_bench, arch).training_time for arch in range(5)]
    found = [simulation.evaluate(arch) for arch in range(5)]
    assert len(set(costs)) > 1
    assert [one.cost for one in found] == costs
    assert simulation.time == found[-1].time == pytest.approx(sum(costs))
    assert simulation.remaining == pytest.approx(1e6 - sum(costs))
    assert [one.position for one in found] == list(range(5))
    assert simulation.evaluations == tuple(found)


def test_the_trajectory_carries_the_best_so_far(simulate: Callable[..., Simulation]) -> None:
    simulation = simulate()
    assert (simulation.best, simulation.trajectory) == (None, ())
    found = simulation.evaluate_many(range(12))
    values = [one.value for one in found]
    assert [point.value for point in simulation.trajectory] == values
    assert [point.time for point in simulation.trajectory] == [one.time for one in found]
    assert [point.best for point in simulation.trajectory] == [
        max(values[: place + 1]) for place in range(12)
    ]
    assert simulation.best == max(found, key=lambda one: one.value)


def test_the_earliest_of_equals_is_the_best(simulate: Callable[..., Simulation]) -> None:
    simulation = simulate()
    first = simulation.evaluate(3)
    simulation.evaluate(3)
    assert simulation.best == first


def test_a_loss_is_best_when_small(simulate: Callable[..., Simulation]) -> None:
    simulation = simulate(metric="valid_loss")
    found = simulation.evaluate_many(range(12))
    assert not simulation.settings.larger_is_better
    assert simulation.best == min(found, key=lambda one: one.value)


def test_a_trajectory_is_a_frame(simulate: Callable[..., Simulation]) -> None:
    simulation = simulate()
    simulation.evaluate(0, num_epochs=12)
    simulation.evaluate_many(range(3))
    trajectory = simulation.trajectory
    assert trajectory == tuple(trajectory)
    copied = pickle.loads(pickle.dumps(trajectory))
    assert (copied, copied.metric) == (trajectory, "valid_acc")
    frame = pytest.importorskip("pandas") and trajectory.to_pandas()
    assert frame.dtypes.astype(str).to_dict() == dict.fromkeys(("time", "value", "best"), "float64")
    assert frame.time.tolist() == [point.time for point in trajectory]
    assert frame.best.isna().tolist() == [True, False, False, False]
    assert [*Trajectory().to_pandas().columns] == [*frame.columns]


def test_values_at_another_budget_are_in_the_trajectory_but_never_the_best(
    simulate: Callable[..., Simulation],
) -> None:
    simulation = simulate()
    short = simulation.evaluate(0, num_epochs=12)
    stopped = simulation.evaluate(0, stop_after=100)
    assert simulation.best is None
    whole = simulation.evaluate(0)
    assert simulation.best == whole
    assert [(point.value, point.best) for point in simulation.trajectory] == [
        (short.value, None),
        (stopped.value, None),
        (whole.value, whole.value),
    ]


def test_an_evaluation_that_just_fits_is_made(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    cost = mean_of(sample_bench, 0).training_time
    simulation = simulate(budget=cost)
    assert simulation.evaluate(0).time == cost
    assert simulation.remaining == 0.0


def test_an_evaluation_that_would_pass_the_budget_is_neither_charged_nor_returned(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    cost = mean_of(sample_bench, 0).training_time
    simulation = simulate(budget=math.nextafter(cost, 0))
    with pytest.raises(BudgetExhausted, match=r"costs .* are left") as refusal:
        simulation.evaluate(0)
    assert isinstance(refusal.value, BenchError)
    assert (refusal.value.cost, refusal.value.remaining) == (cost, simulation.settings.budget)
    assert refusal.value.evaluations == ()
    assert (simulation.time, simulation.evaluations, simulation.best) == (0.0, (), None)


def test_what_costs_less_may_still_fit_afterwards(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    simulation = simulate(budget=mean_of(sample_bench, 0).training_time / 2)
    with pytest.raises(BudgetExhausted):
        simulation.evaluate(0)
    assert simulation.evaluate(0, num_epochs=12).time > 0


def test_a_batch_ends_at_the_first_that_does_not_fit_and_tells_what_did(
    simulate: Callable[..., Simulation],
) -> None:
    unbounded = simulate().evaluate_many(range(12))
    simulation = simulate(budget=unbounded[4].time + 1.0)
    with pytest.raises(BudgetExhausted) as refusal:
        simulation.evaluate_many(range(12))
    assert refusal.value.evaluations == tuple(unbounded[:5]) == simulation.evaluations
    assert refusal.value.remaining == simulation.remaining == pytest.approx(1.0)


def test_the_end_of_a_budget_survives_a_process_boundary(
    simulate: Callable[..., Simulation],
) -> None:
    simulation = simulate(budget=simulate().evaluate(0).cost)
    with pytest.raises(BudgetExhausted) as refusal:
        simulation.evaluate_many([0, 0])
    copy = pickle.loads(pickle.dumps(refusal.value))
    assert str(copy) == str(refusal.value)
    assert (copy.cost, copy.remaining) == (refusal.value.cost, 0.0)
    assert copy.evaluations == simulation.evaluations


def test_a_batch_is_one_request(server: BenchmarkServer) -> None:
    with BenchClient(server.url) as bench:
        simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
        found = simulation.evaluate_many([*range(60), "3"])
    assert len(server.received) == 1
    assert [one.position for one in found] == list(range(61))
    assert found[60].arch == found[3].arch


def test_a_batch_of_nothing_asks_and_charges_nothing(server: BenchmarkServer) -> None:
    with BenchClient(server.url) as bench:
        simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1)
        assert simulation.evaluate_many([]) == []
    assert server.received == []


def test_a_batch_is_charged_as_its_members_one_by_one(simulate: Callable[..., Simulation]) -> None:
    together, apart = simulate(), simulate()
    archs = [0, 5, 0, 11]
    assert together.evaluate_many(archs) == [apart.evaluate(arch) for arch in archs]


def test_repeats_are_charged_again_unless_they_are_free(
    simulate: Callable[..., Simulation],
) -> None:
    first, second = simulate().evaluate_many([0, 0])
    assert first.cost == second.cost > 0
    simulation = simulate(free_repeats=True)
    first, shorter, second = (
        simulation.evaluate(0),
        simulation.evaluate(0, num_epochs=12),
        simulation.evaluate(0),
    )
    assert second.cost == 0.0
    assert shorter.cost > 0.0
    assert [point.value for point in simulation.trajectory] == [
        first.value,
        shorter.value,
        second.value,
    ]


def test_a_larger_budget_costs_its_full_price_unless_training_continues(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    short = mean_of(sample_bench, 0, 12).training_time
    long = mean_of(sample_bench, 0, 200).training_time
    apart, continued = simulate(), simulate(continue_training=True)
    for simulation in (apart, continued):
        assert simulation.evaluate(0, num_epochs=12).cost == short
    assert apart.evaluate(0).cost == long
    assert continued.evaluate(0).cost == long - short
    assert continued.evaluate(1).cost == mean_of(sample_bench, 1).training_time


def test_a_smaller_budget_after_a_larger_one_costs_its_full_price(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    simulation = simulate(continue_training=True)
    simulation.evaluate(0)
    short = simulation.evaluate(0, num_epochs=12)
    assert short.cost == mean_of(sample_bench, 0, 12).training_time


def test_a_training_that_took_no_longer_than_a_shorter_one_costs_its_full_price(
    uniform: BenchClient,
) -> None:
    simulation = uniform.simulate(
        "nasbench201", "cifar100", 200, budget=1000, continue_training=True
    )
    assert simulation.evaluate(1, num_epochs=12).cost == 100.0
    assert simulation.evaluate(1).cost == 100.0


def test_budgets_of_nasbench101_continue_one_after_the_other(cells: BenchClient) -> None:
    simulation = cells.simulate("nasbench101", "cifar10", 108, budget=1e9, continue_training=True)
    (golden,) = cells.query_nb101(GOLDEN_HASH, 108, reduction="mean")
    costs = [simulation.evaluate(GOLDEN_HASH, num_epochs=n).cost for n in (4, 12, 36, 108)]
    # Those below 108 epochs are made up: 16 seconds an epoch.
    assert costs[:3] == [64.0, 128.0, 384.0]
    assert golden.training_time is not None
    assert costs[3] == golden.training_time - 576.0
    assert simulation.time == pytest.approx(golden.training_time)


def test_a_training_stopped_early_costs_its_share_of_the_epochs(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    simulation = simulate(continue_training=True)
    stopped = simulation.evaluate(0, stop_after=50)
    (curves,) = sample_bench.curves_nb201(0, 200, "cifar10-valid", reduction="mean")
    whole = mean_of(sample_bench, 0).training_time
    assert stopped.value == curves.valid_acc[49]
    assert (stopped.cost, stopped.num_epochs, stopped.epoch) == (whole * 50 / 200, 200, 50)
    assert simulation.evaluate(0, stop_after=150).cost == pytest.approx(whole / 2)
    assert simulation.evaluate(0).cost == pytest.approx(whole / 4)
    assert simulation.time == pytest.approx(whole)


def test_half_a_run_of_nasbench101_costs_what_was_recorded_of_it(cells: BenchClient) -> None:
    simulation = cells.simulate("nasbench101", None, 108, budget=1e9, seed=0)
    found = simulation.evaluate(GOLDEN_HASH, stop_after=54)
    # raw-formats.md, section 1, and the seconds of the shared samples.
    assert (found.value, found.cost) in [
        (pytest.approx(77.76442170), 883.4580078125),
        (pytest.approx(82.91265965), 883.6810302734375),
        (pytest.approx(81.15985394), 883.4569702148438),
    ]


def test_an_epoch_that_was_not_recorded_is_an_error(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    with pytest.raises(NotRecordedError, match="records valid_acc and its time after epoch 30"):
        cells.simulate("nasbench101", None, 108, budget=1e9).evaluate(GOLDEN_HASH, stop_after=30)
    with pytest.raises(NotRecordedError, match="records test_acc"):
        # The archive evaluates cifar10-valid on the test images at the last epoch only.
        simulate(metric="test_acc").evaluate(0, stop_after=30)


@pytest.mark.parametrize("stop_after", [0, -1, 201, 13.5, "5"])
def test_an_epoch_that_cannot_be_is_refused(
    simulate: Callable[..., Simulation], stop_after: Any
) -> None:
    with pytest.raises(InvalidRequestError, match="stop_after"):
        simulate().evaluate(0, stop_after=stop_after)


def test_the_time_of_the_evaluation_counts_when_asked_for(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    item = mean_of(sample_bench, 0)
    found = simulate(evaluation_time=True).evaluate(0)
    assert item.valid_evaluation_time > 0
    assert found.cost == item.training_time + item.valid_evaluation_time
    tested = simulate(evaluation_time=True, metric="test_acc").evaluate(0)
    assert tested.cost == item.training_time + item.test_evaluation_time
    trained = simulate(evaluation_time=True, metric="train_acc").evaluate(0)
    assert trained.cost == item.training_time


def test_a_continued_training_is_evaluated_anew(
    simulate: Callable[..., Simulation], sample_bench: BenchClient
) -> None:
    short, long = mean_of(sample_bench, 0, 12), mean_of(sample_bench, 0)
    simulation = simulate(continue_training=True, evaluation_time=True)
    simulation.evaluate(0, num_epochs=12)
    expected = long.training_time - short.training_time + long.valid_evaluation_time
    assert simulation.evaluate(0).cost == expected


def test_evaluations_are_frozen(simulate: Callable[..., Simulation]) -> None:
    found = simulate().evaluate(0)
    with pytest.raises(AttributeError):
        found.cost = 0.0  # type: ignore[misc]


@pytest.mark.filterwarnings("error::bench_client.SyntheticDataWarning")
def test_made_up_numbers_are_warned_of_at_the_line_that_evaluates(sample_database: Path) -> None:
    with BenchClient.local(sample_database.parent) as bench:
        simulation = bench.simulate("nasbench201", "cifar10-valid", 12, budget=1e9)
        with pytest.warns(SyntheticDataWarning) as told:
            simulation.evaluate(0)
    assert told[0].filename == __file__


def evaluated_if_it_fits(
    simulation: Simulation, arch: int, num_epochs: int, stop_after: int | None
) -> Evaluation | None:
    try:
        return simulation.evaluate(arch, num_epochs=num_epochs, stop_after=stop_after)
    except BudgetExhausted:
        return None


STEPS = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.sampled_from([(12, None), (200, None), (200, 40), (200, 160), (12, 6)]),
    ),
    max_size=12,
)


@pytest.mark.usefixtures("unmeasured")
@given(steps=STEPS, budget=st.floats(1.0, 1e5), continued=st.booleans(), free=st.booleans())
def test_no_search_passes_its_budget_and_no_option_makes_it_dearer(
    sample_bench: BenchClient,
    steps: list[tuple[int, tuple[int, int | None]]],
    budget: float,
    continued: bool,  # noqa: FBT001 - drawn by hypothesis
    free: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    simulation = sample_bench.simulate(
        "nasbench201",
        "cifar10-valid",
        200,
        budget=budget,
        continue_training=continued,
        free_repeats=free,
    )
    plain = sample_bench.simulate("nasbench201", "cifar10-valid", 200, budget=1e9)
    for arch, (num_epochs, stop_after) in steps:
        before = simulation.time
        price = plain.evaluate(arch, num_epochs=num_epochs, stop_after=stop_after).cost
        found = evaluated_if_it_fits(simulation, arch, num_epochs, stop_after)
        if found is None:
            assert simulation.time == before
        else:
            assert 0.0 <= found.cost <= price
            assert simulation.time == found.time == before + found.cost <= budget
    times = [point.time for point in simulation.trajectory]
    assert times == sorted(times)
