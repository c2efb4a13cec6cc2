"""A worker: its executors, its heartbeat, and the clean-up that workers share."""

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
from service.worker.equipment import weights_here
from service.worker.executor import Executor
from service.worker.offers import OffersHere
from service.worker.os_process import dead_workers, hold_lock, remove_lock
from service.worker.places import Places
from service.worker.server_connection import AccessRefusedError
from service.worker.source import JobSource

__all__ = ["Worker"]

_ROUND_SECONDS: Final = 1.0
_RELEASE_SECONDS: Final = 30.0
"""That are left at the end of draining to hand back what has not handed itself back."""
_HEARTBEATS: Final = 6
"""In the time of a lease."""


class Worker:
    """Runs jobs until it is stopped, and then releases those it has begun.

    Args:
        source: Where jobs come from.
        places: Where attempts run, and how many at a time.
        labels: Jobs that demand one of them may be done here.
        share: How many attempts have a device at a time, with a part of its memory each; their
            results say so.
        idle_exit: Seconds without a job after which it ends; None: never.
        time_limit: Seconds after which whoever started it ends it; None: never.
        drain_seconds: So long before that it begins to drain, and as long after SIGUSR1 it ends.
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
        self._offers = OffersHere(source.settings)
        self._executors = [
            Executor(
                source=source,
                worker_id=self.id,
                device=device,
                threads=places.threads,
                scratch=self._scratch(self.id),
                offers=self._offers.look,
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
        """Do jobs until `stop` or `drain`; SIGTERM and SIGINT stop, SIGUSR1 drains.

        Raises:
            AccessRefusedError: The server does not take the key, or not any more: for as long as a
                lease holds, so that its jobs are others' by now.
        """
        with ExitStack() as stack:
            stack.enter_context(hold_lock(self._source.settings.workers_dir, self.id))
            stack.enter_context(_at_signals(stop=self.stop, drain=self.drain))
            self._round()
            threads = [
                threading.Thread(target=executor.run, daemon=True) for executor in self._executors
            ]
            for thread in threads:
                thread.start()
            self._log.info("worker ready", devices=[device.name for device in self._devices])
            while not self._stop.wait(_ROUND_SECONDS):
                self._round()
                self._end_in_time()
                if self._drain.is_set():
                    if not any(thread.is_alive() for thread in threads):
                        break
                elif not all(thread.is_alive() for thread in threads):
                    # Its error is in the log; a worker that does half of its work helps nobody.
                    raise RuntimeError("an executor of the worker has ended by an error")
            for thread in threads:
                thread.join()
            self._deregister()
            if self._refusal is not None:
                raise self._refusal

    def stop(self) -> None:
        """Make `run` release the jobs it has begun, and return."""
        self._stop.set()

    def drain(self) -> None:
        """Make `run` begin no further job, have trainings hand themselves back, and return."""
        if not self._drain.is_set():
            self._drains_at = time.monotonic() - self._begun
            self._log.info("worker drains", seconds=self._drain_seconds)
            self._drain.set()

    def _end_in_time(self) -> None:
        """Drain where the time is over or nothing has come for long; stop what drains too long."""
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

    def _round(self) -> None:
        """Do the regular tasks; one that fails is done in the next round."""
        for task in (self._heartbeat, self._look_after_others):
            try:
                task()
            except AccessRefusedError as error:
                self._end_if_refused(error)
            except OSError as error:
                # Also that a file of another worker cannot be removed.
                self._log.warning("the store does not answer", reason=str(error))

    def _end_if_refused(self, error: AccessRefusedError) -> None:
        """Stop where the key has been refused for the time of a lease.

        Raises:
            AccessRefusedError: It was never taken.
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

    def _look_after_others(self) -> None:
        """Free what dead workers of this machine had: a free lock shows them at once."""
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
        offers = self._offers.look()
        return WorkerState(
            id=self.id,
            host=platform.node(),
            pid=os.getpid(),
            version=self._version,
            devices=self._devices,
            datasets=tuple(offers.datasets),
            trainers=tuple(TrainerState(**asdict(one)) for one in offers.trainers.values()),
            models=weights_here(),
            running=tuple(executor.running for executor in self._executors if executor.running),
        )

    def _scratch(self, worker_id: str) -> Path:
        return self._source.settings.scratch_dir / worker_id


@contextmanager
def _at_signals(*, stop: Callable[[], None], drain: Callable[[], None]) -> Iterator[None]:
    """Stop at SIGTERM and SIGINT, of which a second one ends the process; drain at SIGUSR1."""
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
