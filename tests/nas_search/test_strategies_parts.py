"""What strategies are made of: fronts, rungs, rules of comparison, names and settings."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

import pytest
from driven_search import answered, replayed, result_of, searched
from hypothesis import given
from hypothesis import strategies as st

from nas_search.contract import Candidate, Domain, Result, Status
from nas_search.domains import choice_domain, served_domain, walk
from nas_search.strategies.asha import ASHA
from nas_search.strategies.baselines import GridSearch, RandomSearch
from nas_search.strategies.bohb import BOHB
from nas_search.strategies.draws import drawn_index, drawn_normal, generator_of
from nas_search.strategies.evolution import RegularizedEvolution
from nas_search.strategies.halving import SuccessiveHalving
from nas_search.strategies.hyperband import Hyperband
from nas_search.strategies.kernel_ridge import KernelRidgeEnsemble
from nas_search.strategies.local_search import LocalSearch
from nas_search.strategies.parent_evolution import ParentEvolution
from nas_search.strategies.pareto import crowding, dominates, fronts, hypervolume, non_dominated
from nas_search.strategies.predictor import Predictor
from nas_search.strategies.proxy_search import ProxySearch
from nas_search.strategies.registry import STRATEGIES, strategy_from
from nas_search.strategies.seeded import best_of
from nas_search.strategies.spos_evolution import SposEvolution

points_of = st.integers(1, 4).flatmap(
    lambda size: st.lists(
        st.tuples(*[st.integers(0, 5).map(float)] * size), min_size=1, max_size=15
    )
)


def results(*values: float | tuple[float, ...]) -> list[Result]:
    return [
        result_of(number, Candidate(arch=str(number)), value) for number, value in enumerate(values)
    ]


def cells() -> Domain:
    return served_domain("nasbench201")


def first_choices(candidate: Candidate) -> float:
    return float(sum(cells().values(candidate.arch)))


# -- comparison ------------------------------------------------------------------------------------


def test_feasible_results_come_first_then_those_that_violate_bounds_less() -> None:
    ranked = best_of(results(1.0, -1005.0, 3.0, -1001.0, 3.0), 5)
    assert [result.number for result in ranked] == [2, 4, 0, 3, 1]


@given(points_of)
def test_fronts_peel_off_what_is_not_dominated(points: list[tuple[float, ...]]) -> None:
    peeled = fronts(results(*points))
    assert sorted(place for front in peeled for place in front) == list(range(len(points)))
    rest = list(range(len(points)))
    for front in peeled:
        expected = [
            one for one in rest if not any(dominates(points[other], points[one]) for other in rest)
        ]
        assert front == expected
        assert front == [rest[place] for place in non_dominated([points[one] for one in rest])]
        rest = [one for one in rest if one not in front]


def test_equal_points_do_not_dominate_each_other() -> None:
    assert not dominates([1.0, 2.0], (1.0, 2.0))
    assert dominates([1.0, 2.5], (1.0, 2.0))
    assert not dominates([1.0, 2.5], (1.5, 2.0))


def test_a_front_of_what_is_outside_bounds_is_by_violation() -> None:
    assert fronts(results((1.0, 1.0), (-1002.0, 9.0), (-1001.0, 0.0))) == [[0], [2], [1]]


def test_crowding_is_infinite_at_the_ends_and_relative_to_the_extent() -> None:
    points = [(0.0, 10.0), (1.0, 6.0), (3.0, 5.0), (4.0, 0.0)]
    assert crowding(points) == [inf, pytest.approx(3 / 4 + 5 / 10), pytest.approx(1.35), inf]
    assert crowding([(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]).count(inf) == 2


@given(points_of)
def test_the_hypervolume_is_that_of_the_boxes(points: list[tuple[float, ...]]) -> None:
    size = len(points[0])
    inside = {
        corner for point in points for corner in _unit_boxes(tuple(int(value) for value in point))
    }
    assert hypervolume(points, (0.0,) * size) == pytest.approx(len(inside))


def _unit_boxes(sizes: tuple[int, ...]) -> set[tuple[int, ...]]:
    boxes: set[tuple[int, ...]] = {()}
    for size in sizes:
        boxes = {(*box, place) for box in boxes for place in range(size)}
    return boxes


def test_a_point_of_another_number_of_objectives_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        hypervolume([(1.0, 2.0, 3.0)], (0.0, 0.0))


# -- draws -----------------------------------------------------------------------------------------


def test_draws_are_the_same_for_ever() -> None:
    rng = generator_of(7)
    assert [drawn_index(rng, (0.0, 1.0, 3.0)) for _ in range(8)] == [2, 1, 2, 1, 2, 2, 1, 2]
    assert drawn_normal(rng) == pytest.approx(-0.2527843847463517)


def test_draws_are_as_likely_as_they_should_be() -> None:
    rng = generator_of(0)
    counts = Counter(drawn_index(rng, (0.2, 0.0, 0.8)) for _ in range(10_000))
    assert set(counts) == {0, 2}
    assert counts[0] == pytest.approx(2_000, abs=150)
    normal = [drawn_normal(rng) for _ in range(10_000)]
    assert statistics.mean(normal) == pytest.approx(0, abs=0.04)
    assert statistics.stdev(normal) == pytest.approx(1, abs=0.03)


# -- rungs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "rungs"),
    [
        ((1, 9, 3), (1, 3, 9)),
        ((1, 12, 3), (1, 4, 12)),
        ((1, 81, 3), (1, 3, 9, 27, 81)),
        ((2, 12, 3), (4, 12)),
        ((5, 5, 2), (5,)),
        ((1, 200, 10), (2, 20, 200)),
    ],
)
def test_rungs_divide_the_largest_fidelity(limits: tuple[int, int, int], rungs: Any) -> None:
    least, most, eta = limits
    strategy = SuccessiveHalving(min_fidelity=least, max_fidelity=most, eta=eta)
    assert strategy.fidelities == rungs


def evaluated(strategy: Any, trials: int) -> list[tuple[int | None, str | None]]:
    run = searched(strategy, cells(), first_choices, trials=trials)
    return [(candidate.fidelity, candidate.note) for candidate in run.candidates]


def test_a_bracket_lets_a_third_go_on() -> None:
    found = evaluated(SuccessiveHalving(), 13 * 2)
    assert found[:13] == [
        *[(1, "bracket 0 rung 0")] * 9,
        *[(3, "bracket 0 rung 1")] * 3,
        (9, "bracket 0 rung 2"),
    ]
    assert found[13:] == [(fidelity, f"bracket 1{note[9:]}") for fidelity, note in found[:13]]


def test_hyperband_has_the_brackets_of_the_paper() -> None:
    """R 81, eta 3: table 1 of the paper."""
    found = evaluated(Hyperband(max_fidelity=81), 143 + 49 + 21 + 10 + 5 - 22)
    counts = Counter(found)
    sizes = {
        bracket: [counts[level, f"bracket {bracket} rung {rung}"] for rung, level in rungs]
        for bracket, rungs in enumerate(
            [
                list(enumerate((1, 3, 9, 27, 81))),
                list(enumerate((3, 9, 27, 81))),
                list(enumerate((9, 27, 81))),
                list(enumerate((27, 81))),
                [(0, 81)],
            ]
        )
    }
    assert sizes == {
        0: [81, 27, 9, 3, 1],
        1: [34, 11, 3, 1],
        2: [15, 5, 1],
        3: [8, 2],
        4: [5],
    }


@pytest.mark.parametrize("new", [SuccessiveHalving, ASHA, Hyperband, BOHB])
def test_what_goes_on_is_among_the_best_of_its_rung_and_names_its_trial(new: Any) -> None:
    run = searched(new(max_fidelity=9), cells(), first_choices, trials=100)
    goers = [one for one in run.candidates if one.parent is not None]
    assert goers
    for candidate in goers:
        assert candidate.parent is not None
        assert candidate.fidelity is not None
        parent = run.candidates[candidate.parent]
        assert parent.arch == candidate.arch
        assert parent.fidelity is not None
        assert candidate.fidelity == 3 * parent.fidelity
    if new is SuccessiveHalving:
        first, later = run.told[:9], run.told[9:12]
        best = sorted((one.values[0] for one in first), reverse=True)[:3]
        assert [one.values[0] for one in later] == best


def test_asha_never_waits_and_lets_go_on_what_is_in_the_best_third() -> None:
    run = searched(ASHA(), cells(), first_choices, trials=40, workers=8, arrival=4)
    assert run.candidates[:8] == [one for one in run.candidates if one.fidelity == 1][:8]
    assert {one.fidelity for one in run.candidates} == {1, 3, 9}


# -- what each strategy is about -------------------------------------------------------------------


def test_the_oldest_leaves_however_good_and_the_best_of_all_is_the_parent() -> None:
    """With a sample of the whole population the parent is the best of the last three."""
    run = searched(
        RegularizedEvolution(population_size=3, sample_size=3), cells(), first_choices, trials=40
    )
    for place, candidate in enumerate(run.candidates):
        if place < 3:
            assert candidate.parent is None
        else:
            alive = run.told[place - 3 : place]
            assert candidate.parent in {
                one.number for one in alive if one.values == max(two.values for two in alive)
            }


@pytest.mark.parametrize("draw", ["distinct", "replace"])
def test_a_draw_with_replacement_is_another_search(draw: Any) -> None:
    runs = [
        searched(
            RegularizedEvolution(population_size=10, sample_size=3, draw=chosen),
            cells(),
            first_choices,
            trials=30,
        ).archs
        for chosen in (draw, "distinct")
    ]
    assert (runs[0] == runs[1]) is (draw == "distinct")


def test_a_random_one_that_failed_is_replaced_by_another() -> None:
    def failing(candidate: Candidate) -> float | Status:
        return Status.FAILED if "none" in candidate.arch else 1.0

    run = searched(
        RegularizedEvolution(population_size=8, sample_size=2), cells(), failing, trials=60
    )
    random = [result for result in run.told if result.candidate.parent is None]
    assert sum(result.status is Status.OK for result in random) == 8
    assert len(random) > 8
    assert all(run.told[one.parent].status is Status.OK for one in run.candidates if one.parent)


def test_a_climb_evaluates_all_neighbors_and_moves_to_the_best() -> None:
    run = searched(LocalSearch(), cells(), first_choices, trials=300)
    assert len(set(run.archs)) == 300
    start = max(run.told[:10], key=lambda one: one.values[0])
    around = set(answered(cells().neighbors(start.candidate.arch)))
    moved = next(
        place
        for place, one in enumerate(run.candidates)
        if one.parent != start.number and place >= 10
    )
    assert set(run.archs[10:moved]) == around - set(run.archs[:10])
    known = [one for one in run.told[:moved] if one.candidate.arch in around]
    assert run.candidates[moved].parent in {
        one.number for one in known if one.values == max(two.values for two in known)
    }
    # Six edges with the last operation: the only optimum, after which random ones follow.
    assert max(result.values[0] for result in run.told) == 24.0
    assert sum(one.parent is None for one in run.candidates) >= 20


def test_a_climb_may_move_to_the_first_better_neighbor() -> None:
    run = searched(LocalSearch(steepest=False), cells(), first_choices, trials=60)
    parents = [one.parent for one in run.candidates if one.parent is not None]
    values = [run.told[parent].values[0] for parent in dict.fromkeys(parents)]
    climb = values[: values.index(24.0) + 1]
    assert climb == sorted(climb)
    # A move is made at once: nothing is made from a place after a better one was told.
    for parent in dict.fromkeys(parents):
        told = [one for one in run.told if one.candidate.parent == parent]
        better = [one.values[0] > run.told[parent].values[0] for one in told]
        assert not any(better[:-1])


def test_spos_evaluates_as_many_as_the_paper_and_none_twice() -> None:
    run = searched(SposEvolution(), cells(), first_choices, trials=2_000)
    assert len(run.told) == 1_000
    assert len(set(run.archs)) == 1_000
    made = Counter(one.note for one in run.candidates)
    assert set(made.values()) == {50}
    ranked = sorted(run.told[:50], key=lambda one: -one.values[0])
    least = ranked[9].values[0]
    parents = {one.parent for one in run.candidates[50:100]} - {None}
    assert parents
    assert all(run.told[parent].values[0] >= least for parent in parents if parent is not None)


def test_parent_evolution_evaluates_as_many_as_its_code() -> None:
    run = searched(ParentEvolution(), cells(), first_choices, trials=2_000)
    assert len(run.told) == 60 + 20 * 50
    assert max(result.values[0] for result in run.told) == 24.0


def test_a_score_ranks_what_is_evaluated() -> None:
    domain = cells()
    strategy = ProxySearch(
        score=lambda arch: first_choices(Candidate(arch=arch)), num_scored=50, then="stop"
    )
    run = searched(strategy, domain, first_choices, trials=100)
    values = [result.values[0] for result in run.told]
    assert len(values) == 50
    assert values == sorted(values, reverse=True)


def test_a_warm_up_begins_evolution_with_the_best() -> None:
    strategy = ProxySearch(score=lambda arch: first_choices(Candidate(arch=arch)))
    run = searched(strategy, cells(), first_choices, trials=30)
    assert all(one.parent is None for one in run.candidates[:10])
    assert all(one.parent is not None for one in run.candidates[10:])
    assert min(result.values[0] for result in run.told[:10]) >= 20


def test_scores_that_are_no_numbers_are_left_out() -> None:
    strategy = ProxySearch(
        score=lambda arch: float("nan") if "none" in arch else 1.0, num_scored=60, then="stop"
    )
    run = searched(strategy, cells(), first_choices, trials=100)
    assert 0 < len(run.told) < 60
    assert not any("none" in arch for arch in run.archs)


def test_any_regressor_can_predict() -> None:
    class Count:
        def fit(self, x: Any, y: Any) -> None:
            assert len(x) == len(y) >= 10

        def predict(self, x: Any) -> Any:
            return x[:, ::5].sum(axis=1)  # of one-hot vectors: the first operation everywhere

    strategy = Predictor(regressor=Count())
    assert strategy.settings["regressor"].endswith("Count")
    run = searched(
        strategy, cells(), lambda one: float(cells().values(one.arch).count(0)), trials=100
    )
    firsts = [result.values[0] for result in run.told]
    assert statistics.mean(firsts[60:]) > statistics.mean(firsts[:10]) + 2


def test_the_kernel_regressions_learn_pairs_of_choices() -> None:
    import numpy as np  # noqa: PLC0415

    domain = cells()
    archs = searched(RandomSearch(), domain, first_choices, trials=400).archs
    x = np.stack([domain.encode(arch) for arch in archs])
    pairs = [domain.values(arch) for arch in archs]
    y = np.array([float(one[0] == one[1]) - 2.0 * (one[2] == 3) for one in pairs])
    model = KernelRidgeEnsemble(seed=1)
    model.fit(x[:300], y[:300])
    found = model.predict(x[300:])
    assert found.shape == (5, 100)
    assert np.corrcoef(found.mean(axis=0), y[300:])[0, 1] > 0.9
    model.fit(x[:300], y[:300] * 0 + 3)
    assert model.predict(x[:2]) == pytest.approx(np.full((5, 2), 3.0))


def test_a_grid_in_order_and_shuffled() -> None:
    domain = choice_domain({"one": [0, 1, 2], "two": [0, 1]})
    grid = list(walk(domain))
    assert searched(GridSearch(), domain, lambda _: 1.0, trials=9).archs == grid
    shuffled = searched(GridSearch(shuffled=True, seed=1), domain, lambda _: 1.0, trials=9).archs
    assert shuffled != grid
    assert sorted(shuffled) == sorted(grid)


def test_a_grid_that_is_too_large_is_not_shuffled() -> None:
    domain = choice_domain({f"choice {place}": list(range(10)) for place in range(30)})
    with pytest.raises(ValueError, match="too large to be shuffled"):
        searched(GridSearch(shuffled=True), domain, lambda _: 1.0, trials=1)
    assert len(searched(GridSearch(), domain, lambda _: 1.0, trials=20).told) == 20


# -- names and settings ----------------------------------------------------------------------------


def test_names_are_those_of_classes() -> None:
    assert {name: strategy.__name__ for name, strategy in STRATEGIES.items()} == {
        name: name for name in STRATEGIES
    }
    assert len(STRATEGIES) == 15


def test_the_documents_name_every_strategy() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/searching.md"
    assert {name for name in STRATEGIES if f"`{name}`" not in page.read_text()} == set()


def test_settings_of_a_specification_make_a_strategy() -> None:
    strategy = strategy_from("RegularizedEvolution", {"population_size": 30, "sample_size": 10})
    assert strategy.settings == {
        "seed": 0,
        "population_size": 30,
        "sample_size": 10,
        "draw": "distinct",
    }
    assert strategy_from("RandomSearch").settings == {"seed": 0}


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("Hyperbrand", {}, ValueError, "'Hyperbrand'; the nearest are Hyperband"),
        ("nsga2", {}, ValueError, "the nearest are NSGA2"),
        ("xyz", {}, ValueError, "there are RandomSearch, "),
        ("NSGA2", {"population": 3}, ValueError, "the nearest are population_size"),
        ("NSGA2", {"population_size": "50"}, TypeError, "population_size of NSGA2 is '50'"),
        ("NSGA2", {"population_size": 5.5}, TypeError, "an integer"),
        ("NSGA2", {"population_size": True}, TypeError, "a number"),
        ("NSGA2", {"crossover": 1.5}, ValueError, "crossover is 1.5; at least 0 and at most 1"),
        ("NSGA2", {"crossover": float("nan")}, ValueError, "crossover is nan"),
        ("GridSearch", {"shuffled": 1}, TypeError, "true or false"),
        ("RegularizedEvolution", {"draw": "best"}, ValueError, "one of distinct, replace"),
        ("RegularizedEvolution", {"sample_size": 101}, ValueError, "1 <= sample_size"),
        ("SposEvolution", {"num_mutants": 40}, ValueError, "population_size is 50; at least 65"),
        ("SposEvolution", {"generations": 0}, ValueError, "generations is 0; at least 1"),
        ("LocalSearch", {"num_init": 0}, ValueError, "num_init is 0; at least 1"),
        ("Reinforce", {"learning_rate": 0}, ValueError, "learning_rate is 0; above 0"),
        ("ASHA", {"eta": 1}, ValueError, "eta is 1; at least 2"),
        ("Hyperband", {"max_fidelity": 0}, ValueError, "max_fidelity is 0; at least 1"),
        ("SuccessiveHalving", {"num_candidates": 0}, ValueError, "num_candidates is 0"),
        ("BOHB", {"min_bandwidth": 0}, ValueError, "min_bandwidth is 0; above 0"),
        ("TPE", {"num_startup": 0}, ValueError, "num_startup is 0"),
        ("Predictor", {"num_candidates": 5}, ValueError, "num_candidates is 5; at least 10"),
        ("Predictor", {"regressor": "a.B"}, TypeError, "a Python object as"),
        ("ProxySearch", {}, TypeError, "takes a function as `score`"),
        ("RandomSearch", {"seed": "one"}, TypeError, "seed"),
        ("RandomSearch", {"seed": 1.5}, TypeError, "seed"),
    ],
)
def test_a_wrong_specification_is_refused_with_what_is_near(
    name: str, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        strategy_from(name, settings)
    assert message in str(raised.value)


# -- speed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RandomSearch", "RegularizedEvolution", "LocalSearch"])
def test_a_proposal_and_its_result_take_microseconds(name: str) -> None:
    """10 to 20 where nothing else runs; 50 are promised, and a busy machine is given ten times."""
    start = time.process_time()
    searched(STRATEGIES[name](), cells(), lambda _: 1.0, trials=3_000)
    assert (time.process_time() - start) / 3_000 < 500e-6


def test_ten_thousand_results_are_replayed_in_seconds() -> None:
    run = searched(ASHA(), cells(), first_choices, trials=10_000)
    start = time.process_time()
    assert replayed(ASHA(), cells(), run) == run.candidates
    assert time.process_time() - start < 10


def test_strategies_load_neither_pytorch_nor_optuna_nor_numpy() -> None:
    heavy = "{'torch', 'optuna', 'numpy', 'model_hub'}"
    code = f"import sys, nas_search.strategies.registry; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
