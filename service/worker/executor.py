"""A place where one job runs at a time: a device, and the loop that finds it work."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from service.jobs import Jobs
from service.jobs.errors import LostLeaseError, StoreUnavailableError
from service.jobs.records import Capabilities, Claim, DeviceState, Failure
from service.worker.attempt import Attempt
from service.worker.messages import Payload
from service.worker.supervisor import Supervisor, Verdict

__all__ = ["Executor"]

_LOOK_SECONDS: Final = 1.0
"""How long work can lie there when the message about it was lost."""


class Executor:
    """Runs jobs on a device, one at a time, until it is told to stop.

    Args:
        jobs: Where jobs come from.
        worker_id: Its worker.
        device: Where jobs run.
        threads: Processor cores they may use.
        scratch: A folder for the files of attempts.
        datasets: Returns the data sets at hand, by name.
        stop: Set when it is to stop: the job that runs is handed back.
    """

    def __init__(
        self,
        *,
        jobs: Jobs,
        worker_id: str,
        device: DeviceState,
        threads: int,
        scratch: Path,
        datasets: Callable[[], dict[str, Path]],
        stop: threading.Event,
    ) -> None:
        self._jobs = jobs
        self._worker_id = worker_id
        self._device = device
        self._threads = threads
        self._scratch = scratch
        self._datasets = datasets
        self._stop = stop
        self._log = structlog.get_logger().bind(worker=worker_id, device=device.name)
        self.running: str | None = None

    def run(self) -> None:
        """Take and do jobs until told to stop."""
        while not self._stop.is_set():
            claim = self._claim()
            if claim is None:
                self._jobs.notifier.wait(_LOOK_SECONDS, self._stop.is_set)
            else:
                self._do(claim)

    def _claim(self) -> Claim | None:
        try:
            can = Capabilities(device=self._device.kind, datasets=frozenset(self._datasets()))
            return self._jobs.leases.claim(self._worker_id, can)
        except OSError as error:
            # A database that is damaged or away, or data sets that cannot be listed.
            self._log.warning("no jobs", reason=str(error))
            return None

    def _do(self, claim: Claim) -> None:
        job = claim.job
        self.running = job.id
        log = self._log.bind(job_id=job.id, request_id=job.request_id, attempt=job.attempts)
        log.info("job begun", kind=job.kind)
        started = time.monotonic()
        try:
            verdict = self._attempt(claim)
            self._deliver(verdict)
            log.info("job ended", outcome=verdict.outcome, seconds=time.monotonic() - started)
        except LostLeaseError as error:
            log.warning("job taken away", reason=str(error))
        finally:
            self.running = None

    def _attempt(self, claim: Claim) -> Verdict:
        folder = self._scratch / f"{claim.job.id}-{claim.token}"
        supervisor = Supervisor(
            claim,
            leases=self._jobs.leases,
            settings=self._jobs.settings,
            stopping=self._stop.is_set,
        )
        try:
            folder.mkdir(parents=True)
            with Attempt(self._payload(claim, folder)) as attempt:
                return supervisor.supervise(attempt)
        except OSError as error:
            self._log.exception("job could not be begun", job_id=claim.job.id)
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            failure = Failure(kind="system", message=f"the worker's system refused: {reason}")
            return supervisor.crashed(failure)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _payload(self, claim: Claim, folder: Path) -> Payload:
        job, settings = claim.job, self._jobs.settings
        return Payload(
            job_id=job.id,
            request_id=job.request_id,
            kind=job.kind,
            spec=job.spec,
            folder=folder,
            artifacts=settings.artifacts_dir,
            checkpoints=settings.checkpoints_dir,
            device=self._device.name,
            datasets=self._datasets(),
            threads=self._threads,
        )

    def _deliver(self, verdict: Verdict) -> None:
        """Say how an attempt ended, again and again while the store does not answer.

        Raises:
            LostLeaseError: The job was taken away meanwhile.
        """
        while True:
            try:
                verdict.say()
            except StoreUnavailableError as error:
                self._log.warning("no word to the store", reason=str(error))
                if self._stop.wait(_LOOK_SECONDS):
                    return
            else:
                return
