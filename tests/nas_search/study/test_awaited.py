"""Studies that are run from async code."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from bench_client import BenchClient
from nas_search import Budget, FunctionProblem, Study, TableProblem
from nas_search.strategies import NSGA2, LocalSearch, RandomSearch, RegularizedEvolution
from nas_search.study import Event, FailingStudyError, State, Trial

CHOICES = {"x": list(range(6)), "y": list(range(6))}


def total(sample: dict[str, Any]) -> float:
    return float(sample["x"] + sample["y"])


def evolution() -> RegularizedEvolution:
    return RegularizedEvolution(population_size=6, sample_size=3)


def archs(study: Study) -> list[str]:
    return [one.arch for one in study.trials]


async def measure(trial: Trial) -> float:
    await asyncio.sleep(0.001 * (trial.number % 3))
    return total(trial.sample)


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_awaited_is_what_is_called(workers: int) -> None:
    awaited = Study(None, FunctionProblem(CHOICES), evolution())
    asyncio.run(awaited.run_async(Budget(trials=30), measure, workers=workers))
    if workers == 1:
        called = Study(None, FunctionProblem(CHOICES, total), evolution())
        called.run(Budget(trials=30))
        assert archs(awaited) == archs(called)
    assert awaited.ended == "trials"
    assert [one.number for one in sorted(awaited.trials, key=lambda one: one.told or 0)] == [
        *range(30)
    ]
    again = Study(None, FunctionProblem(CHOICES), evolution())
    asyncio.run(again.run_async(Budget(trials=30), measure, workers=workers))
    assert archs(again) == archs(awaited)


def test_evaluations_are_under_way_together_and_told_as_they_come() -> None:
    under_way: set[int] = set()
    most = 0

    async def slow(trial: Trial) -> dict[str, float]:
        nonlocal most
        under_way.add(trial.number)
        most = max(most, len(under_way))
        await asyncio.sleep(0.03 if trial.number == 0 else 0.001)
        under_way.discard(trial.number)
        return {"value": total(trial.sample)}

    study = Study(None, FunctionProblem(CHOICES), RandomSearch())
    asyncio.run(study.run_async(Budget(trials=8), slow, workers=3, order="arrival"))
    assert most == 3
    assert max(study.trials, key=lambda one: one.told_order or 0).number == 0


def test_what_raises_has_failed_and_twenty_in_a_row_end_the_run() -> None:
    async def picky(trial: Trial) -> float:
        if trial.sample["x"] == 0:
            raise RuntimeError("x is 0")
        return await measure(trial)

    study = Study(None, FunctionProblem(CHOICES), RandomSearch())
    asyncio.run(study.run_async(Budget(trials=36), picky, workers=4))
    failed = [one.error for one in study.trials if one.state is State.FAILED]
    assert failed == ["RuntimeError: x is 0"] * 6

    async def never(trial: Trial) -> float:
        raise OSError(trial.number)

    study = Study(None, FunctionProblem(CHOICES), RandomSearch())
    with pytest.raises(FailingStudyError):
        asyncio.run(study.run_async(Budget(trials=36), never, workers=4))


def test_seconds_end_a_run_whose_evaluations_never_return() -> None:
    async def forever(_: Trial) -> float:
        await asyncio.Event().wait()
        return 0.0

    study = Study(None, FunctionProblem(CHOICES), RandomSearch())
    asyncio.run(asyncio.wait_for(study.run_async(Budget(seconds=0.05), forever, workers=4), 20))
    assert study.ended == "seconds"
    assert study.trials == ()


def test_a_run_that_is_cancelled_goes_on_later(tmp_path: Path) -> None:
    async def cancelled() -> None:
        with Study(tmp_path / "s", FunctionProblem(CHOICES), evolution()) as study:
            enough = asyncio.Event()

            def watch(event: Event) -> None:
                if event.kind == "trial.told" and event.payload["trial"] == 7:
                    enough.set()

            study.subscribe(watch)
            run = asyncio.create_task(study.run_async(Budget(trials=30), measure, workers=3))
            await enough.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            assert len(study.running) == 3

    asyncio.run(cancelled())
    with Study(tmp_path / "s", FunctionProblem(CHOICES), evolution()) as study:
        asyncio.run(study.run_async(Budget(trials=30), measure, workers=3))
        found = archs(study)
    undisturbed = Study(None, FunctionProblem(CHOICES), evolution())
    asyncio.run(undisturbed.run_async(Budget(trials=30), measure, workers=3))
    assert found == archs(undisturbed)


def test_a_table_is_searched_while_the_loop_goes_on(cells: BenchClient) -> None:
    problem = TableProblem(cells, "nasbench101", num_epochs=12)
    ticks = 0

    async def searched() -> Study:
        nonlocal ticks
        study = Study(None, problem, LocalSearch(num_init=3))
        run = asyncio.create_task(study.run_async(Budget(trials=40), workers=3, order="arrival"))
        while not run.done():
            ticks += 1
            await asyncio.sleep(0)
        await run
        return study

    study = asyncio.run(searched())
    blocking = Study(None, problem, LocalSearch(num_init=3))
    blocking.run(Budget(trials=40), workers=3, order="arrival")
    assert study.to_run() == blocking.to_run()
    assert ticks >= 40


def test_a_function_that_blocks_runs_in_threads() -> None:
    names = set()

    def blocking(sample: dict[str, Any]) -> dict[str, float]:
        names.add(threading.current_thread().name)
        return {"value": total(sample), "other": -total(sample)}

    problem = FunctionProblem(CHOICES, blocking, objectives=["value", "other"])
    study = Study(None, problem, NSGA2(population_size=6))
    asyncio.run(study.run_async(Budget(trials=20), workers=2))
    assert len(study.trials) == 20
    assert threading.main_thread().name not in names
