"""What a simulated search cannot be asked: it costs nothing and says why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    NotRecordedError,
    Simulation,
)

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
GOLDEN_HASH = "00005c142e6f48ac74fdcf73e3439874"


def test_architectures_without_records_cost_nothing(uniform: BenchClient) -> None:
    simulation = uniform.simulate("nasbench201", "cifar100", 200, budget=1e9)
    with pytest.raises(NotRecordedError, match="15000 has no run of nasbench201 on cifar100"):
        simulation.evaluate(15_000)
    with pytest.raises(NotRecordedError, match=r"2 of 4 .* archs\[1\]") as refusal:
        simulation.evaluate_many([0, 15_000, 1, 15_001])
    assert refusal.value.positions == (1, 3)
    with pytest.raises(InvalidRequestError, match="unknown num_epochs 13; known are 12, 200"):
        simulation.evaluate(0, num_epochs=13)
    assert simulation.time == 0.0


def test_a_metric_that_no_run_records_is_an_error(uniform: BenchClient) -> None:
    simulation = uniform.simulate(
        "nasbench201", "cifar100", 200, budget=1e9, metric="valid_loss", evaluation_time=True
    )
    with pytest.raises(NotRecordedError, match="records valid_loss"):
        simulation.evaluate(0)


@pytest.mark.parametrize("arch", [None, "", "x", -1, [], {}, 1.5, object()])
def test_a_malformed_architecture_costs_nothing(
    simulate: Callable[..., Simulation], arch: Any
) -> None:
    simulation = simulate()
    with pytest.raises(InvalidArchitectureError):
        simulation.evaluate(arch)
    with pytest.raises(InvalidArchitectureError):
        simulation.evaluate_many([0, arch])
    assert simulation.evaluations == ()


def test_the_malformed_members_of_a_batch_are_told(simulate: Callable[..., Simulation]) -> None:
    simulation = simulate()
    with pytest.raises(InvalidArchitectureError, match=r"2 of 5 .* archs\[1\]") as refusal:
        simulation.evaluate_many([0, "x", 1, 10**9, 0])
    assert refusal.value.positions == (1, 3)
    assert simulation.time == 0.0


def test_one_architecture_is_not_a_batch(simulate: Callable[..., Simulation]) -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        simulate().evaluate_many(ARCH)


@pytest.mark.parametrize(
    "budget", [0, -1, -0.0, math.nan, math.inf, 10**400, "12000", None, True, 1 + 0j, [1.0]]
)
def test_a_budget_that_is_no_positive_number_is_refused(
    simulate: Callable[..., Simulation], budget: Any
) -> None:
    with pytest.raises(InvalidRequestError, match=r"budget: .* is not a number of seconds above 0"):
        simulate(budget=budget)


@pytest.mark.parametrize("budget", [np.float32(1.5), np.int64(7), 3])
def test_a_budget_may_be_any_real_number(simulate: Callable[..., Simulation], budget: Any) -> None:
    assert simulate(budget=budget).remaining == float(budget)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"dataset": "mnist"}, "dataset"),
        ({"dataset": None}, "dataset"),
        ({"num_epochs": None}, "num_epochs"),
        ({"num_epochs": 0}, "num_epochs"),
        ({"num_epochs": "200"}, "num_epochs"),
        ({"metric": "accuracy"}, "metric"),
        ({"metric": "seed"}, "metric"),
        ({"metric": 7}, "metric"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "0"}, "seed"),
        ({"seed": True}, "seed"),
        ({"continue_training": "yes"}, "continue_training"),
        ({"free_repeats": 1}, "free_repeats"),
        ({"evaluation_time": None}, "evaluation_time"),
        ({"dataset": "cifar10"}, "metric"),
        ({"dataset": "cifar10", "metric": "valid_loss"}, "metric"),
        ({"benchmark": "natssss", "dataset": "cifar10", "num_epochs": 90}, "metric"),
        ({"num_epochs": 13}, "num_epochs"),
        ({"task": "sleep"}, "task"),
        ({"benchmark": "nasbench101", "dataset": "cifar100"}, "dataset"),
        (
            {
                "benchmark": "nasbench101",
                "dataset": None,
                "num_epochs": 108,
                "evaluation_time": True,
            },
            "evaluation_time",
        ),
        ({"benchmark": "nds", "dataset": "cifar10"}, "benchmark"),
        ({"benchmark": "hw-nas-bench"}, "benchmark"),
    ],
    ids=str,
)
def test_a_malformed_argument_is_named_before_anything_is_asked(
    server: BenchmarkServer, arguments: dict[str, Any], field: str
) -> None:
    given = {"benchmark": "nasbench201", "dataset": "cifar10-valid", "num_epochs": 200}
    with BenchClient(server.url) as bench, pytest.raises(InvalidRequestError) as refusal:
        bench.simulate(**{**given, "budget": 1.0, **arguments})
    assert [error.loc for error in refusal.value.errors] == [[field]]
    assert server.received == []


def test_nds_says_why_it_cannot_be_simulated(sample_bench: BenchClient) -> None:
    with pytest.raises(InvalidRequestError, match=r"iter_time.* neither a training time"):
        sample_bench.simulate("nds", "cifar10", 100, budget=1.0)


def test_an_unknown_benchmark_is_named(sample_bench: BenchClient) -> None:
    with pytest.raises(BenchmarkNotInstalledError, match="'nasbench999'"):
        sample_bench.simulate("nasbench999", "cifar10", 100, budget=1.0)
    with pytest.raises(BenchmarkNotInstalledError):
        sample_bench.simulate("nasbench101", None, 108, budget=1.0).evaluate(GOLDEN_HASH)


def test_cifar10_has_no_validation_split_and_another_metric_is_searched_by(
    sample_bench: BenchClient,
) -> None:
    with pytest.raises(InvalidRequestError, match="metric='test_acc'"):
        sample_bench.simulate("nasbench201", "cifar10", 200, budget=1.0)
    simulation = sample_bench.simulate(
        "nasbench201", "cifar10", 200, budget=1e9, metric="test_acc", evaluation_time=True
    )
    (item,) = sample_bench.query_nb201(0, 200, "cifar10", reduction="mean")
    found = simulation.evaluate(0)
    assert found.value == item.test_acc
    assert found.cost == item.training_time + item.test_evaluation_time
