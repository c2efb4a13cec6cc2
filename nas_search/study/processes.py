"""Evaluation of trials in worker processes, which can be ended.

Each process is spawned, not forked, so that it shares no lock or thread with this one. It ends when
its parent ends, even if the parent is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Self

from nas_search.contract import Candidate
from nas_search.errors import OtherTrainerError, ProblemError, StudyError, UnreportedError
from nas_search.problems.problem import Outcome, Problem, Report
from nas_search.study.trials import Trial

__all__ = ["Processes"]

_PATIENCE: Final = 5.0
"""Seconds to wait for a process to end before it is killed."""


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    number: int | None = None
    deadline: float | None = None


class Processes:
    """Evaluates candidates in worker processes, one at a time in each.

    Args:
        problem: The problem, which is pickled.
        count: The number of processes.
        timeout: Seconds after which an evaluation is ended; None: never.
        report: Takes the events of evaluations, and returns whether to end the evaluation.
        asks: Whether an evaluation waits for the answer of `report` after each event.

    Raises:
        ProblemError: The problem cannot be pickled.
    """

    def __init__(
        self,
        problem: Problem,
        count: int,
        timeout: float | None,
        report: Report,
        *,
        asks: bool = False,
    ) -> None:
        try:
            self._problem = pickle.dumps(problem)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ProblemError(
                f"evaluations in processes of their own need a problem that can be pickled, such "
                f"as one whose function stands at the top of a module ({error})"
            ) from error
        self.count = count
        self._timeout = timeout
        self._report = report
        self._asks = asks
        self._workers: list[_Worker] = []
        self._done: dict[int, Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            _end(worker)

    def submit(self, trial: Trial) -> None:
        """Begin an evaluation; fewer than `count` must be running."""
        worker = next((one for one in self._workers if one.number is None), None)
        if worker is None:
            worker = self._started()
            self._workers.append(worker)
        worker.number = trial.number
        worker.deadline = None if self._timeout is None else time.monotonic() + self._timeout
        worker.pipe.send(trial.candidate)

    def wait(self, number: int | None, seconds: float | None) -> tuple[int, Outcome] | None:
        """Wait for an evaluation to end and return it.

        Args:
            number: The trial to wait for; None: the first that ends.
            seconds: The longest wait; None: no limit.

        Returns:
            The number of the trial and its outcome; None after a timeout.

        Raises:
            StudyError: `Problem.evaluate` raised an error that every evaluation would raise.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            ready = number if number is not None else next(iter(self._done), None)
            if ready is not None and ready in self._done:
                return ready, self._done.pop(ready)
            if end is not None and time.monotonic() >= end:
                return None
            self._wait_for_message(end)

    def _wait_for_message(self, end: float | None) -> None:
        """Wait for a message of an evaluation, until the next deadline or `end`."""
        busy = {one.pipe: one for one in self._workers if one.number is not None}
        moments = [one.deadline for one in busy.values() if one.deadline is not None]
        moments += [] if end is None else [end]
        pause = max(0.0, min(moments) - time.monotonic()) if moments else None
        for pipe in wait(list(busy), pause):
            self._receive(busy[pipe])  # type: ignore[index]  # what was given
        now = time.monotonic()
        for worker in list(busy.values()):
            if worker.number is not None and worker.deadline is not None and now >= worker.deadline:
                self._fail(worker, f"it took longer than {self._timeout:g} seconds")

    def _receive(self, worker: _Worker) -> None:
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(_PATIENCE)
            self._fail(worker, f"its process ended with status {worker.process.exitcode}")
            return
        if kind == "outcome":
            if worker.number is not None:
                self._done[worker.number] = content
            worker.number = worker.deadline = None
            return
        if isinstance(content, StudyError):
            raise content
        ends = self._report(kind, {"trial": worker.number, **content})
        if self._asks:
            # If the process has ended meanwhile, the next `recv` notices.
            with suppress(OSError):
                worker.pipe.send(ends)

    def _fail(self, worker: _Worker, error: str) -> None:
        if worker.number is not None:
            cost = self._timeout or 0.0
            self._done[worker.number] = Outcome(error=error, cost=cost)
        worker.number = None
        self._workers.remove(worker)
        _end(worker)

    def _started(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self._problem, self._asks), daemon=False
        )
        process.start()
        theirs.close()
        return _Worker(process, ours)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.number is not None:
        worker.process.terminate()
    worker.process.join(_PATIENCE)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.process.close()


def _work(pipe: Connection, pickled: bytes, asks: bool) -> None:  # noqa: FBT001 - of a process
    """Evaluate candidates from the pipe until it is closed; the main function of a process."""
    # The parent process handles interrupts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    problem: Problem = pickle.loads(pickled)  # noqa: S301 - from the process that started this one

    def report(kind: str, figures: Mapping[str, Any]) -> bool:
        pipe.send((kind, dict(figures)))
        return asks and pipe.recv() is True

    while True:
        try:
            candidate: Candidate = pipe.recv()
        except EOFError:
            return
        try:
            outcome = problem.evaluate(candidate, report)
        except (OtherTrainerError, UnreportedError) as error:
            pipe.send(("raised", error))
            continue
        except Exception as error:  # noqa: BLE001 - reported to the parent
            outcome = Outcome(error=f"{type(error).__name__}: {error}")
        pipe.send(("outcome", outcome))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
