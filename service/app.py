"""The application: routes, errors, limits, databases."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, Final, cast

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from benchmark_db.catalog import Catalog
from benchmark_db.nasbench201.architecture import isomorphism_classes
from missing_extra import needs
from service.access.key_file import KeyFile
from service.access.key_ring import KeyRing
from service.access.rate_limits import RateLimits
from service.access.shares import Shares
from service.access.trusted_hosts import TrustedHosts
from service.http import docs_page
from service.http.access import Access
from service.http.admission import Admission
from service.http.connections import Connections
from service.http.database_checks import Verifier
from service.http.export_stream import Exports
from service.http.fast_path import ErrorHandler, FastPath, Read
from service.http.job_problems import install_job_problem_handlers
from service.http.job_service import JobService
from service.http.job_watch import JobWatch
from service.http.openapi import install_openapi
from service.http.problems import install_problem_handlers
from service.http.request_middleware import RequestMiddleware
from service.http.respond import install_not_modified_handler
from service.http.response_cache import ResponseCache
from service.http.shutdown import Shutdown
from service.http.stop_signals import when_told_to_stop
from service.jobs import JobSettings
from service.logs import configure_logs
from service.observability.database_metrics import database_families
from service.observability.metrics import Metrics
from service.observability.request_counter import RequestCounter
from service.routes import (
    benchmarks,
    checkpoints,
    export,
    health,
    hw_nas_bench,
    job_events,
    jobs,
    metrics,
    nasbench101,
    nasbench201,
    natssss,
    nds,
    submissions,
    workers,
)
from service.settings import Settings

__all__ = ["create_app"]

_GARBAGE_THRESHOLDS: Final = (100_000, 20, 100)
"""A batch makes a hundred thousand objects, none of them in cycles: to look through them as often
as Python does by default takes a third of its time."""

_SWITCH_SECONDS: Final = 0.0005
"""How long a scan may keep the event loop waiting: by default ten times as long, which is that of
ten answers, at every send and receive."""

_TRACED_WHERE: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_DESCRIPTION: Final = """
Questions about the tables of neural architecture search benchmarks.

**Units, everywhere**: accuracies in percent; losses are cross-entropies; times and latency in
seconds; `parameters` and `flops` (multiply-adds) in millions. `null` means "not recorded".

What takes longer (building networks, evaluating them, timing them) is a *job* that a worker does.

