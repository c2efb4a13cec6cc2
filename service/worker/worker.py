"""A worker: its executors, its heartbeat, and the clean-up of jobs."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from service.jobs.errors import StoreUnavailableError
from service.jobs.records import TrainerState, WorkerState
from service.worker.equipment import models_with_weights
from service.worker.executor import Executor
from service.worker.offers import LocalOffers
from service.worker.os_process import dead_workers, hold_lock, remove_lock
from service.worker.places import Places
from service.worker.server_connection import AccessRefusedError
from service.worker.source import JobSource

__all__ = ["Worker"]

_TASK_SECONDS: Final = 1.0
_RELEASE_SECONDS: Final = 30.0
"""Seconds at the end of draining in which jobs that have not ended are released."""
_HEARTBEATS: Final = 6
"""Heartbeats per lease duration."""


class Worker:
    """Runs jobs until it is stopped, and then releases the running ones.

    Args:
        source: Provides jobs and takes their outcomes.
        places: The devices and slots of its attempts.
        labels: Labels of jobs that may run here although they require a label.
        share: How many attempts share a device, each with a part of its memory; recorded in their
            results.
        idle_exit: Seconds without a job after which it exits; None: never.
        time_limit: Seconds after which the batch system kills it; None: never.
        drain_seconds: How long before the time limit it begins to drain, and how long after
            SIGUSR1 it exits.
    """

    def __init__(
        self,
        source: JobSource,
        *,
        places: Places,
        labels: Iterable[str] = (),
        share: int = 1,
        idle_exit: float | None = None,
        time_limit: float | None = None,
        drain_seconds: float = 300.0,
    ) -> None:
        self.id = f"{platform.node()[:48]}-{uuid4().hex[:8]}"
        self._source = source
        self._devices = tuple(places.devices)
        self._stop = threading.Event()
        self._drain = threading.Event()
        self._idle_exit = idle_exit
        self._drain_seconds = drain_seconds
        self._begun = self._busy_at = time.monotonic()
        self._drains_at = float("inf") if time_limit is None else time_limit - drain_seconds
        self._log = structlog.get_logger().bind(worker=self.id)
        self._last_heartbeat: tuple[float, WorkerState | None] = (0.0, None)
        self._refused_at: float | None = None
        self._refusal: AccessRefusedError | None = None
        self._version = version("nas-bench-service")
        self._offers = LocalOffers(source.settings)
        self._executors = [
            Executor(
                source=source,
                worker_id=self.id,
                device=device,
                threads=places.threads,
                scratch=self._scratch(self.id),
                offers=self._offers.current,
                stop=self._stop,
                drain=self._drain,
                labels=frozenset(labels),
                share=share,
                start=places.start,
            )
            for device in self._devices
            for _ in range(places.slots)
        ]

    def run(self) -> None:
        """Run jobs until `stop` or `drain`; SIGTERM and SIGINT stop, SIGUSR1 drains.

        Raises:
            AccessRefusedError: The server refuses the key; after the first heartbeat, only if it
                does so for a lease duration, when other workers have got the jobs.
        """
        with ExitStack() as stack:
            stack.enter_context(hold_lock(self._source.settings.workers_dir, self.id))
            stack.enter_context(_signal_handlers(stop=self.stop, drain=self.drain))
            self._run_periodic_tasks()
            threads = [
                threading.Thread(target=executor.run, daemon=True) for executor in self._executors
            ]
            for thread in threads:
                thread.start()
            self._log.info("worker ready", devices=[device.name for device in self._devices])
            while not self._stop.wait(_TASK_SECONDS):
                self._run_periodic_tasks()
                self._drain_or_stop_if_due()
                if self._drain.is_set():
                    if not any(thread.is_alive() for thread in threads):
                        break
                elif not all(thread.is_alive() for thread in threads):
                    # Its error is logged; a worker without one of its executors would idle.
                    raise RuntimeError("an executor of the worker has ended by an error")
            for thread in threads:
                thread.join()
            self._deregister()
            if self._refusal is not None:
                raise self._refusal

    def stop(self) -> None:
        """Make `run` release the running jobs and return."""
        self._stop.set()

    def drain(self) -> None:
        """Make `run` begin no further job, have trainings released, and return."""
        if not self._drain.is_set():
            self._drains_at = time.monotonic() - self._begun
            self._log.info("worker drains", seconds=self._drain_seconds)
            self._drain.set()

    def _drain_or_stop_if_due(self) -> None:
        """Drain if the time limit is near or no job came for long; stop if draining takes long."""
        now = time.monotonic()
        ended = [executor.busy_at for executor in self._executors if executor.busy_at is not None]
        if any(executor.running for executor in self._executors) or not ended:
            self._busy_at = now
        else:
            self._busy_at = max(self._busy_at, *ended)
        idle = self._idle_exit is not None and now - self._busy_at >= self._idle_exit
        if idle or now - self._begun >= self._drains_at:
            self.drain()
        rest = min(_RELEASE_SECONDS, self._drain_seconds / 4)
        if (
            self._drain.is_set()
            and now - self._begun > self._drains_at + self._drain_seconds - rest
        ):
            self._stop.set()

    def _run_periodic_tasks(self) -> None:
        """Do the periodic tasks; a failed one is retried in the next round."""
        for task in (self._heartbeat, self._clean_up_dead_workers):
            try:
                task()
            except AccessRefusedError as error:
                self._end_if_refused(error)
            except OSError as error:
                # Raised also if a file of a dead worker cannot be removed.
                self._log.warning("the store does not answer", reason=str(error))

    def _end_if_refused(self, error: AccessRefusedError) -> None:
        """Stop if the key has been refused for a lease duration.

        Raises:
            AccessRefusedError: The key has never been accepted.
        """
        if self._last_heartbeat[1] is None:
            raise error
        now = time.monotonic()
        if self._refused_at is None:
            self._refused_at = now
            self._log.error("the server does not take the key any more", reason=str(error))
        elif now - self._refused_at >= self._source.settings.lease_seconds:
            self._refusal = error
            self._stop.set()

    def _heartbeat(self) -> None:
        at, last = self._last_heartbeat
        state = self._state()
        seconds = self._source.settings.lease_seconds / _HEARTBEATS
        if state != last or time.monotonic() - at >= seconds:
            self._source.heartbeat(state)
            self._last_heartbeat = (time.monotonic(), state)
            self._refused_at = None

    def _clean_up_dead_workers(self) -> None:
        """Clean up after dead workers of this machine, which are recognised by free locks."""
        folder = self._source.settings.workers_dir
        dead = dead_workers(folder)
        self._source.upkeep(dead)
        for worker_id in dead:
            shutil.rmtree(self._scratch(worker_id), ignore_errors=True)
            remove_lock(folder, worker_id)

    def _deregister(self) -> None:
        shutil.rmtree(self._scratch(self.id), ignore_errors=True)
        try:
            self._source.deregister(self.id)
        except StoreUnavailableError as error:
            self._log.warning("the store does not answer", reason=str(error))

    def _state(self) -> WorkerState:
        offers = self._offers.current()
        return WorkerState(
            id=self.id,
            host=platform.node(),
            pid=os.getpid(),
            version=self._version,
            devices=self._devices,
            datasets=tuple(offers.datasets),
            trainers=tuple(TrainerState(**asdict(one)) for one in offers.trainers.values()),
            models=models_with_weights(),
            running=tuple(executor.running for executor in self._executors if executor.running),
        )

    def _scratch(self, worker_id: str) -> Path:
        return self._source.settings.scratch_dir / worker_id


@contextmanager
def _signal_handlers(*, stop: Callable[[], None], drain: Callable[[], None]) -> Iterator[None]:
    """Handle SIGTERM and SIGINT by `stop`, a second one as before, and SIGUSR1 by `drain`."""
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def handle(kind: int, _: Any) -> None:
        stop()
        signal.signal(kind, before[signal.Signals(kind)])

    for kind in kinds:
        signal.signal(kind, handle)
    signal.signal(signal.SIGUSR1, lambda *_: drain())
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
