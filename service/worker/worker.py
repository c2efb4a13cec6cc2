"""A worker: its executors, and what goes on beside them."""

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
_TIMES_A_LEASE: Final = 6
"""So often a worker gives a sign of life and looks for others that give none."""
_EVICTION_SECONDS: Final = 60.0


class Worker:
    """Does jobs until it is told to stop, and then hands back what it has begun.

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
        self._now_and_then = jobs.settings.lease_seconds / _TIMES_A_LEASE
        self._said: tuple[float, WorkerState | None] = (-_EVICTION_SECONDS, None)
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
            stack.enter_context(_told_to_end(self.stop))
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
            self._leave()

    def stop(self) -> None:
        """Make `run` hand back what it has begun and return."""
        self._stop.set()

    def _round(self) -> None:
        """Do what is to be done now and then; what cannot be done now is done next time."""
        for task in (self._say, self._recover, self._evict):
            try:
                task()
            except OSError as error:
                # Also that a file of another worker cannot be removed.
                self._log.warning("no word to the store", reason=str(error))

    def _say(self) -> None:
        at, last = self._said
        state = self._state()
        if state != last or time.monotonic() - at >= self._now_and_then:
            self._jobs.workers.say(state)
            self._said = (time.monotonic(), state)

    def _recover(self) -> None:
        """Free the jobs of workers that are gone: a lock tells at once, a lease in time."""
        folder = self._jobs.settings.workers_dir
        dead = dead_workers(folder)
        if not dead and time.monotonic() - self._recovered < self._now_and_then:
            return
        self._recovered = time.monotonic()
        freed = self._jobs.leases.recover(dead)
        for worker_id in dead:
            self._jobs.workers.leave(worker_id)
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
        gone = self._jobs.artifact_cache.evict()
        if gone:
            self._log.info("artifacts thrown away", files=gone)

    def _leave(self) -> None:
        shutil.rmtree(self._scratch(self.id), ignore_errors=True)
        try:
            self._jobs.workers.leave(self.id)
        except StoreUnavailableError as error:
            self._log.warning("no word to the store", reason=str(error))

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
def _told_to_end(stop: Callable[[], None]) -> Iterator[None]:
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
