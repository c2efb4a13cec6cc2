"""Executors: each runs one job at a time on a device, from its lease to its recorded outcome.

An executor polls for a job, starts an attempt (by default in a local process) and supervises it: it
renews the lease, records progress, and ends the attempt at a limit, on cancellation or at shutdown.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from service.jobs.errors import LostLeaseError, RefusedResultError, StoreUnavailableError
from service.jobs.records import Capabilities, DeviceState, Failure, Lease, Progress
from service.worker.attempt import Attempt, system_failure
from service.worker.attempt_events import (
    Crashed,
    Event,
    Failed,
    Lost,
    Payload,
    Released,
    RunningAttempt,
    Started,
    Succeeded,
    too_much_memory,
)
from service.worker.attempt_files import AttemptPlaces
from service.worker.offers import Offers
from service.worker.source import RENEWALS, JobSource

__all__ = ["Executor"]

_POLL_SECONDS: Final = 1.0
"""Pause between two polls of the job table, which delays a job whose notification was lost."""


_EVENT_WAIT_SECONDS: Final = 0.1
_SIGNAL_SPREAD_SECONDS: Final = 1.0
"""Seconds within which a signal to a process group reaches all of its processes."""
_MEMORY_SECONDS: Final = 1.0
_LONG_AGO: Final = float("-inf")
_SUCCEEDED: Final = "succeeded"
"""The outcome of an attempt with a result, as logged."""


@dataclass(kw_only=True, eq=False)
class Executor:
    """Runs jobs on a device, one at a time, until the worker shuts down.

    Args:
        source: Provides jobs and takes their outcomes.
        worker_id: The id of its worker.
        device: The device of its jobs.
        threads: Number of processor cores a job may use.
        scratch: The temporary folder of the worker.
        offers: Returns the available data sets and trainers.
        stop: Set to stop at once: a running job is released.
        drain: Set to begin no further job: a running training is asked to release its job, other
            jobs run to their end.
        labels: Labels of jobs that may run here although they require a label.
        share: How many executors share the device.
        start: Creates the attempt for a payload.

    Attributes:
        running: The id of the running job.
        busy_at: When, on the monotonic clock, it last ended a job or first found none; None: no
            poll has been answered yet.
    """

    source: JobSource
    worker_id: str
    device: DeviceState
    threads: int
    scratch: Path
    offers: Callable[[], Offers]
    stop: threading.Event
    drain: threading.Event
    labels: frozenset[str] = frozenset()
    share: int = 1
    start: Callable[[Payload], RunningAttempt] = Attempt
    running: str | None = field(default=None, init=False)
    busy_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._log = structlog.get_logger().bind(worker=self.worker_id, device=self.device.name)

    def run(self) -> None:
        """Run jobs until `stop` or `drain` is set."""
        while not self._is_closing():
            lease = self._acquire()
            if lease is None:
                self.busy_at = self.busy_at or time.monotonic()
                self.source.wait(_POLL_SECONDS, self._is_closing)
            else:
                self._run_job(lease)

    def _is_closing(self) -> bool:
        return self.stop.is_set() or self.drain.is_set()

    def _acquire(self) -> Lease | None:
        try:
            offers = self.offers()
            can = Capabilities(
                device=self.device.kind,
                datasets=frozenset(offers.datasets),
                trainers=frozenset(one.sha256 for one in offers.trainers.values()),
                labels=self.labels,
                own_device=self.share == 1,
            )
            return self.source.acquire(self.worker_id, can, self._is_closing)
        except OSError as error:
            # The database is damaged or unreachable, or the data sets cannot be listed.
            self._log.warning("no jobs", reason=str(error))
            return None

    def _run_job(self, lease: Lease) -> None:
        job = lease.job
        self.running = job.id
        log = self._log.bind(job_id=job.id, request_id=job.request_id, attempt=job.attempts)
        log.info("job begun", kind=job.kind)
        started = time.monotonic()
        try:
            verdict = self._attempt(lease)
            if verdict.outcome != _SUCCEEDED:
                self._deliver(verdict)
            log.info("job ended", outcome=verdict.outcome, seconds=time.monotonic() - started)
        except LostLeaseError as error:
            log.warning("lease lost", reason=str(error))
        finally:
            self.source.clean(lease)
            self.busy_at = time.monotonic()
            self.running = None

    def _attempt(self, lease: Lease) -> Verdict:
        """Run an attempt and return how it ended; a result is recorded before returning."""
        folder = self.scratch / f"{lease.job.id}-{lease.token}"
        supervisor = Supervisor(
            lease, source=self.source, stopping=self.stop.is_set, draining=self.drain.is_set
        )
        if self._is_closing():
            # Stopped or drained while the job was being acquired.
            return supervisor.released()
        try:
            folder.mkdir(parents=True)
            places = self.source.prepare(lease, self.scratch)
            with self.start(self._payload(lease, folder, places)) as attempt:
                verdict = supervisor.supervise(attempt)
                if verdict.outcome == _SUCCEEDED:
                    # Recorded first, because ending a low-priority process takes time.
                    self._deliver(verdict)
                return verdict
        except StoreUnavailableError as error:
            self._log.warning("job could not be prepared", job_id=lease.job.id, reason=str(error))
            # Pause, because this worker may acquire the job again at once.
            self.stop.wait(_POLL_SECONDS)
            return supervisor.released()
        except RefusedResultError as error:
            return supervisor.crashed(Failure(kind="refused-file", message=str(error)))
        except OSError as error:
            self._log.exception("job could not be begun", job_id=lease.job.id)
            return supervisor.crashed(system_failure(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _payload(self, lease: Lease, folder: Path, places: AttemptPlaces) -> Payload:
        job = lease.job
        return Payload(
            job_id=job.id,
            request_id=job.request_id,
            kind=job.kind,
            spec=job.spec,
            folder=folder,
            kept=places.kept,
            artifacts=places.artifacts,
            checkpoints=places.checkpoints,
            device=self.device.name,
            offers=self.offers(),
            threads=self.threads,
            memory=self.source.settings.job_memory // self.share,
            dataset_sha256=job.needs_sha256,
            share=self.share,
            idle_priority=self.source.settings.attempt_priority == "idle",
        )

    def _deliver(self, verdict: Verdict) -> None:
        """Record how an attempt ended; retry while the store does not answer.

        If the server refuses the outcome, the lease is left to expire.

        Raises:
            LostLeaseError: The lease has expired meanwhile.
        """
        while True:
            try:
                verdict.record()
            except RefusedResultError as error:
                self._log.warning("the server refuses an outcome", reason=str(error))
                self.stop.wait(_POLL_SECONDS)
                return
            except StoreUnavailableError as error:
                self._log.warning("the store does not answer", reason=str(error))
                if self.stop.wait(_POLL_SECONDS):
                    return
            else:
                return


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How an attempt ended.

    Args:
        outcome: A few words for the log.
        record: Writes the outcome to the store.
    """

    outcome: str
    record: Callable[[], object]


