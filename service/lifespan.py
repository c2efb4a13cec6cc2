"""Start-up and shutdown of the server: databases, jobs, metrics and background tasks."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

from anyio import CapacityLimiter
from fastapi import FastAPI

from benchmark_db.catalog import Catalog
from benchmark_db.nasbench201.architecture import isomorphism_classes
from service.http.admission import Shares
from service.http.claims import ClaimWatch
from service.http.connections import Connections
from service.http.job_service import JobService
from service.http.job_watch import JobWatch
from service.http.plan_service import PlanService
from service.http.request_middleware import RequestCounter
from service.http.response_cache import PackedCache, ResponseCache
from service.http.shutdown import Shutdown, on_stop_signal
from service.http.streams import Exports
from service.jobs import JobSettings
from service.observability.metrics import Metrics, database_families
from service.routes.server_state import note_regularly
from service.served_databases import DatabaseVerifier, FolderWatch
from service.settings import Settings

__all__ = ["Lifespan", "lifespan_of"]

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]

_GARBAGE_THRESHOLDS: Final = (100_000, 20, 100)
"""A batch creates a hundred thousand objects, none of them in cycles: collecting garbage as often
as by default takes a third of its time."""

_SWITCH_SECONDS: Final = 0.0005
"""How long a scan thread may delay the event loop at every send and receive. The default is ten
times as long, which is the time of ten responses."""


def lifespan_of(
    settings: Settings,
    *,
    counter: RequestCounter,
    requests: Shares,
    shutdown: Shutdown,
    at_end: Iterable[Callable[[], None]],
) -> Lifespan:
    """Return the lifespan context manager of the application.

    Args:
        settings: The settings of the server.
        counter: Counts its requests.
        requests: The slots of concurrent requests.
        shutdown: The shutdown state.
        at_end: Called after everything else has been closed.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        state, connections = app.state, Connections(settings, counter)
        state.settings, state.shutdown, state.requests = settings, shutdown, requests
        state.scan_limiter = CapacityLimiter(settings.scan_threads)
        # One thread: JSON parsing holds the GIL, so a second one would only delay other requests.
        state.body_limiter = CapacityLimiter(1)
        state.response_cache = ResponseCache(settings.response_cache_bytes)
        state.packed_cache = PackedCache(settings.column_cache_bytes)
        state.exports = Exports(settings)
        state.catalog = Catalog(
            settings.directory.expanduser(),
            # One for the event loop, the others for threads.
            connections=1 + settings.scan_threads + settings.export_limit,
        )
        # A file may have been replaced since the routes were created.
        state.routes.exchange_for(state.catalog.declared)()
        state.job_service = JobService(JobSettings())
        state.job_watch = JobWatch(state.job_service, most=settings.job_streams)
        state.claim_watch = ClaimWatch(state.job_service)
        state.plan_service = PlanService(
            state.job_service, state.catalog, settings.directory.expanduser()
        )
        state.metrics = Metrics(counter)
        state.metrics.watch(lambda: database_families(state.catalog))
        state.metrics.watch(state.job_service.families)
        isomorphism_classes()  # computed now, so that no request waits for it
        _set_up_interpreter()
        with on_stop_signal(state.job_watch.end), on_stop_signal(state.claim_watch.end):
            beside = (
                asyncio.create_task(note_regularly(state)),
                asyncio.create_task(state.job_service.open_if_used()),
                asyncio.create_task(state.job_service.sweep_regularly()),
                asyncio.create_task(state.plan_service.run_forever()),
                asyncio.create_task(connections.watch()),
            )
            verifier = DatabaseVerifier(state, settings.verify_seconds)
            watch = FolderWatch(state, state.routes)
            with watch, verifier, shutdown.delay_sigterm():
                yield {"connections": connections}  # the state of every connection
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await state.job_watch.close()
        await state.claim_watch.close()
        await state.job_service.close()
        watch.close()
        state.catalog.close()
        for end in at_end:
            end()

    return lifespan


def _set_up_interpreter() -> None:
    # Permanent objects are excluded from garbage collection.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
