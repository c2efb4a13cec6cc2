"""Searches on declared tables: product spaces, lists, and architectures of another benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from declared_tables import RAW, archs, rows, written_declaration
from typer.testing import CliRunner

from bench_client import BenchClient, BenchmarkNotInstalledError
from bench_client.operations import drive
from benchmark_spec.declaration import read_declaration, shipped_declarations
from generators.declared import generate_table
from generators.sample.declared import write_table_sample
from nas_search import Budget, DeclaredProblem, Study
from nas_search.contract import Strategy
from nas_search.domains.walk import refuse, walk
from nas_search.errors import ProblemError
from nas_search.strategies import LocalSearch, RandomSearch, RegularizedEvolution
from service.cli.search import app

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

TINY = "tiny-table"
SAMPLES = ("nasbenchmacro", "transnasbench-macro", "transnasbench-micro", "zero-cost-201")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the tiny table, and of 30 made-up architectures of each of some others."""
    folder = tmp_path_factory.mktemp("declared")
    (folder / "runs.csv").write_bytes(RAW["csv"][1](rows()))
    generate_table(written_declaration(folder), folder / "runs.csv", folder)
    for name in SAMPLES:
        path = shipped_declarations()[name]
        sample = write_table_sample(
            read_declaration(path), folder / "raw", architectures=30, seed=1
        )
        generate_table(path, sample, folder)
    return folder


@pytest.fixture(scope="module")
def bench(folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(folder) as client:
        yield client


def searched(problem: DeclaredProblem, strategy: Strategy, trials: int = 40) -> Study:
    study = Study(None, problem, strategy)
    study.run(Budget(trials=trials))
    return study


def test_the_domain_is_that_of_the_table(bench: BenchClient) -> None:
    domain = DeclaredProblem(bench, TINY, objectives=["test_acc"], dataset="one").domain()
    assert list(walk(domain)) == archs()
    assert domain.labels == ("choice1", "choice2", "choice3")
    assert domain.candidates("choice2") == ("skip", "conv", "pool")
    for arch in archs():
        around = drive(domain.neighbors(arch), refuse)
        assert list(around) == [item.arch_str for item in bench.neighbors(TINY, arch)]
        mutant = drive(domain.mutate(arch, Random(0), 0.3), refuse)  # noqa: S311 - a draw
        assert mutant in archs()
        assert mutant != arch
    with pytest.raises(ProblemError, match="no architecture of this domain"):
        domain.values("skip|skip")


@pytest.mark.parametrize(
    "strategy",
    [
        RandomSearch(seed=0),
        LocalSearch(seed=0),
        RegularizedEvolution(seed=0, population_size=8, sample_size=3),
    ],
    ids=lambda one: one.name,
)
def test_the_best_that_is_recorded_is_found(bench: BenchClient, strategy: Strategy) -> None:
    problem = DeclaredProblem(bench, TINY, objectives=["test_acc"], dataset="TWO")
    study = searched(problem, strategy, 60)
    (best,) = bench.top(TINY, metric="test_acc", dataset="two", n=1)
    assert study.best is not None
    assert study.best.candidate.arch == best.config.arch_str == "pool|pool|pool"
    assert study.best.metrics["test_acc"] == best.value == problem.optimum()


def test_what_is_better_when_smaller_is_minimised(bench: BenchClient) -> None:
    problem = DeclaredProblem(bench, TINY, objectives=["loss", "test_acc"], dataset="one")
    assert [one.maximise for one in problem.goals.objectives] == [False, True]
    assert problem.optimum() == 0.25
    # The one without a loss is drawn, and has failed.
    study = searched(problem, RandomSearch(seed=0), 27)
    assert [trial.candidate.arch for trial in study.trials if trial.error] == ["skip|skip|skip"]


def test_bounds_of_what_is_known_are_met_by_every_trial(bench: BenchClient) -> None:
    bounds = {"parameters": (None, 0.0101)}
    problem = DeclaredProblem(bench, TINY, objectives=["test_acc"], dataset="one", bounds=bounds)
    study = searched(problem, RandomSearch(seed=0))
    assert {trial.candidate.arch for trial in study.trials} == set(archs()[:10])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nasbenchmacro", {"objectives": ["test_acc"]}),
        ("zero-cost-201", {"objectives": ["synflow"]}),
        ("transnasbench-micro", {"objectives": ["valid_figure"], "task": "normal"}),
        ("transnasbench-macro", {"objectives": ["valid_figure"], "task": "jigsaw"}),
    ],
)
def test_only_what_is_recorded_is_drawn(
    bench: BenchClient, name: str, options: dict[str, Any]
) -> None:
    problem = DeclaredProblem(bench, name, **options)
    study = searched(problem, RandomSearch(seed=0))
    drawn = [trial.candidate.arch for trial in study.trials]
    assert len(drawn) == 30
    assert set(drawn) == {item.config.arch_str for item in bench.query(name)}
    assert study.best is not None
    goal = problem.goals.objectives[0].metric
    assert study.best.metrics[goal] == problem.optimum()


