"""The simulated clock of a declared table: what it charges, and which tables have none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from declared_tables import RAW, archs, rows, written_declaration

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BenchmarkNotInstalledError,
    BudgetExhausted,
    Evaluation,
    InvalidRequestError,
    NotRecordedError,
)
from generators.declared import generate_table

TIMED = """[metrics.training_time]
path = "seconds"
unit = "seconds"
better = "smaller"

[check]"""


def made(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    """Make a table whose runs take 10 seconds and one more for each seed."""
    runs = [run | {"seconds": 10.0 + run["seed"]} for run in rows()]
    raw = folder / f"{name}.csv"
    raw.write_bytes(RAW["csv"][1](runs))
    renamed = ('name = "tiny-table"', f'name = "{name}"')
    generate_table(written_declaration(folder, renamed, *changes), raw, folder)


def charged(evaluations: Sequence[Evaluation]) -> list[Any]:
    """Return what was charged; the classes of items are a client's own."""
    return [(one.arch, one.value, one.time, one.position) for one in evaluations]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("timed")
    made(folder, "untimed")
    seconds = ("loss = [0, 10]", "loss = [0, 10], training_time = [0, 100]")
    made(folder, "timed", ("[check]", TIMED), seconds)
    made(folder, "no-budgets", ("[check]", TIMED), seconds, ("num_epochs = 12\n", ""))
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(folder) as client:
        yield client


def test_the_clock_charges_the_recorded_time_and_knows_the_direction(tables: BenchClient) -> None:
    simulation = tables.simulate("timed", "TWO", budget=32.0, metric="test_acc")
    assert simulation.settings.part == {"dataset": "two", "num_epochs": 12}
    first, second = simulation.evaluate_many([archs()[3], 4])
    assert (first.arch, first.value, first.cost, first.time) == (archs()[3], 48.5, 10.5, 10.5)
    assert simulation.best == second
    found = simulation.evaluate(["skip", "conv", "skip"])
    assert (found.arch, found.num_epochs, found.epoch) == (archs()[3], 12, 12)
    with pytest.raises(BudgetExhausted):
        simulation.evaluate(26)
    assert simulation.time == 31.5
    falling = tables.simulate("timed", "one", 12, budget=1e3, metric="loss")
    falling.evaluate_many([8, 4, 6])
    assert falling.best is not None
    assert falling.best.value == 1.0


def test_a_seed_chooses_one_of_the_runs(tables: BenchClient) -> None:
    simulation = tables.simulate("timed", "one", budget=1e3, metric="test_acc", seed=1)
    costs = {one.cost for one in simulation.evaluate_many(range(27))}
    assert costs == {10.0, 11.0}
    again = tables.simulate("timed", "one", budget=1e3, metric="test_acc", seed=1)
    assert again.evaluate_many(range(27)) == list(simulation.evaluations)


def test_a_table_without_budgets_has_a_clock_too(tables: BenchClient) -> None:
    simulation = tables.simulate("no-budgets", "one", budget=1e3, metric="test_acc")
    found = simulation.evaluate("pool|pool|pool")
    assert (found.value, found.cost, found.num_epochs) == (41.5, 10.5, 0)
    with pytest.raises(InvalidRequestError, match="no-budgets has no training budgets"):
        simulation.evaluate(0, num_epochs=12)


def test_awaited_evaluations_are_charged_in_the_order_in_which_they_began(folder: Path) -> None:
    async def evaluated() -> list[Any]:
        async with AsyncBenchClient.local(folder) as bench:
            simulation = bench.simulate("timed", "two", budget=1e3, metric="test_acc")
            assert (simulation.time, simulation.best, simulation.remaining) == (0.0, None, 1e3)
            await asyncio.gather(*(simulation.evaluate(arch) for arch in (5, 3, 5)))
            await simulation.evaluate_many([1])
            assert "metric='test_acc'" in repr(simulation)
            return charged(simulation.evaluations)

    with BenchClient.local(folder) as bench:
        simulation = bench.simulate("timed", "two", budget=1e3, metric="test_acc")
        assert asyncio.run(evaluated()) == charged(simulation.evaluate_many([5, 3, 5, 1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"benchmark": "untimed"}, "untimed records no training_time in seconds, only test_acc, "),
        ({"metric": None}, "timed has no metric 'valid_acc'; it has test_acc, loss"),
        ({"dataset": None}, "say which dataset of timed: one, two"),
        ({"dataset": "three"}, "timed has no dataset 'three'; it has one, two"),
        ({"num_epochs": 13}, "timed has no num_epochs 13; it has 12"),
        ({"datset": "one"}, "timed has no axis 'datset'; did you mean dataset"),
        ({"budget": 0}, "not a number of seconds above 0"),
    ],
    ids=str,
)
def test_what_has_no_clock_is_named_with_what_there_is(
    arguments: dict[str, Any], message: str, tables: BenchClient, folder: Path
) -> None:
    given: dict[str, Any] = {"benchmark": "timed", "dataset": "one", "metric": "test_acc"}
    given |= {"budget": 1.0} | arguments
    with pytest.raises(InvalidRequestError, match=message):
        tables.simulate(**given)

    async def refused() -> None:
        async with AsyncBenchClient.local(folder) as bench:
            await bench.simulate(**given).evaluate(0)

    with pytest.raises(InvalidRequestError, match=message):
        asyncio.run(refused())


def test_what_a_table_has_not_is_refused_when_it_is_evaluated(tables: BenchClient) -> None:
    simulation = tables.simulate("timed", "one", budget=1e3, metric="loss")
    with pytest.raises(NotRecordedError, match="has no run of timed on one at 12 epochs that"):
        simulation.evaluate(0)
    with pytest.raises(InvalidRequestError, match="timed records no learning curves"):
        simulation.evaluate(1, stop_after=3)
    with pytest.raises(InvalidRequestError, match="13"):
        simulation.evaluate(1, num_epochs=13)
    with pytest.raises(BenchmarkNotInstalledError, match="'other-table'"):
        tables.simulate("other-table", budget=1.0)
    assert simulation.time == 0.0
