"""Searches of the design spaces of NDS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench_client import BenchClient
from nas_search import Budget, Study, random_expectation
from nas_search.domains import ListedDomain
from nas_search.errors import ProblemError
from nas_search.problems import nds_problem
from nas_search.strategies import (
    GridSearch,
    ProxySearch,
    RandomSearch,
    RegularizedEvolution,
    SeededStrategy,
)
from nas_search.strategies.draws import generator_of
from nas_search.strategies.registry import STRATEGIES
from service.cli.search import app

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


@pytest.fixture(scope="module")
def bench(nds_folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(nds_folder) as client:
        yield client


@pytest.mark.parametrize(
    "strategy",
    [RandomSearch(seed=1), GridSearch(), ProxySearch(score=len, num_scored=999, then="stop")],
)
def test_a_design_space_is_searched_to_its_end(
    bench: BenchClient, strategy: SeededStrategy
) -> None:
    problem = nds_problem(bench, "resnet")
    study = Study(None, problem, strategy)
    study.run(Budget(trials=5_000))
    rows = bench.query_nds(
        proposer="resnet", generator="random", dataset="cifar10", reduction="mean"
    )
    specs = {json.dumps([one.config.model_spec, {}], sort_keys=True) for one in rows}
    assert {one.arch for one in study.trials} == specs
    assert len(study.trials) == len(specs) > 3
    assert study.best is not None
    assert study.best.best_test_acc == problem.optimum() == max(one.best_test_acc for one in rows)
    assert random_expectation(problem, len(specs)).mean == pytest.approx(problem.optimum())


def test_bounds_on_sizes_are_met_and_small_sizes_are_better(bench: BenchClient) -> None:
    everything = nds_problem(bench, "amoeba", objectives=["best_test_acc", "parameters"]).table()
    middle = sorted(row["parameters"] for row in everything.values())[len(everything) // 2]
    problem = nds_problem(
        bench,
        "amoeba",
        objectives=["best_test_acc", "parameters"],
        bounds={"parameters": (None, middle)},
    )
    study = Study(None, problem, RandomSearch())
    study.run(Budget(trials=5_000))
    assert all(one.parameters <= middle for one in study.trials)
    assert len(study.trials) == len(everything) // 2 + 1
    assert min(one.parameters for one in study.trials) in {one.parameters for one in study.front}


@pytest.mark.parametrize("name", [n for n, kind in STRATEGIES.items() if n != "ProxySearch"])
def test_strategies_that_change_architectures_are_refused_at_once(
    bench: BenchClient, name: str
) -> None:
    problem = nds_problem(bench, "resnet")
    strategy = STRATEGIES[name]()
    if strategy.draws_alone and not strategy.fidelities:
        Study(None, problem, strategy)
        return
    told = "fidelities" if strategy.fidelities else "changes architectures, .* a list without"
    with pytest.raises(ProblemError, match=told):
        Study(None, problem, strategy)


def test_trials_cost_what_the_times_of_iterations_make_of_a_training(bench: BenchClient) -> None:
    problem = nds_problem(bench, "resnet", steps_per_epoch=391)
    study = Study(None, problem, RandomSearch(seed=1))
    study.run(Budget(trials=3))
    rows = bench.query_nds(
        proposer="resnet", generator="random", dataset="cifar10", reduction="mean"
    )
    expected = {
        json.dumps([one.config.model_spec, {}], sort_keys=True): 100
        * (391 * one.iter_time + one.prec_time)
        for one in rows
    }
    assert [trial.cost for trial in study.trials] == pytest.approx(
        [expected[trial.arch] for trial in study.trials]
    )
    limited = Study(None, problem, RandomSearch(seed=1))
    limited.run(Budget(cost=study.trials[0].cost * 1.01))
    assert len(limited.trials) == 1


def test_a_warm_up_that_ends_in_evolution_is_refused(bench: BenchClient) -> None:
    with pytest.raises(ProblemError, match="ProxySearch changes architectures"):
        Study(None, nds_problem(bench, "resnet"), ProxySearch(score=len))


def test_a_strategy_of_one_s_own_that_changes_one_is_told_why_it_cannot(
    bench: BenchClient,
) -> None:
    class Own(RegularizedEvolution):
        draws_alone = True

    study = Study(None, nds_problem(bench, "resnet"), Own(population_size=2, sample_size=1))
    with pytest.raises(ProblemError, match=r"has no neighbors: these .* a list without choices"):
        study.run(Budget(trials=4))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"proposer": "resnets"}, "unknown proposer on cifar10 'resnets'; is it resnet"),
        ({"proposer": "resnet", "dataset": "mnist"}, "unknown proposer on mnist"),
        ({"proposer": "resnet", "generator": "tune_lr_wd"}, "unknown generator 'tune_lr_wd'"),
        ({"proposer": "resnet", "objectives": ["valid_acc"]}, "unknown figure 'valid_acc'"),
        ({"proposer": "resnet", "steps_per_epoch": 0}, "steps_per_epoch is 0; at least 1"),
    ],
)
def test_what_nds_does_not_have_is_refused(
    bench: BenchClient, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ProblemError, match=told):
        nds_problem(bench, **options)


def test_the_command_searches_it(nds_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    text = '[problem]\nbenchmark = "nds"\nproposer = "resnet"\n[strategy]\nname = "RandomSearch"\n'
    file.write_text(f"{text}[budget]\ntrials = 3\n")
    for command in ("run", "resume"):
        target = file if command == "run" else file.with_suffix(".study")
        arguments = [command, str(target), "--data", str(nds_folder), "--json"]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert json.loads(result.stdout)["trials"] == {"ok": 3}
    file.write_text(file.read_text().replace("proposer", "proposal"))
    with pytest.raises(ProblemError, match="line 3: unknown argument of the problem 'proposal'"):
        CliRunner().invoke(app, ["run", str(file)], catch_exceptions=False)


def test_a_list_is_drawn_once_each_in_the_order_of_the_seed() -> None:
    def drawn(seed: int) -> list[str]:
        domain, rng = ListedDomain(["a", "b", "c", "d", "e"]), generator_of(seed)
        found = []
        while True:
            step = domain.sample(rng)
            try:
                next(step)
            except StopIteration as end:
                if end.value is None:
                    return found
                found.append(end.value)

    assert sorted(drawn(1)) == ["a", "b", "c", "d", "e"]
    assert drawn(1) == drawn(1) != drawn(2)
