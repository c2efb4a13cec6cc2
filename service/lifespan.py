"""What begins and ends with the server: databases, jobs, metrics, and the tasks beside requests."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench201.architecture import isomorphism_classes
from service.http.admission import Shares
from service.http.connections import Connections
from service.http.job_service import JobService
from service.http.job_watch import JobWatch
from service.http.questions import PackedCache, ResponseCache
from service.http.request_middleware import RequestCounter
from service.http.shutdown import Shutdown, when_told_to_stop
from service.http.streams import Exports
from service.jobs import JobSettings
from service.observability.metrics import Metrics, database_families
from service.routes.server_state import note_regularly
from service.settings import Settings

__all__ = ["Lifespan", "lifespan_of"]

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]

_GARBAGE_THRESHOLDS: Final = (100_000, 20, 100)
"""A batch makes a hundred thousand objects, none of them in cycles: to look through them as often
as Python does by default takes a third of its time."""

_SWITCH_SECONDS: Final = 0.0005
"""How long a scan may keep the event loop waiting: by default ten times as long, which is that of
ten answers, at every send and receive."""

_REST: Final = 3.0
"""Seconds of rest for each second of work: a quarter of a core, so that questions do not wait. A
lower priority would be worse: who holds Python's lock must not be kept from the processor."""


def lifespan_of(
    settings: Settings,
    *,
    counter: RequestCounter,
    requests: Shares,
    shutdown: Shutdown,
    at_end: Iterable[Callable[[], None]],
) -> Lifespan:
    """Return the context manager in which an application serves.

    Args:
        settings: Of the server.
        counter: Of its requests.
        requests: The places of requests in progress.
        shutdown: Whether it is about to stop.
        at_end: What is to be called when nothing is served any more.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        state, connections = app.state, Connections(settings, counter)
        state.settings, state.shutdown, state.requests = settings, shutdown, requests
        state.scan_limiter = CapacityLimiter(settings.scan_threads)
        # One: while JSON is parsed nothing else runs, and two would keep all others longer.
        state.body_limiter = CapacityLimiter(1)
        state.response_cache = ResponseCache(settings.response_cache_bytes)
        state.packed_cache = PackedCache(settings.column_cache_bytes)
        state.exports = Exports(settings)
        state.catalog = Catalog(
            settings.directory.expanduser(),
            # One for the event loop, the others for the threads.
            connections=1 + settings.scan_threads + settings.export_limit,
        )
        state.job_service = JobService(JobSettings())
        state.job_watch = JobWatch(state.job_service, most=settings.job_streams)
        state.metrics = Metrics(counter)
        state.metrics.watch(partial(database_families, state.catalog))
        state.metrics.watch(state.job_service.families)
        isomorphism_classes()  # made now, so that no request waits for it
        _set_up_interpreter()
        with when_told_to_stop(state.job_watch.end):
            beside = (
                asyncio.create_task(note_regularly(state)),
                asyncio.create_task(state.job_service.open_if_used()),
                asyncio.create_task(state.job_service.sweep_regularly()),
                asyncio.create_task(connections.watch()),
            )
            with _Verifier(state.catalog, settings.verify_seconds), shutdown.holding_back():
                yield {"connections": connections}  # which every connection is given
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await state.job_watch.close()
        await state.job_service.close()
        state.catalog.close()
        for end in at_end:
            end()

    return lifespan


def _set_up_interpreter() -> None:
    # What lives as long as the server need not be looked at by every garbage collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)


class _Verifier:
    """A thread that checks every database, at once and then again and again.

    Used as a context manager around the serving. A database that fails is not asked any more: its
    catalog counts it among the unusable ones. Each worker checks for itself, since each has read
    the file for itself.

    Args:
        catalog: The databases.
        seconds: From the end of a check to the next; 0: no checks.
    """

    def __init__(self, catalog: Catalog, seconds: float) -> None:
        self._catalog = catalog
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds > 0:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A check that is under way ends within some milliseconds.
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for name, installed in self._catalog.installed.items():
                try:
                    installed.database.verify(rest=_REST, going_on=self._goes_on)
                except UnusableDatabaseError as error:
                    log = structlog.get_logger()
                    log.error("database failed its check", benchmark=name, reason=str(error))  # noqa: TRY400
            self._stopped.wait(self._seconds)

    def _goes_on(self) -> bool:
        return not self._stopped.is_set()
