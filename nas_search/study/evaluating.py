"""Evaluation of trials in this process: in the calling thread, or in an event loop.

Each evaluator takes trials with `submit`; its `wait` returns a finished one with its outcome.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from nas_search.problems.function import figures_by_name
from nas_search.problems.problem import Outcome, Report
from nas_search.study.trials import Trial

if TYPE_CHECKING:
    from nas_search.study.study import Study

__all__ = ["Done", "Evaluate", "InEventLoop", "InThread", "Tasks"]

Done: TypeAlias = tuple[int, Outcome]
"""The number of a trial, and its outcome."""

Evaluate: TypeAlias = Callable[[Trial], Awaitable[Mapping[str, float] | float]]
"""Returns the metrics of a trial by name, or the value of the only objective, when awaited."""

_LONGEST_ERROR = 500
"""The most characters of an error message that are kept."""


class InThread:
    """Evaluates trials one by one in the calling thread, when `wait` is called.

    Args:
        study: The study.
        count: The number of trials submitted at a time.
    """

    def __init__(self, study: Study, count: int) -> None:
        self.count = count
        self._study = study
        self._trials: dict[int, Trial] = {}
        self._outcomes: dict[int, Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the trials that nobody waited for."""

    def submit(self, trial: Trial) -> None:
        """Take a trial to evaluate later."""
        self._trials[trial.number] = trial

    def wait(self, number: int | None, seconds: float | None) -> Done:
        """Return the outcome of a trial; for None, of the one that ends first by simulated time."""
        del seconds
        if number is None:
            ends = {
                one: self._study.end(self._trials[one], self._outcome(one)) for one in self._trials
            }
            number = min(ends, key=lambda one: (ends[one], one))
        outcome = self._outcome(number)
        del self._trials[number], self._outcomes[number]
        return number, outcome

    def _outcome(self, number: int) -> Outcome:
        if number not in self._outcomes:
            trial = self._trials[number]
            evaluated = self._study.problem.evaluate(trial.candidate, reporter(self._study, trial))
            self._outcomes[number] = evaluated
        return self._outcomes[number]


class InEventLoop(InThread):
    """Looks results up in the event loop's thread, and yields to the loop between trials."""

    async def wait(self, number: int | None, seconds: float | None) -> Done:  # type: ignore[override]
        """Return the outcome of a trial."""
        await asyncio.sleep(0)
        return super().wait(number, seconds)


class Tasks:
    """Evaluates trials in tasks of an event loop, which are cancelled when the run ends.

    Args:
        study: The study.
        evaluate: A coroutine function that evaluates a trial; None: the problem does, in threads.
    """

    def __init__(self, study: Study, evaluate: Evaluate | None) -> None:
        self._study = study
        self._evaluate = evaluate
        self._tasks: dict[int, asyncio.Task[Outcome]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def submit(self, trial: Trial) -> None:
        """Begin an evaluation."""
        self._tasks[trial.number] = asyncio.create_task(self._outcome(trial))

    async def wait(self, number: int | None, seconds: float | None) -> Done | None:
        """Return a finished evaluation, of several that with the lowest number; None: timeout."""
        waited = set(self._tasks.values()) if number is None else {self._tasks[number]}
        done, _ = await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return None
        first = min(one for one, task in self._tasks.items() if task in done)
        return first, self._tasks.pop(first).result()

    async def _outcome(self, trial: Trial) -> Outcome:
        if self._evaluate is None:
            # A study is not thread-safe, so events are passed to the loop's thread.
            loop, tell = asyncio.get_running_loop(), reporter(self._study, trial)

            def report(kind: str, figures: Mapping[str, Any]) -> bool:
                loop.call_soon_threadsafe(tell, kind, dict(figures))
                return False

            evaluate = self._study.problem.evaluate
            return await asyncio.to_thread(evaluate, trial.candidate, report)
        begun = time.perf_counter()
        try:
            found = await self._evaluate(trial)
            metrics = figures_by_name(found, self._study.goals)
        except Exception as error:  # noqa: BLE001 - one failed trial does not end the search
            message = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
            return Outcome(cost=time.perf_counter() - begun, error=message)
        cost = metrics.get("seconds", time.perf_counter() - begun)
        lacking = self._study.goals.lacking(metrics)
        return Outcome(metrics={} if lacking else metrics, cost=cost, error=lacking)


def reporter(study: Study, trial: Trial) -> Report:
    """Return a function that reports events of a running trial to its study."""
    return lambda kind, figures: study.report(kind, {"trial": trial.number, **figures})
