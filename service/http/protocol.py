"""An HTTP protocol with limits, as uvicorn's has none on header size, time or rate.

Bytes are counted before they are stored: 64 KiB and 100 fields of headers by default, else 431.
Headers and bodies have deadlines and least rates, else 408. A client that does not read its
response is disconnected. A refused request gets a problem document, if the protocol still allows a
response.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast
from uuid import uuid4

import httptools
import structlog
from starlette.requests import Request
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service.http.admission import client_address
from service.http.connections import Connections
from service.http.problems import problem
from service.http.request_middleware import security_headers

__all__ = ["BoundedHttpProtocol", "Fault"]

_SLICE: Final = 1024
"""Bytes of a head that are parsed at a time, so that few requests are parsed at once."""
_BODY_SLICE: Final = 2**16
_MOST_HELD_BYTES: Final = 2**20
"""Bytes of pipelined requests that may wait for the responses to earlier ones."""
_CHUNK_OVERHEAD: Final = 8
"""Overhead of chunked encoding per byte of content; one-byte chunks have an overhead of six."""
_LINGER_SECONDS: Final = 2.0
"""Time in which incoming data is discarded: closing earlier would lose the response."""
_FIELD_OVERHEAD: Final = 4
"""Bytes of a header line besides name and value."""

_HEAD, _IDLE, _BODY = range(3)
"""What a connection waits for; lower values are closed first if there are too many connections."""


class Fault(NamedTuple):
    """The refusal of a request that is still arriving.

    Attributes:
        status: Status of the response.
        kind: Kind of the problem.
        detail: Detail of the problem.
    """

    status: int
    kind: str
    detail: str


class _TooLongError(Exception):
    """Raised in a parser callback when a limit is exceeded."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection.

    If a body is late or malformed while its request waits for it, a `Fault` is stored in the scope
    as `body_fault` and `receive` returns; the reader of the body sends the response.

    Args:
        config: The configuration of the server.
        server_state: The state of the server.
        app_state: Contains the `Connections` as `connections`.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all: Connections = app_state["connections"]
        bounds = self._bounds = self._all.settings
        self._most_bytes, self._most_fields = bounds.header_bytes, bounds.header_fields
        self.address = ""
        self._since: float = self._all.now
        self._in_head = True  # otherwise in the body or the trailers of a request
        self._begun = False  # whether a part of a head has arrived
        self._size = 0  # bytes of a head that are stored
        self._fields = 0
        self._raw = 0  # bytes since the start of a head or body, in units of slices
        self._heads = 0
        self._body_left = 0
        self._body_seen = 0
        self._held = bytearray()
        self._refused_after: Fault | None = None
        self._ended = False  # whether no more data is processed
        self._dropped = False
        self._unsent_before = 0
        self._unread_since: float | None = None
        self._read_bytes = 0
        self._last_read = 0.0

    # The interface for `Connections`.

    @property
    def waits_for(self) -> int | None:
        """What the client has to send next; None while it waits for its response."""
        if self._dropped:
            return None
        if not self._in_head:
            cycle = self.cycle
            return None if cycle.response_started and not cycle.response_complete else _BODY
        if self._is_answering():
            return None
        return _IDLE if self._heads and not self._begun else _HEAD

    @property
    def since(self) -> float:
        """When it began to wait for that, by the clock of `Connections`."""
        return self._since

    @property
    def unsent(self) -> int:
        """Bytes that the client has not read, as of the last check."""
        return self._unsent_before

    @property
    def stalled(self) -> float:
        """Seconds during which the client has read none of them."""
        return self._all.now - self._last_read if self._unread_since is not None else 0.0

    def drop(self, reason: str) -> None:
        """Close the connection at once."""
        self._log("connection closed", reason=reason)
        self._ended = self._dropped = True
        self._all.forget(self)
        self.transport.abort()

    def look(self, step: float) -> None:
        """Close the connection if a deadline has passed."""
        if self._drop_slow_reader() or self.transport.is_closing():
            return
        waited = self._all.now - self._since
        if self._ended:
            if waited > _LINGER_SECONDS and not self._is_answering():
                self.transport.abort()
        elif not self._in_head:
            self._look_at_body(step)
        elif self._is_answering():
            pass
        elif self._begun:
            if waited > self._bounds.header_seconds:
                self._refuse(_head_late(self._bounds.header_seconds))
        elif waited > (self._bounds.idle_seconds if self._heads else self._bounds.header_seconds):
            self.transport.close()

    def _look_at_body(self, step: float) -> None:
        if self.flow.read_paused:
            self._since += step  # the sender waits for the service, not the other way round
            return
        allowed = self._bounds.body_seconds
        if not self.cycle.response_complete:
            allowed += self._body_seen / self._bounds.body_rate
        if self._all.now - self._since > allowed:
            self._refuse(_body_late(allowed))

    def _drop_slow_reader(self) -> bool:
        """Close the connection if the client reads too slowly; return whether it was closed."""
        before, unsent = self._unsent_before, self.transport.get_write_buffer_size()
        self._unsent_before = unsent
        now = self._all.now
        if not unsent:
            self._unread_since = None
            return False
        if self._unread_since is None:
            self._unread_since = self._last_read = now
            self._read_bytes = 0
            return False
        if unsent < before:
            self._read_bytes += before - unsent
            self._last_read = now
        allowed = self._bounds.read_seconds + self._read_bytes / self._bounds.read_rate
        if now - self._unread_since <= allowed:
            return False
        self.drop(f"{unsent} bytes of the response were not read within {allowed:.0f} s")
        return True

    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self._heads > 0 and not self.cycle.response_complete)

    # Callbacks of the event loop.

    # Transports of sockets can be written to, which asyncio's base class does not declare.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Record the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        self.address = client_address(self.client)
        if not self._all.admit(self):
            self._refuse(
                Fault(503, "too-many-connections", "too many connections are open; try again later")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self._all.forget(self)
        super().connection_lost(exc)
        self._ended = True
        self._held.clear()

    def resume_writing(self) -> None:
        """Record that the client has read data."""
        self._unread_since = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse received data."""
        if self._ended:
            return
        if self._held or self.pipeline:
            self._store_pipelined(data)
            return
        if self._in_head and not self._begun:
            self._begun = True
            self._since = self._all.now
        if len(data) <= _SLICE:
            self._parse(data)
        else:
            self._parse_in_slices(data)

    def _store_pipelined(self, data: bytes) -> None:
        """Store data until the requests before it are answered."""
        self._held += data
        if len(self._held) > _MOST_HELD_BYTES:
            self.drop("the client sends requests without waiting for responses")
            return
        self.flow.pause_reading()

    def _parse_in_slices(self, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest and not self._ended:
            if self.pipeline:
                self._store_pipelined(bytes(rest))
                return
            # Within a body of known length, larger slices cannot contain another request.
            size = _SLICE if self._in_head else min(self._body_left, _BODY_SLICE)
            size = size if size > 0 else _SLICE
            self._parse(rest[:size])
            rest = rest[size:]

    def _parse_held(self) -> None:
        if self._ended or self.pipeline:
            return
        held, self._held = self._held, bytearray()
        self._parse_in_slices(held)

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse a slice; refuse it if it exceeds a limit or is not HTTP."""
        heads, in_head = self._heads, self._in_head
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is supported: the response is the last one of the connection.
            self.cycle.keep_alive = False
            self._ended = True
            return
        except httptools.HttpParserError as error:
            too_long = isinstance(error.__context__, _TooLongError)
            self._refuse(self._too_long() if too_long else _MALFORMED)
            return
        if (heads, in_head) != (self._heads, self._in_head):
            self._raw = 0
            return
        self._raw += len(data)
        if in_head:
            if self._raw > self._most_bytes:
                self._refuse(self._too_long())
        elif self._raw > self._most_bytes + (1 + _CHUNK_OVERHEAD) * self._body_seen:
            self._refuse(_MALFORMED)

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._begun = True
        self._size = self._fields = self._body_left = 0

    def on_url(self, url: bytes) -> None:
        """Count and store a part of the target."""
        self._size += len(url)
        if self._size > self._most_bytes:
            raise _TooLongError
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header field and store it; trailers are only counted."""
        self._fields += 1
        self._size += len(name) + len(value) + _FIELD_OVERHEAD
        if self._size > self._most_bytes or self._fields > self._most_fields:
            raise _TooLongError
        if not self._in_head:
            return
        name = name.lower()
        self.headers.append((name, value))
        if name == b"content-length":
            self._body_left = int(value) if value.isdigit() else 0
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        """End a head."""
        super().on_headers_complete()  # raises if the target is invalid
        self._in_head = False
        self._heads += 1
        self._since = self._all.now
        self._body_seen = 0

    def on_body(self, body: bytes) -> None:
        """Count and pass on a part of a body."""
        self._body_seen += len(body)
        self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_head = True
        self._begun = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request, if it has arrived already."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._in_head:
            self._since = self._all.now
        self.flow.resume_reading()
        if self._ended and not self._in_head:
            self._linger()
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if self.pipeline:
            return
        if self._held:
            self.loop.call_soon(self._parse_held)
        elif self._refused_after is not None and not self._is_answering():
            self._answer(self._refused_after)

    # Refusal of a connection or request.

    def _refuse(self, fault: Fault) -> None:
        """Send a fault as a response as soon as possible, and process no more data."""
        self._ended = True
        self._held.clear()
        cycle = self.cycle
        if self._in_head:
            if self._is_answering():
                self._refused_after = fault
            else:
                self._answer(fault)
        elif cycle.response_complete:
            self.transport.close()
        elif cycle.response_started:
            self.drop(fault.detail)
        else:
            cast("dict[str, Any]", cycle.scope)["body_fault"] = fault
            # A late client sends no more; for others, closing would lose the response.
            cycle.keep_alive = fault.status != HTTPStatus.REQUEST_TIMEOUT
            cycle.message_event.set()

    def _answer(self, fault: Fault) -> None:
        """Send a response for data that never became a request."""
        self._all.counter.add("other", "(none)", fault.status, 0.0)
        request_id = uuid4().hex
        self._log("request refused", status=fault.status, reason=fault.kind, request_id=request_id)
        scheme = self.scheme or "http"
        scope: dict[str, Any] = {
            "type": "http",
            "path": "",
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "server": self.server,
            "scheme": scheme,
            "request_id": request_id,
        }
        answer = problem(Request(scope), fault.status, kind=fault.kind, detail=fault.detail)
        headers = (
            *self.server_state.default_headers,
            *answer.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
            *security_headers("", scheme, ()),
        )
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[fault.status] + lines + b"\r\n" + bytes(answer.body))
        self._linger()

    def _linger(self) -> None:
        """Close the sending side; incoming data is discarded until `look` closes the connection."""
        self._since = self._all.now
        self.transport.write_eof()

    def _too_long(self) -> Fault:
        return Fault(
            431,
            "request-header-fields-too-large",
            f"target and header fields may have {self._most_bytes} bytes and "
            f"{self._most_fields} fields",
        )

    def _log(self, event: str, **fields: object) -> None:
        structlog.get_logger().info(event, client=self.client and self.client[0], **fields)


_MALFORMED: Final = Fault(400, "bad-request", "the request is not valid HTTP/1.1")


def _head_late(seconds: float) -> Fault:
    return Fault(408, "request-timeout", f"the head did not arrive within {seconds:g} s")


def _body_late(seconds: float) -> Fault:
    return Fault(408, "request-timeout", f"the body did not arrive within {seconds:.0f} s")
