"""Searches of a table on several simulated machines."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any, Literal

import pytest

from bench_client import BenchClient
from nas_search import Budget, FunctionProblem, Study, TableProblem
from nas_search.strategies import ASHA, RandomSearch, RegularizedEvolution
from nas_search.study import RecordedRun, StudyFile

COSTS = [5.0, 1.0, 1.0, 4.0, 2.0, 2.0, 9.0, 1.0, 1.0, 3.0, 3.0, 7.0]
Order = Literal["numbered", "arrival"]


class Timed(FunctionProblem):
    """Is looked up, and takes the seconds that its sample says."""

    looks_up = True


def timed(costs: list[float] = COSTS, **options: Any) -> Timed:
    choices = {"place": list(range(len(costs)))}
    return Timed(
        choices, lambda s: {"value": -costs[s["place"]], "seconds": costs[s["place"]]}, **options
    )


def told(study: Study) -> list[int]:
    return [one.number for one in sorted(study.trials, key=lambda one: one.told_order or 0)]


def costs_of(study: Study) -> list[float]:
    return [one.cost for one in study.trials]


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 20])
def test_results_arrive_when_their_machines_end(workers: int) -> None:
    study = Study(None, timed(), RandomSearch(seed=3))
    study.run(Budget(trials=12), workers=workers, order="arrival")
    # Of random search the proposals are known: what a queue of machines makes of their costs.
    machines: list[tuple[float, int]] = []
    order, clock = [], 0.0
    for number, cost in enumerate(costs_of(study)):
        if len(machines) == workers:
            clock, ended = heapq.heappop(machines)
            order.append(ended)
        heapq.heappush(machines, (clock + cost, number))
    rest = sorted(machines)
    assert told(study) == order + [number for _, number in rest]
    assert study.clock == rest[-1][0]
    assert study.cost == sum(COSTS)
    assert study.clock >= sum(COSTS) / workers


@pytest.mark.parametrize("workers", [1, 3])
def test_in_the_order_of_their_numbers_results_wait_for_each_other(workers: int) -> None:
    study = Study(None, timed(), RandomSearch(seed=3))
    study.run(Budget(trials=12), workers=workers)
    assert told(study) == list(range(12))
    ends: list[float] = []
    for number, cost in enumerate(costs_of(study)):
        begun = max(ends[: number - workers + 1], default=0.0) if number >= workers else 0.0
        ends.append(begun + cost)
    assert study.clock == max(ends)


@pytest.mark.parametrize("order", ["numbered", "arrival"])
@pytest.mark.parametrize("workers", [1, 4])
def test_no_trial_passes_the_clock_of_a_budget(workers: int, order: Order, tmp_path: Path) -> None:
    whole = Study(None, timed(), RandomSearch(seed=1))
    whole.run(Budget(trials=12), workers=workers, order=order)
    end = 0.0
    for limit in (4.5, 9.0, 100.0):
        with Study(tmp_path / "s", timed(), RandomSearch(seed=1)) as study:
            study.run(Budget(cost=limit), workers=workers, order=order)
            assert end <= study.clock <= limit
            end = study.clock
            numbers = told(study)
        assert numbers == told(whole)[: len(numbers)]
        assert StudyFile(tmp_path / "s").clock == end
    assert end == whole.clock


@pytest.mark.parametrize("order", ["numbered", "arrival"])
def test_runs_on_a_table_are_the_same_twice_and_shorter_with_more_machines(
    order: Order, cells: BenchClient
) -> None:
    def run(workers: int) -> RecordedRun:
        problem = TableProblem(cells, "nasbench101", num_epochs=12)
        strategy = RegularizedEvolution(population_size=6, sample_size=3, seed=2)
        study = Study(None, problem, strategy)
        study.run(Budget(trials=40), workers=workers, order=order)
        return study.to_run()

    alone, four = run(1), run(4)
    assert four == run(4)
    assert alone.budget == pytest.approx(40 * 192.0)
    assert four.budget == pytest.approx(10 * 192.0)  # each training took as long
    times = [point.time for point in four.trajectory]
    assert times == sorted(times)


def test_rungs_go_on_without_waiting_for_the_slowest() -> None:
    def trained(sample: dict[str, int], epochs: int) -> dict[str, float]:
        return {"value": sample["place"], "seconds": epochs * (1.0 + sample["place"] % 7)}

    problem = Timed({"place": list(range(60))}, trained, fidelities=[1, 3, 9])
    clocks = {}
    for order in ("numbered", "arrival"):
        study = Study(None, problem, ASHA(seed=0))
        study.run(Budget(trials=60), workers=8, order=order)  # type: ignore[arg-type]
        clocks[order] = study.clock
    assert clocks["arrival"] < clocks["numbered"]
