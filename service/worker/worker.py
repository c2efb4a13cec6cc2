"""A worker: its executors, its heartbeat, and the clean-up that workers share."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from service.jobs import Jobs
from service.jobs.errors import StoreUnavailableError
from service.jobs.records import DeviceState, WorkerState
from service.worker.equipment import datasets_in, weights_here
from service.worker.executor import Executor
from service.worker.os_process import dead_workers, hold_lock, remove_lock

__all__ = ["Worker"]

_ROUND_SECONDS: Final = 1.0
_HEARTBEATS: Final = 6
"""Heartbeats, and checks for dead workers, in the time of a lease."""
_EVICTION_SECONDS: Final = 60.0


class Worker:
    """Runs jobs until it is stopped, and then releases those it has begun.

    Args:
        jobs: Where jobs come from.
        devices: What it computes on.
        slots: Jobs at a time on each device.
        threads: Processor cores that a job may use; None: its share of all but one, which is left
            to whatever answers beside it.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        devices: Sequence[DeviceState],
        slots: int = 1,
        threads: int | None = None,
    ) -> None:
        self.id = f"{platform.node()[:48]}-{uuid4().hex[:8]}"
        self._jobs = jobs
        self._devices = tuple(devices)
        self._stop = threading.Event()
        self._log = structlog.get_logger().bind(worker=self.id)
        self._heartbeat_seconds = jobs.settings.lease_seconds / _HEARTBEATS
        self._last_heartbeat: tuple[float, WorkerState | None] = (-_EVICTION_SECONDS, None)
        self._version = version("nas-bench-service")
        self._evicted = self._recovered = -_EVICTION_SECONDS
        # A machine whose cores are all busy answers late, however readily a job gives way.
        others = len(os.sched_getaffinity(0)) - 1
        places = [device for device in self._devices for _ in range(slots)]
        self._executors = [
            Executor(
                jobs=jobs,
                worker_id=self.id,
                device=device,
                threads=threads or max(1, others // len(places)),
                scratch=self._scratch(self.id),
                datasets=self._datasets,
                stop=self._stop,
            )
            for device in places
        ]

    def run(self) -> None:
        """Do jobs until `stop`, or until the process is told to end by SIGTERM or SIGINT."""
        with ExitStack() as stack:
            stack.enter_context(hold_lock(self._jobs.settings.workers_dir, self.id))
            stack.enter_context(_stop_at_signals(self.stop))
            self._round()
            threads = [
                threading.Thread(target=executor.run, daemon=True) for executor in self._executors
            ]
            for thread in threads:
                thread.start()
            self._log.info("worker ready", devices=[device.name for device in self._devices])
            while not self._stop.wait(_ROUND_SECONDS):
                self._round()
                if not all(thread.is_alive() for thread in threads):
                    # Its error is in the log; a worker that does half of its work helps nobody.
                    raise RuntimeError("an executor of the worker has ended by an error")
            for thread in threads:
                thread.join()
            self._deregister()

    def stop(self) -> None:
        """Make `run` release the jobs it has begun, and return."""
        self._stop.set()

    def _round(self) -> None:
        """Do the regular tasks; one that fails is done in the next round."""
        for task in (self._heartbeat, self._recover, self._evict):
            try:
                task()
            except OSError as error:
                # Also that a file of another worker cannot be removed.
                self._log.warning("the store does not answer", reason=str(error))

    def _heartbeat(self) -> None:
        at, last = self._last_heartbeat
        state = self._state()
        if state != last or time.monotonic() - at >= self._heartbeat_seconds:
            self._jobs.workers.heartbeat(state)
            self._last_heartbeat = (time.monotonic(), state)

    def _recover(self) -> None:
        """Free the jobs of dead workers: a free lock shows them at once, a lease later."""
        folder = self._jobs.settings.workers_dir
        dead = dead_workers(folder)
        if not dead and time.monotonic() - self._recovered < self._heartbeat_seconds:
            return
        self._recovered = time.monotonic()
        freed = self._jobs.leases.recover(dead)
        for worker_id in dead:
            self._jobs.workers.deregister(worker_id)
            shutil.rmtree(self._scratch(worker_id), ignore_errors=True)
            remove_lock(folder, worker_id)
        if freed:
            self._log.warning("jobs of lost workers freed", jobs=freed, workers=dead)

    def _evict(self) -> None:
        if time.monotonic() - self._evicted < _EVICTION_SECONDS:
            return
        self._evicted = time.monotonic()
        forgotten = self._jobs.retention.forget()
        if forgotten:
            self._log.info("old jobs forgotten", jobs=forgotten)
        cleaned = self._jobs.trainings.clean_all()
        if cleaned:
            self._log.info("checkpoints of ended trainings removed", jobs=cleaned)
        gone = self._jobs.artifact_cache.evict()
        if gone:
            self._log.info("artifacts thrown away", files=gone)

    def _deregister(self) -> None:
        shutil.rmtree(self._scratch(self.id), ignore_errors=True)
        try:
            self._jobs.workers.deregister(self.id)
        except StoreUnavailableError as error:
            self._log.warning("the store does not answer", reason=str(error))

    def _state(self) -> WorkerState:
        return WorkerState(
            id=self.id,
            host=platform.node(),
            pid=os.getpid(),
            version=self._version,
            devices=self._devices,
            datasets=tuple(self._datasets()),
            models=weights_here(),
            running=tuple(executor.running for executor in self._executors if executor.running),
        )

    def _datasets(self) -> dict[str, Path]:
        return datasets_in(self._jobs.settings.datasets_dir.expanduser())

    def _scratch(self, worker_id: str) -> Path:
        return self._jobs.settings.scratch_dir / worker_id


@contextmanager
def _stop_at_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Stop at the first signal; a second one ends the process as it does by default."""
    kinds = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def handle(kind: int, _: Any) -> None:
        stop()
        signal.signal(kind, before[signal.Signals(kind)])

    for kind in kinds:
        signal.signal(kind, handle)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
