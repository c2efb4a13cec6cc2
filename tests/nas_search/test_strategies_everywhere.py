"""Every strategy on every kind of domain, on a function and on its negation, in every order."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from driven_search import Run, replayed, searched
from measuring import unmeasured

import model_hub
from bench_client import BenchClient
from nas_search import Budget, FunctionProblem, Study
from nas_search.contract import Candidate, Domain, Status
from nas_search.domains import HubDomain, ListedDomain, choice_domain, served_domain, walk
from nas_search.errors import ProblemError
from nas_search.strategies.registry import STRATEGIES
from nas_search.strategies.seeded import SeededStrategy

TRIALS: Final = 60
SMALL: Final[dict[str, dict[str, Any]]] = {
    "RegularizedEvolution": {"population_size": 10, "sample_size": 3},
    "SposEvolution": {
        "population_size": 10,
        "num_parents": 4,
        "num_mutants": 5,
        "num_crossovers": 5,
    },
    "ParentEvolution": {"population_size": 12, "num_parents": 4},
    "NSGA2": {"population_size": 10},
    "Reinforce": {"learning_rate": 0.1},
    "ProxySearch": {"score": len, "num_scored": 20},
}
"""Settings with which sixty trials are more than the random ones."""

LEARNING: Final = sorted(set(STRATEGIES) - {"RandomSearch", "GridSearch"})
DOMAINS: Final[dict[str, Callable[[], Domain]]] = {
    "nasbench101": lambda: served_domain("nasbench101"),
    "nasbench201": lambda: served_domain("nasbench201"),
    "natssss": lambda: served_domain("natssss"),
    "depths": lambda: HubDomain(model_hub.space("MobileNetV3Space").choices),
    "cells": lambda: HubDomain(model_hub.space("DARTS").choices),
    "listed": lambda: ListedDomain([f"network {number}" for number in range(99)]),
    "choices": lambda: choice_domain({f"choice {place}": list(range(4)) for place in range(8)}),
}
each_strategy = pytest.mark.parametrize("name", STRATEGIES)


def new(name: str, seed: int = 0) -> SeededStrategy:
    return STRATEGIES[name](seed=seed, **SMALL.get(name, {}))


def matching(domain: Domain, sign: int = 1) -> Callable[[Candidate], float]:
    """Count the choices that have their first candidate: what is best depends on each alone."""
    return lambda candidate: sign * float(domain.values(candidate.arch).count(0))


def values_of(run: Run) -> list[float]:
    return [result.values[0] for result in run.told]


@pytest.mark.parametrize(("name", "kind"), [*product(STRATEGIES, DOMAINS)])
@pytest.mark.parametrize("sign", [1, -1], ids=["function", "negation"])
def test_a_strategy_searches_a_domain(name: str, kind: str, sign: int, cells: BenchClient) -> None:
    domain = DOMAINS[kind]()
    trials = 25 if kind in {"nasbench101", "depths", "cells"} else TRIALS
    if kind == "listed" and not new(name).draws_alone:
        with pytest.raises(ProblemError, match=r"a list without choices, .* RandomSearch, GridS"):
            searched(new(name), domain, matching(domain, sign), trials=trials, bench=cells)
        return
    with nullcontext() if sign > 0 else unmeasured():
        run = searched(new(name), domain, matching(domain, sign), trials=trials, bench=cells)
    assert len(run.told) == trials
    assert kind == "listed" or all(domain.values(arch) for arch in run.archs)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("sign", [1, -1], ids=["function", "negation"])
def test_later_trials_are_better_than_random_ones(name: str, sign: int) -> None:
    later = []
    for seed in range(2 if name == "TPE" else 5):
        domain = DOMAINS["choices"]()
        f = matching(domain, sign)
        strategy = new(name, seed)
        if name == "ProxySearch":
            strategy = STRATEGIES[name](
                seed=seed, num_scored=20, score=lambda arch, f=f: f(Candidate(arch=arch))
            )
        later += values_of(searched(strategy, domain, f, trials=120))[60:]
    # Of random ones a quarter of eight choices has its first candidate; 1.2 is a deviation.
    assert statistics.mean(later) > sign * 2 + 0.2


@pytest.mark.usefixtures("unmeasured")
@each_strategy
@pytest.mark.parametrize("workers", [1, 4])
def test_a_seed_and_the_results_decide_all_proposals(name: str, workers: int) -> None:
    def run(seed: int) -> Run:
        domain = DOMAINS["nasbench201"]()
        f = matching(domain)
        return searched(new(name, seed), domain, f, trials=TRIALS, workers=workers, arrival=3)

    assert run(1) == run(1)
    if name != "GridSearch":
        assert run(1).archs != run(2).archs


@pytest.mark.usefixtures("unmeasured")
@each_strategy
@pytest.mark.parametrize("workers", [1, 3, 9])
@pytest.mark.parametrize("kind", ["nasbench201", "small"])
def test_a_replay_proposes_the_same(name: str, workers: int, kind: str) -> None:
    """Though the strategy was often asked in vain before, and is not now."""

    def domain() -> Domain:
        if kind == "small":
            return choice_domain({"one": [0, 1], "two": [0, 1, 2], "three": [0, 1]})
        return DOMAINS[kind]()

    searching = domain()
    f = matching(searching)

    def flaky(candidate: Candidate) -> float | Status:
        return Status.FAILED if searching.values(candidate.arch)[:2] == (1, 1) else f(candidate)

    for arrival in (None, 0, 1):
        run = searched(new(name), domain(), flaky, trials=40, workers=workers, arrival=arrival)
        assert replayed(new(name), domain(), run) == run.candidates


@each_strategy
def test_an_interrupted_study_goes_on_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    problem = FunctionProblem(
        {f"choice {place}": list(range(4)) for place in range(8)},
        lambda sample, _: float(sum(sample.values())),
        fidelities=new(name).fidelities or [1],
    )
    trials = {}
    for file, budgets in {"whole": [TRIALS], "parts": [25, 26, TRIALS]}.items():
        for budget in budgets:
            with Study(tmp_path / file, problem, new(name)) as study:
                study.run(Budget(trials=budget))
                trials[file] = [one.candidate for one in study.trials]
    assert len(trials["whole"]) == TRIALS
    assert trials["parts"] == trials["whole"]


@pytest.mark.usefixtures("unmeasured")
@each_strategy
def test_settings_make_the_same_strategy_again(name: str) -> None:
    strategy = new(name)
    settings = strategy.settings | ({"score": len} if name == "ProxySearch" else {})
    again = STRATEGIES[name](**settings)
    assert again.settings == strategy.settings
    domain = DOMAINS["nasbench201"]()
    run = searched(strategy, domain, matching(domain), trials=40)
    domain = DOMAINS["nasbench201"]()
    assert searched(again, domain, matching(domain), trials=40) == run


@pytest.mark.usefixtures("unmeasured")
@each_strategy
@pytest.mark.parametrize("arrival", [None, 0, 1])
@pytest.mark.parametrize("workers", [2, 7])
def test_results_may_come_late_and_in_any_order(
    name: str, workers: int, arrival: int | None
) -> None:
    domain = DOMAINS["choices"]()
    f = matching(domain)
    run = searched(new(name), domain, f, trials=TRIALS, workers=workers, arrival=arrival)
    assert len(run.told) == TRIALS


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "name",
    [
        *("SposEvolution", "ParentEvolution", "NSGA2", "SuccessiveHalving", "Hyperband"),
        *("Predictor", "RandomSearch", "GridSearch"),
    ],
)
def test_strategies_of_generations_do_not_depend_on_workers(name: str) -> None:
    runs = []
    for workers, arrival in ((1, None), (4, None), (5, 0), (5, 1)):
        domain = DOMAINS["nasbench201"]()
        run = searched(
            new(name), domain, matching(domain), trials=TRIALS, workers=workers, arrival=arrival
        )
        runs.append(run.candidates)
    assert all(run == runs[0] for run in runs)


@each_strategy
@pytest.mark.parametrize("workers", [1, 5])
def test_a_domain_smaller_than_the_search_is_searched_to_its_end(name: str, workers: int) -> None:
    domain = choice_domain({"one": [0, 1], "two": [0, 1, 2]})
    run = searched(
        new(name), domain, matching(domain), trials=TRIALS, workers=workers, arrival=workers
    )
    if name == "ParentEvolution":  # of a population of 12 six random ones, and then children
        assert len(run.told) == TRIALS
    assert set(run.archs) == set(walk(domain)) or name == "Reinforce"


@each_strategy
def test_a_domain_of_one_ends_or_repeats(name: str) -> None:
    domain = choice_domain({"one": ["only"]})
    run = searched(new(name), domain, matching(domain), trials=20, workers=2, arrival=0)
    assert set(run.archs) == set(walk(domain))


@each_strategy
@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_what_failed_is_survived(name: str, status: Status) -> None:
    domain = DOMAINS["choices"]()
    f = matching(domain)

    def flaky(candidate: Candidate) -> float | Status:
        return status if domain.values(candidate.arch)[0] == 0 else f(candidate)

    trials = 40
    run = searched(new(name), domain, flaky, trials=trials, workers=3, arrival=1)
    assert len(run.told) == trials
    assert any(result.status is status for result in run.told)
    run = searched(new(name), DOMAINS["choices"](), flaky, trials=trials)
    assert replayed(new(name), DOMAINS["choices"](), run) == run.candidates


@each_strategy
def test_a_search_of_failures_alone_ends_with_its_trials_or_its_domain(name: str) -> None:
    domain = choice_domain({"one": [0, 1], "two": [0, 1, 2]})
    run = searched(new(name), domain, lambda _: Status.FAILED, trials=TRIALS, workers=2)
    assert len(run.told) <= TRIALS


@pytest.mark.parametrize("name", sorted(set(LEARNING) - {"ProxySearch", "ASHA", "Hyperband"}))
def test_what_is_outside_a_bound_is_left_behind(name: str) -> None:
    """The larger a value is outside, the less it counts."""
    share = []
    for seed in range(1 if name == "TPE" else 4):
        domain = DOMAINS["choices"]()

        def bounded(candidate: Candidate, domain: Domain = domain) -> float:
            above = domain.values(candidate.arch)[0]
            return -1000.0 - above if above else float(above)

        run = searched(new(name, seed), domain, bounded, trials=120)
        outside = [result.status is Status.INFEASIBLE for result in run.told[60:]]
        share.append(statistics.mean(outside))
    assert statistics.mean(share) < 0.7  # of random ones 0.75


@pytest.mark.parametrize("name", LEARNING)
def test_several_values_are_refused_by_strategies_of_one_objective(name: str) -> None:
    domain = DOMAINS["choices"]()
    strategy = new(name)
    if strategy.several_objectives:
        assert len(searched(strategy, domain, lambda _: (1.0, 2.0), trials=30).told) == 30
    else:
        with pytest.raises(ValueError, match="one objective and was told 2 values; NSGA2"):
            searched(strategy, domain, lambda _: (1.0, 2.0), trials=30)


@pytest.mark.parametrize("offered", [[], [1, 3], [1, 9], [1, 3, 9, 27]])
@pytest.mark.parametrize("name", ["SuccessiveHalving", "ASHA", "Hyperband"])
def test_fidelities_that_a_problem_does_not_have_are_refused(name: str, offered: list[int]) -> None:
    problem = FunctionProblem({"one": [0, 1]}, lambda *_: 1.0, fidelities=offered)
    with pytest.raises(ProblemError, match=r"the fidelities \[1, 3, 9\], and the problem has"):
        Study(None, problem, new(name))
