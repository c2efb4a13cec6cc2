from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from forked_nbs import on_terminal
from typer.testing import CliRunner

from bench_client import BenchClient
from nas_search import Budget, FunctionProblem, Study, TableProblem
from nas_search.strategies import RandomSearch, RegularizedEvolution
from nas_search.study import IncomparableRunsError, RecordedRun, read_runs
from service.cli.study import study

RunOf = Callable[..., RecordedRun]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(study)
    return app


@pytest.fixture
def folder(run_of: RunOf, tmp_path: Path) -> Path:
    for seed in range(5):
        run_of((1.0, 90.0 + seed), seed=seed).write(tmp_path / f"random-{seed}.json")
    run_of((2.0, 94.5), strategy="evolution").write(tmp_path / "evolution-0.json")
    return tmp_path


def test_json_has_a_strategy_an_object(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, [str(folder), "--at", "2", "--at", "1", "--json"])
    assert result.exit_code == 0
    evolution, random = json.loads(result.stdout)
    assert (evolution["strategy"], evolution["median"]) == ("evolution", [None, 0.5])
    assert random == {
        "strategy": "random search",
        "metric": "valid_acc",
        "runs": 5,
        "clock": "seconds",
        "times": [1.0, 2.0],
        "lower": [2.0, 2.0],
        "median": [3.0, 3.0],
        "upper": [4.0, 4.0],
    }


def test_a_terminal_gets_a_table_with_shares_of_the_budget(folder: Path) -> None:
    printed = on_terminal("study", folder, columns=80, term="dumb")
    assert "Simple regret in valid_acc: nasbench201, cifar10-valid, 200 epochs" in printed
    table, _, compared = printed.partition("\nregret in valid_acc after 100 s")
    rows = [line.split() for line in table.splitlines() if line.split()[:1] == ["random"]]
    assert [row[3] for row in rows] == ["10", "25", "50", "100"]
    assert {tuple(row[4:]) for row in rows} == {("3", "2", "to", "4")}
    assert "of fewer than 20 runs each, p is a rough figure" in compared


def test_another_oracle_may_be_given(app: typer.Typer, folder: Path) -> None:
    result = CliRunner().invoke(app, [str(folder), "--at", "2", "--oracle", "96", "--json"])
    assert [band["median"] for band in json.loads(result.stdout)] == [[1.5], [4.0]]


def test_a_plot_is_drawn_beside_the_numbers(app: typer.Typer, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = folder / "regret.svg"
    result = CliRunner().invoke(app, [str(folder), "--plot", str(picture), "--json"])
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 2
    assert picture.read_text().startswith("<?xml")


def test_runs_that_cannot_be_compared_fail(app: typer.Typer, folder: Path, run_of: RunOf) -> None:
    run_of((1.0, 90.0), metric="test_acc").write(folder / "other.json")
    result = CliRunner().invoke(app, [str(folder), "--json"])
    assert isinstance(result.exception, IncomparableRunsError)


@pytest.fixture
def studies(cells: BenchClient, tmp_path: Path) -> Path:
    """A folder of eight studies of three strategies, two of which are one in two settings."""
    problem = TableProblem(cells, "nasbench101", num_epochs=12)
    made = {
        "random": lambda seed: RandomSearch(seed=seed),
        "small": lambda seed: RegularizedEvolution(population_size=4, sample_size=2, seed=seed),
        "large": lambda seed: RegularizedEvolution(population_size=8, sample_size=2, seed=seed),
    }
    for name, strategy in made.items():
        for seed in range(3 if name == "random" else 2):
            with Study(tmp_path / f"{name}-{seed}.study", problem, strategy(seed)) as study:
                study.run(Budget(trials=20))
    return tmp_path


def test_studies_are_compared_over_trials_against_the_best_of_their_table(
    app: typer.Typer, cells: BenchClient, nasbench101_folder: Path, studies: Path
) -> None:
    asked = [str(studies), "--data", str(nasbench101_folder), "--clock", "trials", "--json"]
    found = json.loads(CliRunner().invoke(app, [*asked, "--at", "20"]).stdout)
    assert {band["clock"] for band in found} == {"trials"}
    runs = {band["strategy"]: band["runs"] for band in found}
    assert runs == {
        "RandomSearch": 3,
        "RegularizedEvolution (population_size 4)": 2,
        "RegularizedEvolution (population_size 8)": 2,
    }
    best = TableProblem(cells, "nasbench101", num_epochs=12).optimum()
    ends = [run.trajectory[-1].best for run in read_runs([studies]) if "Random" in run.strategy]
    (median,) = next(band["median"] for band in found if band["strategy"] == "RandomSearch")
    assert median == pytest.approx(best - sorted(ends, key=float)[1])
    printed = on_terminal("study", studies, "--data", nasbench101_folder, "--clock", "trials")
    assert "regret in valid_acc after 20 trials" in printed
    assert "differences (Mann-Whitney, Holm, p < 0.05):" in printed
    # Recorded runs that lie beside studies are those of the studies: nothing counts twice.
    read_runs([studies])[0].write(studies / "recorded.json")
    assert len(read_runs([studies])) == 1
    assert len(read_runs([*studies.glob("*.study")])) == 7


def test_a_study_without_a_table_needs_the_best_value(app: typer.Typer, tmp_path: Path) -> None:
    problem = FunctionProblem({"x": list(range(9))}, lambda sample: float(sample["x"]))
    with Study(tmp_path / "f.study", problem, RandomSearch(seed=0)) as study:
        study.run(Budget(trials=9))
    asked = [str(tmp_path), "--clock", "trials", "--json"]
    unknown = CliRunner().invoke(app, asked)
    assert isinstance(unknown.exception, IncomparableRunsError)
    assert "recorded without an oracle" in str(unknown.exception)
    known = json.loads(CliRunner().invoke(app, [*asked, "--oracle", "8"]).stdout)
    assert known[0]["median"][-1] == 0


def test_a_run_that_is_not_there_is_wrong_usage(app: typer.Typer, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, [str(tmp_path / "run.json")]).exit_code == 2
