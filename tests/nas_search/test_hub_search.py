"""Strategies on spaces of the model hub: every one of them, and what a search keeps to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any, Final

import pytest

import model_hub
from bench_client.operations import drive
from model_hub import Categorical, Derived, InvalidSampleError, SearchSpace
from model_hub.model_space import ModelSpace
from nas_search.strategies import (
    HubSpace,
    NothingLearnedWarning,
    RandomSearch,
    RegularizedEvolution,
    Trial,
    search_choices,
)
from nas_search.strategies.draws import generator_of

CELLS: Final = {"width": 8, "num_cells": 3}
SMALL: Final[dict[str, dict[str, Any]]] = {
    "AmoebaNet": CELLS,
    "AutoFormer": {"img_size": 32, "search_depth": (2, 3, 4)},
    "DARTS": CELLS,
    "ENAS": CELLS,
    "NASNet": CELLS,
    "NasBench101": {"num_modules_per_stack": 1},
    "NasBench201": {"num_modules_per_stack": 1},
    "PNAS": CELLS,
    "ResidualBasic": {"depths": ((1, 2, 3),) * 3},
    "ResidualBottleneck": {"depths": ((1, 2, 3),) * 3},
    "Vanilla": {"depths": ((1, 2, 3),) * 3},
}
"""Arguments that make the networks of a space small; the defaults for those that are not here."""

FAST_INPUTS: Final[dict[int, tuple[int, ...]]] = {1: (16,), 3: (3, 32, 32)}
"""Sizes that every network takes, for ids and for images."""

POPULATION: Final = 6

FLAGS = SearchSpace("flags", tuple(Categorical(f"flag{i}", (0, 1)) for i in range(6)))


def macs_of(space: ModelSpace) -> Callable[[dict[str, Any]], float]:
    shape = FAST_INPUTS[len(space.input_shape)]
    return lambda sample: space.profile(sample, input_shape=shape).macs


def evolution(seed: int = 0, population_size: int = POPULATION) -> RegularizedEvolution:
    return RegularizedEvolution(population_size=population_size, sample_size=4, seed=seed)


def values(trials: Sequence[Trial]) -> list[float]:
    return [trial.value for trial in trials]


@pytest.mark.parametrize("name", model_hub.space_names())
def test_evolution_ends_with_smaller_networks_of_every_space_than_it_began_with(name: str) -> None:
    space = model_hub.space(name, **SMALL.get(name, {}))
    trials = search_choices(
        evolution(), space.choices, macs_of(space), num_trials=24, larger_is_better=False
    )
    assert len(trials) == 24
    first, last = values(trials[:POPULATION]), values(trials[-POPULATION:])
    assert mean(last) < mean(first)


@pytest.mark.parametrize("name", model_hub.space_names())
def test_random_search_evaluates_different_networks_of_every_space(name: str) -> None:
    space = model_hub.space(name, **SMALL.get(name, {}))
    trials = search_choices(RandomSearch(), space.choices, macs_of(space), num_trials=4)
    assert len({space.choices.to_json(trial.sample) for trial in trials}) == 4
    assert min(values(trials)) > 0


def number_of_ones(sample: dict[str, Any]) -> int:
    return sum(sample.values())


def test_a_seed_repeats_a_search_and_another_seed_does_not() -> None:
    first, again, other = (
        search_choices(evolution(seed), FLAGS, number_of_ones, num_trials=30) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_a_search_goes_where_values_are_better(larger_is_better: bool) -> None:  # noqa: FBT001
    trials = search_choices(
        evolution(), FLAGS, number_of_ones, num_trials=100, larger_is_better=larger_is_better
    )
    gained = mean(values(trials[-50:])) - mean(values(trials[:POPULATION]))
    assert (gained > 0.5) if larger_is_better else (gained < -0.5)


def test_random_search_evaluates_everything_once_and_then_ends() -> None:
    trials = search_choices(RandomSearch(), FLAGS, number_of_ones, num_trials=1000)
    assert sorted(tuple(trial.sample.values()) for trial in trials) == [
        tuple(sample.values()) for sample in FLAGS.grid()
    ]


def test_what_the_priors_hardly_draw_is_evaluated_in_the_end() -> None:
    rare = Categorical("rare", (0, 1), prior=(1.0 - 1e-12, 1e-12))
    trials = search_choices(RandomSearch(), SearchSpace("s", (rare,)), dict.__len__, num_trials=9)
    assert [trial.sample["rare"] for trial in trials] == [0, 1]


def test_a_neighbor_differs_in_one_choice() -> None:
    space, rng = HubSpace(FLAGS), generator_of(0)
    arch = drive(space.sample(rng), _nobody)
    assert arch is not None
    for _ in range(20):
        neighbor = drive(space.neighbor(arch, rng), _nobody)
        assert neighbor is not None
        before, after = json.loads(arch), json.loads(neighbor)
        assert sum(before[label] != after[label] for label in before) == 1


def test_evolution_of_a_single_sample_ends() -> None:
    only = SearchSpace("only", (Categorical("a", (1,)),))
    assert len(search_choices(evolution(), only, number_of_ones, num_trials=5)) == 1


def test_a_space_smaller_than_a_population_is_evolved_all_the_same() -> None:
    strategy = evolution(population_size=100)
    trials = search_choices(strategy, FLAGS, number_of_ones, num_trials=120)
    assert len(trials) == 120
    assert len({FLAGS.to_json(trial.sample) for trial in trials[:64]}) == 64


@pytest.mark.parametrize("num_trials", [1, 5, 63])
def test_a_population_larger_than_the_number_of_trials_is_refused_before_anything_is_spent(
    num_trials: int,
) -> None:
    evaluated: list[dict[str, Any]] = []

    def evaluate(sample: dict[str, Any]) -> float:
        evaluated.append(sample)
        return 0.0

    strategy = evolution(population_size=64)
    with pytest.raises(ValueError, match=f"first 64 .* with {num_trials} evaluations it is random"):
        search_choices(strategy, FLAGS, evaluate, num_trials=num_trials)
    assert evaluated == []
    assert len(search_choices(RandomSearch(), FLAGS, evaluate, num_trials=num_trials)) == num_trials


def test_as_many_trials_as_a_population_are_warned_of_and_one_more_is_not() -> None:
    with pytest.warns(NothingLearnedWarning, match="after 6 evaluations, all of them random"):
        search_choices(evolution(), FLAGS, number_of_ones, num_trials=POPULATION)
    search_choices(evolution(), FLAGS, number_of_ones, num_trials=POPULATION + 1)


def test_a_population_larger_than_a_small_space_needs_no_more_trials_than_the_space() -> None:
    strategy = evolution(population_size=1000)
    assert len(search_choices(strategy, FLAGS, number_of_ones, num_trials=70)) == 70


def test_every_sample_meets_the_constraints() -> None:
    def even(sample: Any) -> None:
        if sum(sample.values()) % 2:
            raise InvalidSampleError("even", "the number of ones is odd")

    flags = SearchSpace("even", FLAGS.choices, (Derived("even", even),))
    for strategy in (RandomSearch(), RegularizedEvolution(population_size=40, sample_size=4)):
        trials = search_choices(strategy, flags, number_of_ones, num_trials=60)
        assert all(value % 2 == 0 for value in values(trials))


def test_a_value_that_is_no_number_ends_a_search() -> None:
    with pytest.raises(ValueError, match=r'the evaluation of \{"flag0": .* returned nan'):
        search_choices(RandomSearch(), FLAGS, lambda _: float("nan"), num_trials=3)


@pytest.mark.parametrize("num_trials", [0, -1])
def test_no_trials_are_refused(num_trials: int) -> None:
    with pytest.raises(ValueError, match=f"num_trials is {num_trials}; at least 1"):
        search_choices(RandomSearch(), FLAGS, number_of_ones, num_trials=num_trials)


def test_a_strategy_that_asks_a_benchmark_is_refused() -> None:
    class Asking(RandomSearch):
        def propose(self, space: Any) -> Any:
            yield lambda bench: bench.neighbors(space)

    with pytest.raises(TypeError, match="the strategy asks a benchmark"):
        search_choices(Asking(), FLAGS, number_of_ones, num_trials=1)


def test_strategies_load_without_the_hub() -> None:
    code = "import sys, nas_search.strategies; print('model_hub' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def _nobody(_: Any) -> Any:
    pytest.fail("a space of the hub asks nobody")
