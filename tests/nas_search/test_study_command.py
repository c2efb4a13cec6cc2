from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from forked_nbs import on_terminal
from typer.testing import CliRunner

from nas_search.study import IncomparableRunsError, RecordedRun
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
    rows = [line.split() for line in printed.splitlines() if line.split()[:1] == ["random"]]
    assert [row[3] for row in rows] == ["10", "25", "50", "100"]
    assert {tuple(row[4:]) for row in rows} == {("3", "2", "to", "4")}


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


def test_a_run_that_is_not_there_is_wrong_usage(app: typer.Typer, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, [str(tmp_path / "run.json")]).exit_code == 2
