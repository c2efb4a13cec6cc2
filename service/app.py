"""The FastAPI application: routes, error handlers, limits and middleware."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Final, cast

from fastapi import FastAPI
from starlette.routing import BaseRoute

from benchmark_db.tabular.stored_spec import installed_specs
from benchmark_spec import BenchmarkSpec
from missing_extra import needs
from service.access.keys import KeyFile, KeyRing
from service.http import openapi
from service.http.access import Access, RateLimits, TrustedHosts
from service.http.admission import Admission, Shares
from service.http.fast_path import FastPath, Read, ServedRoutes
from service.http.job_problems import install_job_problem_handlers
from service.http.problems import ErrorHandler, install_problem_handlers
from service.http.questions import install_not_modified_handler
from service.http.request_middleware import RequestCounter, RequestMiddleware
from service.http.shutdown import Shutdown
from service.lifespan import lifespan_of
from service.logs import configure_logs
from service.routes import (
    artifacts,
    benchmarks,
    checkpoints,
    guide,
    jobs,
    pages,
    plans,
    server_state,
    studies,
    worker,
    zoo,
)
from service.settings import Settings

__all__ = ["create_app"]

_TRACING_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_DESCRIPTION: Final = """
Queries of tabular benchmarks for neural architecture search, and jobs on networks.

**Units**, unless a field states another: accuracies in percent; losses are cross-entropies; times
and latency in seconds; `parameters` and `flops` (multiply-adds) in millions. `null`: not recorded.

Longer tasks (building, evaluating, timing and training networks) are *jobs*, executed by workers.

Every answer names its `provenance`; `synthetic: true` marks numbers that are made up.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application.

    Args:
        settings: By default read from the environment.
    """
    settings = settings or Settings()
    counter = RequestCounter()
    requests = Shares(settings.max_requests, settings.caller_share)
    shutdown = Shutdown(settings.drain_seconds)
    logs = configure_logs(as_json=settings.log_json)
    at_end = [logs.write_out]
    app = FastAPI(
        title="NAS benchmark query service",
        summary="Published results of neural architecture search benchmarks over HTTP.",
        description=_DESCRIPTION,
        version=version("nas-bench-service"),
        lifespan=lifespan_of(
            settings, counter=counter, requests=requests, shutdown=shutdown, at_end=at_end
        ),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # Such a redirect would contain the host name that the client sent.
        redirect_slashes=False,
        # FastAPI checks it in every request, which costs more than logging the request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    specs = installed_specs(settings.directory.expanduser())
    routes = ServedRoutes(app, _routes, specs)
    app.state.routes = routes
    install_problem_handlers(app)
    install_job_problem_handlers(app)
    install_not_modified_handler(app)
    reading_open = settings.read_access == "open"
    writing_keyed = settings.write_access == "keyed"
    keys = KeyRing(KeyFile(settings.keys_path), required=writing_keyed or not reading_open)
    app.state.keys = keys
    openapi.install_openapi(app, keys=keys, reading_open=reading_open)
    _add_innermost(app, settings, requests, routes.reads)
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
    _add_tracing(app, at_end)
    return app


def _routes(specs: Sequence[BenchmarkSpec]) -> list[BaseRoute]:
    """Return all routes, including those of the declared tables."""
    # Routes are flattened, as included routers are searched twice per request, and queries come
    # first: the search would take a quarter of a query's time.
    routers = (
        *(server_state.router, studies.router, openapi.router, pages.router, guide.router),
        *(
            jobs.router,
            artifacts.router,
            checkpoints.router,
            worker.router,
            plans.router,
            zoo.router,
        ),
    )
    return [*benchmarks.routes(specs), *(route for router in routers for route in router.routes)]


def _add_innermost(
    app: FastAPI, settings: Settings, requests: Shares, reads: Mapping[str, Read]
) -> None:
    """Add the innermost middleware: limits on requests with access, and the fast path."""
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
        max_uploads=dict.fromkeys(
            (checkpoints.CHECKPOINTS_PATH, worker.ARTIFACTS_PATH, worker.SAVED_PATH),
            settings.checkpoint_bytes,
        ),
    )


def _add_tracing(app: FastAPI, at_end: list[Callable[[], None]]) -> None:
    """Trace requests if the environment says so; the last spans are sent at shutdown."""
    if not any(os.environ.get(name) for name in _TRACING_VARIABLES):
        return
    with needs("tracing", "a trace"):
        from service.observability.tracing import (  # noqa: PLC0415 - an extra, and slow to load
            Tracing,
            make_provider,
        )
    provider = make_provider()
    app.add_middleware(Tracing, provider=provider)
    at_end.insert(0, provider.shutdown)


def _rate_limits(settings: Settings) -> RateLimits | None:
    if settings.rate_per_key is None and settings.rate_per_address is None:
        return None
    return RateLimits(
        per_key=settings.rate_per_key,
        per_address=settings.rate_per_address,
        redis_url=settings.redis_url,
    )
