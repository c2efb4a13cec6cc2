"""The loop of a run: asks, evaluates and tells, until a limit is reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from bench_client.caller_warnings import warn_at_script
from nas_search.errors import FailingStudyError, ProblemError
from nas_search.problems.problem import Order, Outcome, Report
from nas_search.problems.service_training import ServiceTraining
from nas_search.study.budget import Budget
from nas_search.study.processes import Processes
from nas_search.study.service_jobs import ServiceJobs
from nas_search.study.trials import State, Trial

if TYPE_CHECKING:
    from nas_search.study.study import Study

__all__ = ["NothingLearnedWarning", "run"]

_FAILED_IN_A_ROW: Final = 20


class NothingLearnedWarning(UserWarning):
    """A search ended while its strategy still drew at random: it was random search."""


def run(
    study: Study,
    budget: Budget,
    *,
    workers: int | Literal["service"],
    order: Order | None,
    timeout: float | None,
) -> None:
    """Run a study; `Study.run` documents it."""
    chosen = study.problem.order if order is None else order
    if chosen not in ("numbered", "arrival"):
        raise ValueError(f"order is {order!r:.80}; it is numbered or arrival")
    if workers != "service" and not (type(workers) is int and workers >= 1):
        raise ValueError(f'workers is {workers!r:.80}; at least 1, or "service"')
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout!r:.80}; it is above 0 seconds")
    _check_trials(study, budget)
    limits = _Limits(study, budget)
    study.report("begun", {"budget": budget.limits, "workers": workers, "order": chosen})
    elsewhere = _elsewhere(study, workers, timeout)
    if isinstance(elsewhere, int):
        reason = _run_here(study, limits, elsewhere)
    else:
        with elsewhere:
            reason = _run_apart(study, limits, elsewhere, in_order=chosen == "numbered")
    study.finish(reason)
    _warn_if_random(study)


def _elsewhere(
    study: Study, workers: int | Literal["service"], timeout: float | None
) -> Processes | ServiceJobs | int:
    """Return what evaluates beside this process; where nothing does, how many are proposed ahead.

    Raises:
        ProblemError: The problem is not evaluated by what is to evaluate it.
    """
    if workers == "service":
        return ServiceJobs(study, timeout)
    if isinstance(getattr(study.problem, "evaluator", None), ServiceTraining):
        raise ProblemError('a ServiceTraining evaluates with workers="service" alone')
    if study.problem.looks_up or (workers == 1 and timeout is None):
        return workers
    return Processes(study.problem, workers, timeout, study.report)


class _Limits:
    """Looks at the limits of a budget."""

    def __init__(self, study: Study, budget: Budget) -> None:
        self._study = study
        self._budget = budget
        self._begun = time.monotonic()
        self._failed = 0

    def reached(self) -> str | None:
        """Return which limit is, other than that of trials."""
        study, budget = self._study, self._budget
        if budget.seconds is not None and time.monotonic() - self._begun >= budget.seconds:
            return "seconds"
        if budget.cost is not None and study.cost >= budget.cost:
            return "cost"
        if budget.until and study.best is not None and self._is_there(study.best):
            return "until"
        return None

    def asks_more(self) -> bool:
        """Tell whether the number of trials leaves room for one more."""
        limit = self._budget.trials
        return limit is None or self._study.num_asked < limit

    @property
    def seconds_left(self) -> float | None:
        """How long evaluations may be waited for; None: as long as they take."""
        if self._budget.seconds is None:
            return None
        return max(0.0, self._budget.seconds - (time.monotonic() - self._begun))

    def passes(self, trial: Trial, outcome: Outcome) -> bool:
        """Tell whether a trial would pass the cost that is allowed."""
        limit = self._budget.cost
        return limit is not None and self._study.cost + self._study.charge(trial, outcome) > limit

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Tell the study a result, and end it when too many failed in a row.

        Raises:
            FailingStudyError: They did.
        """
        self._study.conclude(trial, outcome)
        self._failed = self._failed + 1 if trial.state is State.FAILED else 0
        if self._failed >= _FAILED_IN_A_ROW:
            raise FailingStudyError(
                f"{self._failed} trials in a row failed, the last: {trial.error}"
            )

    def _is_there(self, best: Trial) -> bool:
        wanted = self._budget.until
        signs = {one.metric: 1 if one.maximise else -1 for one in self._study.goals.objectives}
        return best.state is State.OK and all(
            name in best.metrics and signs.get(name, 1) * (best.metrics[name] - value) >= 0
            for name, value in wanted.items()
        )