def test_a_list_has_no_neighbors(bench: BenchClient) -> None:
    problem = DeclaredProblem(
        bench, "transnasbench-macro", objectives=["valid_figure"], task="jigsaw"
    )
    with pytest.raises(ProblemError, match="list without choices"):
        searched(problem, LocalSearch(num_init=2, seed=0))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda b: DeclaredProblem(b, TINY, dataset="one"), "objectives .*, from .*test_acc"),
        (lambda b: DeclaredProblem(b, TINY, objectives=["loss"]), "say which dataset .*: one, two"),
        (
            lambda b: DeclaredProblem(b, TINY, objectives=["loss"], dataset="three"),
            "has no dataset 'three'; it has one, two",
        ),
        (
            lambda b: DeclaredProblem(b, TINY, objectives=["loss"], datset="one"),
            "tiny-table has no axis 'datset'; did you mean dataset",
        ),
        (
            lambda b: DeclaredProblem(b, TINY, objectives=["test_ac"], dataset="one"),
            "unknown figure 'test_ac'; is it test_acc",
        ),
    ],
)
def test_what_means_nothing_is_told(
    bench: BenchClient, make: Callable[[BenchClient], Any], told: str
) -> None:
    with pytest.raises(ProblemError, match=told):
        make(bench)


def test_what_is_not_installed_is_told(bench: BenchClient) -> None:
    with pytest.raises(BenchmarkNotInstalledError, match="other-table"):
        DeclaredProblem(bench, "other-table", objectives=["test_acc"])


SEARCH = """
[problem]
benchmark = "transnasbench-micro"
part = { task = "autoencoder" }
objectives = ["valid_figure"]
[strategy]
name = "RegularizedEvolution"
seed = 0
population_size = 5
sample_size = 2
[budget]
trials = 20
"""


def called(*arguments: object) -> Any:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_search_is_written_down_and_gone_on_with(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(SEARCH)
    first = called("run", file, "--data", folder)
    assert first["trials"] == {"ok": 20}
    assert called("run", file, "--data", folder) == first
    more = called("resume", file.with_suffix(".study"), "--trials", 25, "--data", folder)
    assert more["trials"] == {"ok": 25}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("objectives", "fidelities = [1]\nobjectives", "line 5: .*declared table 'fidelities'"),
        ('part = { task = "autoencoder" }', "part = 3", "part has a value by axis"),
        ('{ task = "autoencoder" }', '{ task = "sleep" }', "has no task 'sleep'"),
        ('{ task = "autoencoder" }', '{ objectives = "x" }', "given twice"),
    ],
)
def test_a_file_that_means_nothing_is_refused(
    folder: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "search.toml"
    file.write_text(SEARCH.replace(old, new, 1))
    with pytest.raises(ProblemError, match=told):
        called("run", file, "--data", folder)