class Supervisor:
    """Supervises a running attempt.

    Args:
        lease: The lease of its job.
        source: Takes its outcome and provides its limits.
        stopping: Returns whether the worker shuts down.
        draining: Returns whether a training is to release its job.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        source: JobSource,
        stopping: Callable[[], bool],
        draining: Callable[[], bool],
    ) -> None:
        self._lease = lease
        self._source = source
        self._stopping = stopping
        self._draining = draining
        self._release_requested = False
        self._begun = time.monotonic()
        self._renewed_at = self._measured_at = _LONG_AGO
        self._progress: Progress | None = Progress(stage="starting")
        self._log = structlog.get_logger().bind(job_id=lease.job.id)

    def supervise(self, attempt: RunningAttempt) -> Verdict:
        """Supervise an attempt to its end, renewing the lease and enforcing limits.

        Raises:
            LostLeaseError: The lease has expired.
        """
        verdict: Verdict | None = None
        while verdict is None:
            verdict = self._renew_if_due() or self._handle(attempt.next_event(_EVENT_WAIT_SECONDS))
            verdict = verdict or self._interrupted(attempt)
        return verdict

    def crashed(self, failure: Failure) -> Verdict:
        """Return the verdict for an attempt that crashed."""
        return Verdict(
            outcome=f"crashed: {failure.kind}",
            record=partial(self._source.end, self._lease, "crashed", failure),
        )

    def released(self) -> Verdict:
        """Return the verdict for a job that goes back to the queue."""
        return Verdict(
            outcome="released", record=partial(self._source.end, self._lease, "released")
        )

    def _renew_if_due(self) -> Verdict | None:
        """Renew the lease and record progress if due; return a verdict if the job is cancelled."""
        lease = self._source.settings.lease_seconds / RENEWALS
        due = lease if self._progress is None else min(lease, self._source.report_seconds)
        if time.monotonic() - self._renewed_at < due:
            return None
        self._renewed_at = time.monotonic()
        try:
            cancelled = self._source.renew(self._lease, self._progress)
        except StoreUnavailableError as error:
            # The lease may still hold when the store is back; otherwise LostLeaseError follows.
            self._log.warning("the store does not answer", reason=str(error))
            return None
        self._progress = None
        if cancelled:
            return Verdict(
                outcome="cancelled", record=partial(self._source.end, self._lease, "cancelled")
            )
        return None

    def _handle(self, event: Event | None) -> Verdict | None:
        match event:
            case Succeeded():
                record = partial(self._source.succeed, self._lease, event.result, event.artifacts)
                return Verdict(outcome=_SUCCEEDED, record=record)
            case Failed():
                record = partial(self._source.end, self._lease, "failed", event.failure)
                return Verdict(outcome=f"failed: {event.failure.kind}", record=record)
            # A signal to all processes of a batch job may end the attempt's process first.
            case Released() | Crashed(sudden=True) if (
                isinstance(event, Released) or self._is_about_to_stop()
            ):
                return self.released()
            case Crashed():
                return self.crashed(event.failure)
            case Lost():
                self._log.warning("the place of an attempt is lost", reason=event.reason)
                return Verdict(
                    outcome="lost", record=partial(self._source.end, self._lease, "lost")
                )
            case Started():
                self._begun = time.monotonic()
                self._log.info("attempt has a place", place=event.place)
            case Progress():
                self._progress = event
        return None

    def _is_about_to_stop(self) -> bool:
        """Tell whether the worker is told to stop within the next second."""
        end = time.monotonic() + _SIGNAL_SPREAD_SECONDS
        while not self._stopping() and time.monotonic() < end:
            time.sleep(_EVENT_WAIT_SECONDS)
        return self._stopping()

    def _interrupted(self, attempt: RunningAttempt) -> Verdict | None:
        now = time.monotonic()
        if self._draining() and not self._release_requested:
            self._release_requested = True
            attempt.request_release()
        if self._stopping():
            return self.released()
        limit = min(self._lease.job.time_limit or float("inf"), self._source.settings.job_seconds)
        if now - self._begun > limit:
            return self.crashed(_time_limit_failure(limit))
        if now - self._measured_at >= _MEMORY_SECONDS:
            self._measured_at = now
            if attempt.takes_more_than(self._source.settings.job_memory):
                return self.crashed(too_much_memory(self._source.settings.job_memory))
        return None


def _time_limit_failure(seconds: float) -> Failure:
    return Failure(
        kind="time-limit", message=f"the attempt took longer than its {seconds:g} s and was ended"
    )
