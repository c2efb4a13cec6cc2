"""OpenTelemetry traces: one span per request, sent to OTEL_EXPORTER_OTLP_ENDPOINT.

Imported only if that variable is set.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.required_scopes import OPEN

__all__ = ["Tracing", "make_provider"]

_NAME: Final = "nas-bench-service"
_FAILED: Final = 500


def make_provider() -> TracerProvider:
    """Return the provider that sends spans, configured by OpenTelemetry's environment variables."""
    resource = Resource.create(
        {
            SERVICE_NAME: os.environ.get(OTEL_SERVICE_NAME, _NAME),
            SERVICE_VERSION: version(_NAME),
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """ASGI middleware that creates a span per request, as a child of the caller's span if any.

    Args:
        app: The inner application.
        provider: Sends the spans.
    """

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer(__name__)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in {b"traceparent", b"tracestate"}
        }
        status = 0

        async def send_and_record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.start_as_current_span(
            scope["method"], context=self._propagator.extract(carrier), kind=SpanKind.SERVER
        ) as span:
            await self._app(scope, receive, send_and_record_status)
            route = scope.get("direct") or getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
            span.set_attributes(_attributes(scope, route, status))
            if status >= _FAILED:
                span.set_status(Status(StatusCode.ERROR))


def _attributes(scope: Scope, route: str | None, status: int) -> dict[str, Any]:
    client = scope.get("client")
    attributes = {
        "http.request.method": scope["method"],
        "http.response.status_code": status,
        "http.route": route,
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        "client.address": client and client[0],
        "nasbench.request_id": scope.get("request_id"),
    }
    return {name: value for name, value in attributes.items() if value is not None}
