"""Evaluation of trials by the workers of a service, one job for each running trial.

The study stores the idempotency key of a submission before it submits the job, and the job's id
right after. If this process ends at any point, the next one finds the job, or repeats the
submission with the same key and receives the same job. No trial is trained twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from bench_client.errors import BenchError, InvalidRequestError, UnavailableError, UnknownJobError
from nas_search.errors import ProblemError, StudyError
from nas_search.problems.problem import Outcome
from nas_search.problems.service_training import ServiceTraining
from nas_search.problems.space import SpaceProblem
from nas_search.study.trials import Trial

if TYPE_CHECKING:
    from bench_client.models import Job
    from nas_search.study.study import Study

__all__ = ["ServiceJobs"]

_KEY_PREFIX: Final = "key:"
"""Prefix of a submission's key, stored in place of the job id until the answer arrives."""

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two polls of all jobs; each pause is `_GROWTH` times the previous one."""
_GROWTH: Final = 1.5

_PATIENCE: Final = 120.0
"""Seconds that a service may be unavailable before the run ends: enough for a restart."""

_UNFINISHED: Final = frozenset({"queued", "running"})
_LONGEST_ERROR: Final = 500


@dataclass(slots=True)
class _UnderWay:
    """A running trial, the last known state of its job, and the epochs reported so far.

    It is `stopping` once a rule has decided to stop it.
    """

    trial: Trial
    job: Job | None = None
    epochs: set[int] = field(default_factory=set)
    stopping: bool = False


class ServiceJobs:
    """Evaluates candidates as jobs of a service; the counterpart of `Processes`.

    Running jobs are cancelled at the end of a run. If the run ends because the service is
    unavailable, they are left running, and the next run waits for them.

    Args:
        study: The study, which stores job ids and receives events.
        timeout: Seconds for each attempt of a job; None: the limit of the service.

    Raises:
        ProblemError: The problem is not evaluated by a service.
    """

    def __init__(self, study: Study, timeout: float | None) -> None:
        problem = study.problem
        if not isinstance(problem, SpaceProblem) or not isinstance(
            problem.evaluator, ServiceTraining
        ):
            raise ProblemError(
                'workers="service" needs a SpaceProblem whose evaluator is a ServiceTraining'
            )
        self._study = study
        self._problem = problem
        self._training = problem.evaluator
        self._timeout = timeout
        self._under_way: dict[int, _UnderWay] = {}
        self._done: dict[int, Outcome] = {}
        self._away_since: float | None = None
        self.count = self._training.jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, StudyError | KeyboardInterrupt):
            for one in self._under_way.values():
                self._cancel(one)

    def submit(self, trial: Trial) -> None:
        """Begin an evaluation, or wait for the job that an earlier run began."""
        self._under_way[trial.number] = _UnderWay(trial)

    def wait(self, number: int | None, seconds: float | None) -> tuple[int, Outcome] | None:
        """Wait for an evaluation to end and return it.

        Args:
            number: The trial to wait for; None: the first that ends.
            seconds: The longest wait; None: no limit.

        Returns:
            The number of the trial and its outcome; None after a timeout.

        Raises:
            BenchError: The service is unavailable for two minutes, or refuses a request.
        """
        end = None if seconds is None else time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while True:
            news = self._poll()
            ready = number if number is not None else next(iter(self._done), None)
            if ready is not None and ready in self._done:
                return ready, self._done.pop(ready)
            left = _LONGEST_PAUSE if end is None else end - time.monotonic()
            if left <= 0:
                return None
            pause = _FIRST_PAUSE if news else min(_LONGEST_PAUSE, pause * _GROWTH)
            time.sleep(min(pause, left))

    def _poll(self) -> bool:
        """Poll all running jobs, and return whether one has changed."""
        news = False
        for one in list(self._under_way.values()):
            before = None if one.job is None else one.job.revision
            try:
                outcome = self._submit_or_poll(one)
            except UnavailableError:
                if self._away_since is None:
                    self._away_since = time.monotonic()
                elif time.monotonic() - self._away_since > _PATIENCE:
                    raise
                return False
            self._away_since = None
            news = news or one.job is None or one.job.revision != before
            if outcome is not None:
                self._done[one.trial.number] = outcome
                del self._under_way[one.trial.number]
        return news

    def _submit_or_poll(self, one: _UnderWay) -> Outcome | None:
        """Submit or poll the job of a trial; return its outcome if it has ended."""
        noted = one.trial.job
        try:
            if noted is None or noted.startswith(_KEY_PREFIX):
                one.job = self._submit(one.trial)
            else:
                one.job = self._training.bench.job(noted)
        except UnknownJobError:
            # The service has deleted the job, or is another one: the trial is submitted again.
            self._study.assign(one.trial, None)
            self._study.report("job.lost", {"trial": one.trial.number, "job": noted})
            return None
        except InvalidRequestError as error:
            self._study.assign(one.trial, None)
            return Outcome(error=f"{type(error).__name__}: {error}"[:_LONGEST_ERROR])
        self._tell_epochs(one, one.job)
        if one.stopping and one.job.state in _UNFINISHED and not one.job.cancel_requested:
            one.job = self._training.bench.stop(one.job)
        return None if one.job.state in _UNFINISHED else self._outcome(one, one.job)

    def _submit(self, trial: Trial) -> Job:
        if trial.job is None:
            self._study.assign(trial, _KEY_PREFIX + uuid4().hex)
        key = str(trial.job).removeprefix(_KEY_PREFIX)
        job = self._training.submit(
            self._problem.space,
            json.loads(trial.arch),
            fidelity=trial.fidelity,
            key=key,
            time_limit=self._timeout,
        )
        self._study.assign(trial, job.id)
        self._study.report("trial.running", {"trial": trial.number, "job": job.id})
        return job

    def _tell_epochs(self, one: _UnderWay, job: Job) -> None:
        for figures in _epochs_of(job):
            if figures["epoch"] not in one.epochs:
                one.epochs.add(figures["epoch"])
                ends = self._study.report("epoch", {"trial": one.trial.number, **figures})
                one.stopping = one.stopping or ends

    def _outcome(self, one: _UnderWay, job: Job) -> Outcome:
        if job.state == "succeeded":
            return self._problem.concluded(
                one.trial.candidate, lambda: self._training.figures_of(job)
            )
        if job.state == "stopped" or (one.stopping and job.state == "cancelled"):
            figures = (job.progress and job.progress.figures) or {}
            return Outcome(metrics=figures, cost=_spent(job), stopped=True)
        reason = f": {job.error.message}" if job.error else ""
        return Outcome(error=f"job {job.id} {job.state}{reason}"[:_LONGEST_ERROR], cost=_spent(job))

    def _cancel(self, one: _UnderWay) -> None:
        """Cancel the job of a trial; when the trial is repeated, it gets a new job."""
        job = one.trial.job
        if job is None or job.startswith(_KEY_PREFIX):
            # If the service has a job for this key, the next submission finds it.
            return
        # Before the request, so that no later run waits for a cancelled job.
        self._study.assign(one.trial, None)
        try:
            self._training.bench.cancel(job)
        except BenchError:
            # The job continues, and the same request finds its result.
            return


def _epochs_of(job: Job) -> Iterator[Mapping[str, Any]]:
    """Yield the metrics of a job's epochs, as far as its progress and result contain them."""
    if job.progress is not None and job.progress.figures is not None:
        yield job.progress.figures
    yield from (job.result or {}).get("curve", ())


def _spent(job: Job) -> float:
    """Return the seconds that the last attempt of a job took."""
    if job.started_at is None or job.finished_at is None:
        return 0.0
    return max(0.0, (job.finished_at - job.started_at).total_seconds())
