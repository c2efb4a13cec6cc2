"""The loop of a run: asks, evaluates and tells, until a limit is reached."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from bench_client.caller_warnings import warn_at_script
from nas_search.errors import FailingStudyError, ProblemError
from nas_search.problems.goals import check_known
from nas_search.problems.problem import Order, Outcome
from nas_search.problems.service_training import ServiceTraining
from nas_search.study.budget import Budget
from nas_search.study.evaluating import Done, Evaluate, InEventLoop, InThread, Tasks
from nas_search.study.processes import Processes
from nas_search.study.service_jobs import ServiceJobs
from nas_search.study.stopping import StoppingRule, Watch
from nas_search.study.trials import State, Trial

if TYPE_CHECKING:
    from nas_search.study.study import Study

__all__ = ["Evaluate", "NothingLearnedWarning", "run", "run_async"]

_FAILED_IN_A_ROW: Final = 20
_WAITED_OUT: Final = frozenset({None, "trials", "exhausted", "interrupted"})
"""Reasons to propose nothing more after which running trials are still waited for."""

_Steps: TypeAlias = Generator[tuple[int | None, float | None], Done | None, str]


class NothingLearnedWarning(UserWarning):
    """A search ended while its strategy still drew at random, or all of its trials failed."""


def run(
    study: Study,
    budget: Budget,
    *,
    workers: int | Literal["service"],
    order: Order | None,
    timeout: float | None,
    stop: StoppingRule | None,
) -> None:
    """Run a study; `Study.run` documents it."""
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout!r:.80}; it is above 0 seconds")
    study.watch = None if stop is None else Watch(study, stop)
    limits, in_order = _begun(study, budget, workers, order)
    try:
        with _evaluator(study, workers, timeout) as chosen:
            steps = _loop(study, limits, chosen.count, chosen.submit, in_order=in_order)
            # Evaluations in other processes continue when this one is interrupted.
            reason = _run_blocking(steps, chosen.wait, patient=not isinstance(chosen, InThread))
    finally:
        study.watch = None
    _ended(study, reason)


async def run_async(
    study: Study,
    budget: Budget,
    evaluate: Evaluate | None,
    *,
    workers: int,
    order: Order | None,
) -> None:
    """Run a study in an event loop; `Study.run_async` documents it."""
    limits, in_order = _begun(study, budget, workers, order)
    looks_up = evaluate is None and study.problem.looks_up
    async with (
        nullcontext(InEventLoop(study, workers)) if looks_up else Tasks(study, evaluate) as tasks
    ):
        steps = _loop(study, limits, workers, tasks.submit, in_order=in_order)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await tasks.wait(*wanted))
        except StopIteration as end:
            reason = end.value
        finally:
            steps.close()
    _ended(study, reason)


def _begun(
    study: Study, budget: Budget, workers: int | Literal["service"], order: Order | None
) -> tuple[_Limits, bool]:
    """Check the arguments and record the beginning; return the limits and whether order is kept."""
    if not isinstance(budget, Budget):
        raise ProblemError(f"the budget is {budget!r:.80}: give one, such as Budget(trials=100)")
    chosen = study.problem.order if order is None else order
    if chosen not in ("numbered", "arrival"):
        raise ValueError(f"order is {order!r:.80}; it is numbered or arrival")
    if workers != "service" and not (type(workers) is int and workers >= 1):
        raise ValueError(f'workers is {workers!r:.80}; at least 1, or "service"')
    _check_trials(study, budget)
    limits = _Limits(study, budget)
    rule = {} if study.watch is None else {"stop": study.watch.settings}
    begun = {"budget": budget.limits, "workers": workers, "order": chosen, **rule}
    study.report("begun", begun)
    return limits, chosen == "numbered"


def _ended(study: Study, reason: str) -> None:
    study.finish(reason)
    _warn_if_nothing_learned(study)


def _evaluator(
    study: Study, workers: int | Literal["service"], timeout: float | None
) -> InThread | Processes | ServiceJobs:
    """Return the evaluator of a run: this thread, worker processes, or a service.

    Raises:
        ProblemError: The problem does not fit the evaluator.
    """
    if workers == "service":
        return ServiceJobs(study, timeout)
    if isinstance(getattr(study.problem, "evaluator", None), ServiceTraining):
        raise ProblemError('a ServiceTraining evaluates only with workers="service"')
    if study.problem.looks_up or (workers == 1 and timeout is None):
        return InThread(study, workers)
    asks = study.watch is not None
    return Processes(study.problem, workers, timeout, study.report, asks=asks)


class _Limits:
    """Checks the limits of a budget."""

    def __init__(self, study: Study, budget: Budget) -> None:
        self._study = study
        self._budget = budget
        self._begun = time.monotonic()
        self._failed = 0

    def reached(self) -> str | None:
        """Return the name of a limit that is reached, other than `trials`; None if none is."""
        study, budget = self._study, self._budget
        if budget.seconds is not None and time.monotonic() - self._begun >= budget.seconds:
            return "seconds"
        spent = study.clock if study.problem.looks_up else study.cost
        if budget.cost is not None and spent >= budget.cost:
            return "cost"
        if budget.until and study.best is not None and self._reaches_target(study.best):
            return "until"
        return None

    def asks_more(self) -> bool:
        """Return whether the limit of `trials` allows one more."""
        limit = self._budget.trials
        return limit is None or self._study.num_asked < limit

    @property
    def seconds_left(self) -> float | None:
        """The seconds left to wait for evaluations; None: no limit."""
        if self._budget.seconds is None:
            return None
        return max(0.0, self._budget.seconds - (time.monotonic() - self._begun))

    def passes(self, trial: Trial, outcome: Outcome) -> bool:
        """Return whether a trial would exceed the limit of `cost`."""
        limit = self._budget.cost
        return limit is not None and self._study.end(trial, outcome) > limit

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study a result, and raise when too many trials failed in a row.

        Raises:
            FailingStudyError: The last 20 trials failed.
        """
        self._study.conclude(trial, outcome)
        self._failed = self._failed + 1 if trial.state is State.FAILED else 0
        if self._failed >= _FAILED_IN_A_ROW:
            raise FailingStudyError(
                f"{self._failed} trials in a row failed, the last: {trial.error}"
            )

    def _reaches_target(self, best: Trial) -> bool:
        wanted = self._budget.until
        check_known("metric of the budget", wanted, tuple(best.metrics))
        signs = {one.metric: 1 if one.maximise else -1 for one in self._study.goals.objectives}
        return best.state is State.OK and all(
            name in best.metrics and signs.get(name, 1) * (best.metrics[name] - value) >= 0
            for name, value in wanted.items()
        )