Every answer names its `provenance`; `synthetic: true` marks numbers that are made up.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: Read from the environment by default.
    """
    settings = settings or Settings()
    counter = RequestCounter()
    connections = Connections(settings, counter)
    requests = Shares(settings.max_requests, settings.caller_share)
    shutdown = Shutdown(settings.drain_seconds)
    logs = configure_logs(as_json=settings.log_json)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        app.state.settings = settings
        app.state.scan_limiter = CapacityLimiter(settings.scan_threads)
        # One: while JSON is parsed nothing else runs, and two would keep all others longer.
        app.state.body_limiter = CapacityLimiter(1)
        app.state.response_cache = ResponseCache(settings.response_cache_bytes)
        app.state.requests, app.state.exports = requests, Exports(settings)
        app.state.catalog = Catalog(
            settings.directory.expanduser(),
            # One for the event loop, the others for the threads.
            connections=1 + settings.scan_threads + settings.export_limit,
        )
        app.state.shutdown = shutdown
        app.state.metrics = Metrics(counter)
        app.state.metrics.watch(partial(database_families, app.state.catalog))
        app.state.job_service = JobService(JobSettings())
        app.state.metrics.watch(app.state.job_service.families)
        app.state.job_watch = JobWatch(app.state.job_service, most=settings.job_streams)
        isomorphism_classes()  # made now, so that no request waits for it
        # What lives as long as the server need not be looked at by every garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        sys.setswitchinterval(_SWITCH_SECONDS)
        with when_told_to_stop(app.state.job_watch.end):
            beside = (
                asyncio.create_task(metrics.note_regularly(app.state)),
                asyncio.create_task(app.state.job_service.open_if_used()),
                asyncio.create_task(app.state.job_service.sweep_regularly()),
                asyncio.create_task(connections.watch()),
            )
            with (
                Verifier(app.state.catalog, settings.verify_seconds),
                shutdown.holding_back(),
            ):
                yield {"connections": connections}  # which every connection is given
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await app.state.job_watch.close()
        await app.state.job_service.close()
        app.state.catalog.close()
        end_tracing()
        logs.write_out()

    app = FastAPI(
        title="NAS benchmark query service",
        summary="Published results of neural architecture search spaces, by HTTP.",
        description=_DESCRIPTION,
        version=version("nas-bench-service"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # Such a redirect would name the host that the caller wrote.
        redirect_slashes=False,
        # Asked for anew in every request, which costs more than logging it.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routes = _routes()
    app.router.routes[:0] = routes
    install_problem_handlers(app)
    install_job_problem_handlers(app)
    install_not_modified_handler(app)
    reading_open = settings.read_access == "open"
    writing_keyed = settings.write_access == "keyed"
    keys = KeyRing(KeyFile(settings.keys_path), required=writing_keyed or not reading_open)
    install_openapi(app, keys=keys, reading_open=reading_open)
    _add_innermost(app, settings, requests, _fast_path_reads(routes))
    app.add_middleware(
        Access,
        keys=keys,
        reading_open=reading_open,
        hosts=TrustedHosts(settings.trusted_hosts),
        limits=_rate_limits(settings),
    )
    app.add_middleware(
        RequestMiddleware,
        counter=counter,
        shutdown=shutdown,
        log_request=logs.request,
        reading_open=reading_open,
    )
    end_tracing = _trace(app)
    return app


def _routes() -> list[BaseRoute]:
    """Return all routes, the most asked first."""
    # Included routers are searched twice for each request, and routes in order: a quarter of a
    # query's time.
    routers = (
        *(nasbench201.router, nasbench101.router, natssss.router, nds.router, hw_nas_bench.router),
        *(export.router, benchmarks.router, health.router),
        *(metrics.router, docs_page.router),
        *(jobs.router, job_events.router, submissions.router, workers.router, checkpoints.router),
    )
    return [route for router in routers for route in router.routes]


def _add_innermost(
    app: FastAPI, settings: Settings, requests: Shares, reads: Mapping[str, Read]
) -> None:
    """Add what bounds the requests that have access, and what answers the fastest of them."""
    app.add_middleware(
        FastPath,
        reads=reads,
        handlers=cast("dict[type[Exception], ErrorHandler]", app.exception_handlers),
    )
    app.add_middleware(
        Admission,
        requests=requests,
        uploads=Shares(settings.upload_limit, settings.caller_share),
        bodies=Shares(settings.body_bytes, settings.caller_share),
        max_body=settings.max_body,
        max_uploads={checkpoints.CHECKPOINTS_PATH: settings.checkpoint_bytes},
    )


def _trace(app: FastAPI) -> Callable[[], None]:
    """Trace the requests where the environment says so; return what sends the last traces."""
    if not any(os.environ.get(name) for name in _TRACED_WHERE):
        return lambda: None
    with needs("tracing", "a trace"):
        from service.observability.tracing import (  # noqa: PLC0415 - an extra, and slow to load
            Tracing,
            make_provider,
        )
    provider = make_provider()
    app.add_middleware(Tracing, provider=provider)
    return provider.shutdown


def _rate_limits(settings: Settings) -> RateLimits | None:
    if settings.rate_per_key is None and settings.rate_per_address is None:
        return None
    return RateLimits(
        per_key=settings.rate_per_key,
        per_address=settings.rate_per_address,
        redis_url=settings.redis_url,
    )


def _fast_path_reads(routes: Sequence[BaseRoute]) -> dict[str, Read]:
    """Return by path the endpoints of the GET routes that read their question themselves.

    They take the request alone and return a response.
    """
    return {
        route.path: route.endpoint
        for route in routes
        if isinstance(route, APIRoute) and route.methods == {"GET"} and _takes_request_alone(route)
    }


def _takes_request_alone(route: APIRoute) -> bool:
    if route.param_convertors:
        return False
    read = route.dependant
    others = (
        *(*read.path_params, *read.query_params, *read.header_params, *read.cookie_params),
        *(*read.body_params, *read.dependencies),
    )
    return read.request_param_name is not None and not others
