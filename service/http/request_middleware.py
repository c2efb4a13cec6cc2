"""The outermost middleware: request id, metrics, access log, security headers, internal errors."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, TypeAlias
from uuid import uuid4

import structlog
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.required_scopes import OPEN
from service.http.problems import problem
from service.http.shutdown import Shutdown

__all__ = [
    "BUCKETS",
    "Answered",
    "Counted",
    "RequestCounter",
    "RequestMiddleware",
    "security_headers",
]

_Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_COMMON_HEADERS: Final[_Headers] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY: Final = b"content-security-policy"
_DATA_HEADERS: Final[_Headers] = (
    *_COMMON_HEADERS,
    # Responses are data: opened as a page, they may run or load nothing and not be framed.
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'; sandbox"),
)
_TLS: Final = (b"strict-transport-security", b"max-age=31536000")
_DATA: Final = "/v1/"
_PICTURE: Final = re.compile(r"/v1/[a-z0-9-]+/picture")


def security_headers(path: str, scheme: str, headers: _Headers) -> _Headers:
    """Return the security headers to add to a response.

    Pages have their own content security policy. Responses below `/v1/` may not, except pictures,
    which need one for their style.

    Args:
        path: The path of the request.
        scheme: The scheme of the request; `https` also if a trusted proxy says so.
        headers: The headers of the response.
    """
    may_bring = not path.startswith(_DATA) or _PICTURE.fullmatch(path) is not None
    brought = may_bring and any(name == _POLICY for name, _ in headers)
    added = _COMMON_HEADERS if brought else _DATA_HEADERS
    return (*added, _TLS) if scheme == "https" else added


_GZIP_FROM_BYTES: Final = 2048
_GZIP_LEVEL: Final = 1
"""Five times as fast as the default level, for ten percent more bytes."""
_UNCOMPRESSED_PATHS: Final = "/artifacts/"
_HEADER: Final = b"x-request-id"
_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_PROBES: Final = OPEN | {"/metrics"}
"""Paths that monitoring requests every few seconds; successful requests are not logged."""
_FIRST_ERROR: Final = 400
_NO_ROUTE: Final = "(none)"
"""Route in metrics for unknown paths, which are unbounded in number."""


BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    float("inf"),
)
"""Upper bounds of the latency histogram in seconds, from a lookup to the longest downloads."""


class Answered:
    """The latencies of requests with the same method, route and status.

    Attributes:
        buckets: Number of requests per bucket of BUCKETS.
        seconds: Sum of the latencies.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(BUCKETS)
        self.seconds = 0.0


Counted: TypeAlias = dict[tuple[str, str, int], Answered]
"""Latencies by method, route and status."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCounter:
    """Counts the requests of a worker since the last `take`. Belongs to one event loop.

    Attributes:
        in_progress: Number of requests in progress.
    """

    def __init__(self) -> None:
        self.in_progress = 0
        self._counted: Counted = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: Its method; unknown methods are counted together.
            route: The template of its route, of which there are few.
            status: Status of the response.
            seconds: Duration of the request.
        """
        name = (method if method in _METHODS else "other", route, status)
        answered = self._counted.get(name)
        if answered is None:
            answered = self._counted[name] = Answered()
        answered.buckets[bisect_left(BUCKETS, seconds)] += 1
        answered.seconds += seconds

    def take(self) -> Counted:
        """Return the counts since the last call."""
        counted, self._counted = self._counted, {}
        return counted


class RequestMiddleware:
    """ASGI middleware around the whole application.

    It assigns a request id (the client's `X-Request-ID` if it is well-formed) and returns it, turns
    HEAD into GET, compresses responses if the client accepts that, counts every request, logs every
    request except successful health checks, and answers unexpected exceptions with a problem
    document without internals.

    Args:
        app: The inner application.
        counter: Counts the requests.
        shutdown: The shutdown state of this worker.
        log_request: Logs a request.
        reading_open: Whether reading needs no key; otherwise responses vary by key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        counter: RequestCounter,
        shutdown: Shutdown,
        log_request: Callable[[Mapping[str, Any]], None],
        reading_open: bool,
    ) -> None:
        self._app = app
        # Used only if the client accepts gzip, as the wrapper costs time in any case.
        self._compressing = GZipMiddleware(
            app, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL
        )
        self._counter = counter
        self._shutdown = shutdown
        self._log_request = log_request
        self._vary = b"Accept-Encoding" if reading_open else b"Accept-Encoding, Authorization"
        self._prefix = uuid4().hex[:16]
        self._count = count(1)
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method, given_scope = scope["method"], scope
        if method == "HEAD":
            # uvicorn omits the body, as the scope that it created still says HEAD.
            scope = {**scope, "method": "GET", "head_only": True}
        headers = scope["headers_by_name"] = dict(scope["headers"])
        request_id = scope["request_id"] = self._request_id(headers)
        status = 0
        path, scheme = scope["path"], scope.get("scheme", "http")

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                message["headers"] = [
                    *given,
                    (_HEADER, request_id.encode()),
                    (b"vary", self._vary),
                    *security_headers(path, scheme, given),
                ]
                if self._shutdown.begun:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._counter.in_progress += 1
        try:
            await self._compressed(scope, headers, receive, send_with_id)
        except Exception:  # the last chance to answer and log it
            self._log.exception("unforeseen error", path=scope["path"], request_id=request_id)
            if status:
                raise
            response = problem(
                Request(scope),
                500,
                kind="internal-error",
                detail="the server failed; see its log for this request_id",
            )
            await response(scope, receive, send_with_id)
        finally:
            self._counter.in_progress -= 1
            if method == "HEAD":
                given_scope.update(scope, method=method)  # for middleware that needs the route
            self._record(scope, method, status, time.perf_counter() - started)

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        """Count a request and log it."""
        template = str(scope.get("direct") or getattr(scope.get("route"), "path", _NO_ROUTE))
        self._counter.add(method, template, status, seconds)
        if scope["path"] in _PROBES and status < _FIRST_ERROR:
            return
        client, key = scope.get("client"), scope.get("key_name")
        fields = {
            "method": method,
            "path": scope["path"],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": scope["request_id"],
            "client": client and client[0],
        }
        if key:
            fields["key"] = key
        self._log_request(fields)

    async def _compressed(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        # Artifacts are not compressed: their digest is that of the sent bytes.
        may_pack = _UNCOMPRESSED_PATHS not in scope["path"]
        wants_gzip = may_pack and b"gzip" in headers.get(b"accept-encoding", b"")
        app = self._compressing if wants_gzip else self._app
        await app(scope, receive, send)

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(_HEADER)
        if given is not None and _ACCEPTABLE_ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._count)}"
