from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench_client import BenchClient, BudgetExhausted, Simulation
from nas_search.strategies import RandomSearch
from nas_search.study import (
    DamagedRunError,
    IncomparableRunsError,
    RecordedRun,
    oracle_value,
    read_runs,
)


@pytest.fixture
def recorded(cells: BenchClient, simulate: Callable[..., Simulation]) -> RecordedRun:
    simulation = simulate(192.0 * 10, continue_training=True)
    strategy = RandomSearch(seed=5)
    simulation.evaluate(cells.random("nasbench101")[0].hash, num_epochs=4)
    with pytest.raises(BudgetExhausted):
        simulation.evaluate_many(one.hash for one in cells.random("nasbench101", n=20, seed=5))
    return RecordedRun.of(
        simulation, strategy, oracle=oracle_value(cells, simulation.settings), name="warm start"
    )


def test_a_run_records_what_was_simulated(recorded: RecordedRun) -> None:
    assert (recorded.strategy, recorded.seed, recorded.run_seed) == ("warm start", 5, None)
    assert (recorded.benchmark, recorded.dataset) == ("nasbench101", "cifar10")
    assert (recorded.num_epochs, recorded.metric, recorded.budget) == (12, "valid_acc", 1920.0)
    assert recorded.continue_training
    assert not recorded.free_repeats
    assert len(recorded.trajectory) == 10
    first = recorded.trajectory[0]
    assert (first.num_epochs, first.epoch, first.time, first.best) == (4, 4, 64.0, None)


def test_a_run_comes_back_from_its_file_as_it_was(recorded: RecordedRun, tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    recorded.write(path)
    assert RecordedRun.read(path) == recorded
    assert list(path.parent.iterdir()) == [path]


def test_the_oracle_is_the_best_mean_of_all(cells: BenchClient, recorded: RecordedRun) -> None:
    values = [item.valid_acc for item in cells.query_nb101(None, 12, reduction="mean")]
    assert recorded.oracle == max(value for value in values if value is not None)


def test_the_oracle_of_a_loss_is_the_smallest(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    items = cells.query_nb101(None, 12, reduction="mean")
    smallest = min(item.parameters for item in items if item.parameters is not None)
    assert oracle_value(cells, simulate(metric="parameters").settings) == smallest


def test_a_budget_that_is_not_recorded_has_no_oracle(
    cells: BenchClient, simulate: Callable[..., Simulation]
) -> None:
    unknown = {"dataset": "cifar10", "num_epochs": 13}
    with pytest.raises(IncomparableRunsError, match="of cifar10, 13: there is no oracle"):
        oracle_value(cells, replace(simulate().settings, part=unknown))


def test_a_run_without_evaluations_can_be_recorded(
    simulate: Callable[..., Simulation], tmp_path: Path
) -> None:
    RecordedRun.of(simulate(1.0), RandomSearch()).write(tmp_path / "run.json")
    assert RecordedRun.read(tmp_path / "run.json").trajectory == ()


def test_writing_replaces_what_was_there(recorded: RecordedRun, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("x")
    recorded.write(path)
    recorded.write(path)
    assert RecordedRun.read(path) == recorded


def test_a_folder_stands_for_its_runs_by_name(
    run_of: Callable[..., RecordedRun], tmp_path: Path
) -> None:
    for seed in (2, 0, 1):
        run_of((1.0, 90.0), seed=seed).write(tmp_path / f"{seed}.json")
    (tmp_path / "notes.txt").write_text("not a run")
    assert [run.seed for run in read_runs([tmp_path, tmp_path / "0.json"])] == [0, 1, 2, 0]


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DamagedRunError, match=r"no file ends in \.json or \.study"):
        read_runs([tmp_path])


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_runs([tmp_path / "run.json"])
    for one in (tmp_path, str(tmp_path)):
        with pytest.raises(TypeError, match=r"several paths: read_runs\(\["):
            read_runs(one)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b"\x00" * 64])
def test_a_file_that_holds_no_run_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(DamagedRunError, match=r"run\.json is no recorded run of version 1"):
        RecordedRun.read(path)


def _point(**fields: Any) -> dict[str, Any]:
    point = {"arch": "a", "num_epochs": 200, "epoch": 200, "time": 1.0, "value": 90.0, "best": 90.0}
    return point | fields


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"version": 2}, "version: Input should be 1"),
        ({"budget": -1.0}, "the budget is -1.0 seconds"),
        ({"budget": 0.5}, "past the budget of 0.5 s"),
        ({"budget": "NaN"}, "budget"),
        ({"seed": "0"}, "seed"),
        ({"oracle": "95"}, "oracle"),
        ({"strategies": []}, "strategies: Extra inputs are not permitted"),
        ({"trajectory": [_point(time=-1.0)]}, "the clock runs backwards"),
        ({"trajectory": [_point(time=5.0), _point(time=4.0)]}, "the clock runs backwards"),
        ({"trajectory": [_point(best=91.0)]}, "the best of the first 1 evaluations is 90.0"),
        ({"trajectory": [_point(best=None)]}, "the best of the first 1 evaluations is 90.0"),
        ({"trajectory": [_point(epoch=12)]}, "is None, not 90.0"),
        ({"larger_is_better": False, "trajectory": [_point(), _point(value=91.0, best=91.0)]}, "2"),
        ({"trajectory": [{"time": 1.0}]}, "trajectory.0.arch: Field required"),
    ],
    ids=str,
)
def test_a_run_that_contradicts_itself_is_refused(
    run_of: Callable[..., RecordedRun], tmp_path: Path, damage: dict[str, Any], said: str
) -> None:
    path = tmp_path / "run.json"
    good = run_of((1.0, 90.0), (2.0, 91.0))
    path.write_text(json.dumps(json.loads(good.model_dump_json()) | damage))
    with pytest.raises(DamagedRunError) as refusal:
        RecordedRun.read(path)
    assert said in str(refusal.value)