def _run_here(study: Study, limits: _Limits, workers: int) -> str:
    """Evaluate in this process; several at a time are proposed ahead, then evaluated in order."""
    under_way: list[Trial] = []
    try:
        while True:
            reason = _fill(study, limits, workers, under_way.append, lambda: len(under_way))
            if not under_way:
                return reason or "trials"
            if reason not in (None, "trials", "exhausted"):
                return reason
            trial = under_way[0]
            outcome = study.problem.evaluate(trial.candidate, _reporter(study, trial))
            if study.problem.looks_up and limits.passes(trial, outcome):
                return "cost"
            del under_way[0]
            limits.tell(trial, outcome)
    finally:
        study.give_back(under_way)


def _run_apart(
    study: Study, limits: _Limits, processes: Processes | ServiceJobs, *, in_order: bool
) -> str:
    """Evaluate in processes of their own, or by the workers of a service."""
    under_way: dict[int, Trial] = {}

    def submit(trial: Trial) -> None:
        under_way[trial.number] = trial
        processes.submit(trial)

    interrupted = False
    try:
        while True:
            reason: str | None = "interrupted" if interrupted else None
            if not interrupted:
                reason = _fill(study, limits, processes.count, submit, lambda: len(under_way))
            if not under_way:
                if interrupted:
                    raise KeyboardInterrupt
                return reason or "trials"
            if reason not in (None, "trials", "exhausted", "interrupted"):
                return reason
            try:
                wanted = min(under_way) if in_order else None
                done = processes.wait(wanted, limits.seconds_left)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                continue
            if done is None:
                return limits.reached() or "seconds"
            number, outcome = done
            limits.tell(under_way.pop(number), outcome)
    finally:
        study.give_back(list(under_way.values()))


def _fill(
    study: Study,
    limits: _Limits,
    workers: int,
    submit: Callable[[Trial], None],
    under_way: Callable[[], int],
) -> str | None:
    """Propose until as many are under way as may be; return why no more are, if none will be."""
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


def _reporter(study: Study, trial: Trial) -> Report:
    """Return what tells the study of an evaluation under way, with the number of its trial."""
    return lambda kind, figures: study.report(kind, {"trial": trial.number, **figures})


def _check_trials(study: Study, budget: Budget) -> None:
    """Refuse so few trials that all of them are random."""
    phase = _random_phase(study)
    if budget.trials is not None and budget.trials < phase:
        raise ValueError(
            f"{study.strategy.name} draws its first {phase} architectures at random: with "
            f"{budget.trials} trials it is random search; allow more, or make its population "
            "smaller"
        )


def _warn_if_random(study: Study) -> None:
    """Warn at the script's line where a search has ended before its strategy learned anything."""
    phase, told = _random_phase(study), len(study.trials)
    if phase and told <= phase:
        warn_at_script(
            f"the budget was spent after {told} trials, all of them random: {study.strategy.name} "
            f"learns from its first {phase}; allow more, or make its population smaller",
            NothingLearnedWarning,
        )


def _random_phase(study: Study) -> int:
    """Return how many trials depend on no result: no more than there are architectures."""
    phase: int = getattr(study.strategy, "random_phase", 0)
    return min(phase, study.space_size) if study.space_size else phase
