"""Traces, received by a collector of this test's."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from waiting import until

STATS: Final = "/v1/nasbench201/computed-stats"
CALLER: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.taken: list[ExportTraceServiceRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.taken
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def attributes(span: Any) -> dict[str, Any]:
    return {
        entry.key: entry.value.string_value or entry.value.int_value for entry in span.attributes
    }


def test_requests_become_spans_below_their_callers(
    collector: Collector, directory: Path, serving: Any
) -> None:
    with serving(directory, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as url:
        headers = {"traceparent": CALLER, "X-Request-ID": "find-me"}
        httpx.get(f"{url}{STATS}?arch=3", headers=headers)
        httpx.get(f"{url}/v1/benchmarks/nonsense")
        httpx.get(f"{url}/readyz")
    # What was not sent yet is sent when the server stops.
    spans = until(collector.spans, lambda spans: len(spans) >= 2, what="two spans")
    stats, missing = sorted(spans, key=lambda span: span.start_time_unix_nano)
    assert stats.name == f"GET {STATS}"
    assert stats.trace_id.hex() == CALLER.split("-")[1]
    assert stats.parent_span_id.hex() == CALLER.split("-")[2]
    assert attributes(stats) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": STATS,
        "url.path": STATS,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "nasbench.request_id": "find-me",
    }
    assert missing.name == "GET /v1/benchmarks/{name}"
    assert attributes(missing)["http.response.status_code"] == 404
    named = collector.taken[0].resource_spans[0].resource.attributes
    assert {entry.key: entry.value.string_value for entry in named}["service.name"] == (
        "nas-bench-service"
    )


def test_a_collector_that_is_gone_delays_no_answer(directory: Path, serving: Any) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with serving(directory, **environment) as url:
        started = time.monotonic()
        assert httpx.get(f"{url}{STATS}?arch=3").status_code == 200
        assert time.monotonic() - started < 5


@pytest.mark.usefixtures("unmeasured")
def test_nothing_that_sends_them_is_loaded_where_no_endpoint_is_named() -> None:
    program = (
        "import sys; from service.app import create_app; create_app(); "
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) "
        "for name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert ended.returncode == 0