def _loop(
    study: Study,
    limits: _Limits,
    workers: int,
    submit: Callable[[Trial], None],
    *,
    in_order: bool,
) -> _Steps:
    """Propose, wait and tell: the loop that blocking and asynchronous runs share.

    Yields the trial to wait for (None: the first to end) and the longest wait in seconds. Is sent
    the number and outcome of a trial, or None after a timeout. Returns why the run ended.
    """
    under_way: dict[int, Trial] = {}

    def begin(trial: Trial) -> None:
        under_way[trial.number] = trial
        submit(trial)

    interrupted = False
    try:
        while True:
            reason: str | None = "interrupted"
            if not interrupted:
                reason = _propose(study, limits, workers, begin, lambda: len(under_way))
            if not under_way or reason not in _WAITED_OUT:
                if interrupted:
                    raise KeyboardInterrupt
                return reason or "trials"
            try:
                done = yield (min(under_way) if in_order else None), limits.seconds_left
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                continue
            if done is None:
                return limits.reached() or "seconds"
            number, outcome = done
            if study.problem.looks_up and limits.passes(under_way[number], outcome):
                return "cost"
            limits.tell(under_way.pop(number), outcome)
    finally:
        study.give_back(list(under_way.values()))


def _run_blocking(
    steps: _Steps,
    wait: Callable[[int | None, float | None], Done | None],
    *,
    patient: bool = False,
) -> str:
    """Drive a loop with a blocking `wait`, and return why the run ended.

    Args:
        steps: The loop.
        wait: Waits for a trial and returns its outcome.
        patient: Whether interrupts are passed to the loop, as evaluations continue elsewhere.
    """
    try:
        wanted = next(steps)
        while True:
            try:
                done = wait(*wanted)
            except KeyboardInterrupt as interrupt:
                if not patient:
                    raise
                wanted = steps.throw(interrupt)
            else:
                wanted = steps.send(done)
    except StopIteration as end:
        reason: str = end.value
        return reason
    finally:
        steps.close()


def _propose(
    study: Study,
    limits: _Limits,
    workers: int,
    submit: Callable[[Trial], None],
    under_way: Callable[[], int],
) -> str | None:
    """Propose until all workers are busy; return the reason if nothing more will be proposed."""
    while under_way() < workers:
        reason = limits.reached()
        if reason is not None:
            return reason
        if not study.given_out and not limits.asks_more():
            return "trials"
        trial = study.ask()
        if trial is None:
            return None if study.waiting else "exhausted"
        submit(trial)
    return None


def _check_trials(study: Study, budget: Budget) -> None:
    """Refuse a budget with so few trials that all of them would be random."""
    phase = _random_phase(study)
    if budget.trials is not None and budget.trials < phase:
        raise ValueError(
            f"{study.strategy.name} draws its first {phase} architectures at random: with "
            f"{budget.trials} trials it is random search; allow more, or make its population "
            "smaller"
        )


def _warn_if_nothing_learned(study: Study) -> None:
    """Warn, at the caller's line, if the search ended before its strategy learned anything."""
    errors = Counter(trial.error for trial in study.trials)
    phase, told = _random_phase(study), errors.total()
    if told and None not in errors:
        ((error, times),) = errors.most_common(1)
        warn_at_script(
            f"{told} of {told} trials failed, {times} by: {error}", NothingLearnedWarning
        )
    elif phase and told <= phase:
        warn_at_script(
            f"the budget was spent after {told} trials, all of them random: {study.strategy.name} "
            f"learns from its first {phase}; allow more, or make its population smaller",
            NothingLearnedWarning,
        )


def _random_phase(study: Study) -> int:
    """Return the number of first trials that depend on no result, at most one per architecture."""
    phase: int = getattr(study.strategy, "random_phase", 0)
    return min(phase, study.space_size) if study.space_size else phase
