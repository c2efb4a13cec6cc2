"""HTTP protocol with limits: uvicorn's own has none on header size, time or rate.

Bytes are counted before they are kept: 64 KiB and 100 fields of headers, else 431. Headers and
bodies have deadlines and least rates, else 408. A client that does not read its response is cut
off. A refused request gets a problem as its response where the protocol still allows one.
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

from service.http.admission import neighborhood
from service.http.connections import Connections
from service.http.problems import problem
from service.http.request_middleware import security_headers

__all__ = ["BoundedHttpProtocol", "Fault"]

_SLICE: Final = 1024
"""Bytes of a head that are parsed at a time, so that few requests come out of them at once."""
_BODY_SLICE: Final = 2**16
_HELD: Final = 2**20
"""Bytes that may wait until the requests before them are answered."""
_SPACE_A_BYTE: Final = 8
"""Bytes that the chunks of a body may take for each byte in them: one byte a chunk takes six."""
_LINGER_SECONDS: Final = 2.0
"""In which what still comes is thrown away: a connection closed before that loses the answer."""
_FIELD_OVERHEAD: Final = 4
"""Bytes of a header line that are neither its name nor its value."""

_HEAD, _IDLE, _BODY = range(3)
"""What a connection waits for, the first to go first where there are too many."""


class Fault(NamedTuple):
    """A refusal of a request that is still coming in: status and reason.

    Attributes:
        status: Of the answer.
        kind: Of the problem.
        detail: Of the problem.
    """

    status: int
    kind: str
    detail: str


class _TooLongError(Exception):
    """Stops the parser: a limit is exceeded."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection.

    Where a body is late or broken while its request waits for it, the `Fault` is in the scope as
    `body_fault`, and `receive` returns: whoever reads the body answers it.

    Args:
        config: Of the server.
        server_state: Of the server.
        app_state: Has the `Connections` as `connections`.
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
        self._in_head = True  # and not in the body or the trailers of a request
        self._begun = False  # whether anything of a head is there
        self._size = 0  # of a head, what of it is kept
        self._fields = 0
        self._raw = 0  # bytes since a head or a body began, counted by slices
        self._heads = 0
        self._body_left = 0
        self._body_seen = 0
        self._held = bytearray()
        self._refused_after: Fault | None = None
        self._ended = False  # whether nothing more is read
        self._dropped = False
        self._unsent_before = 0
        self._unread_since: float | None = None
        self._read_bytes = 0
        self._last_read = 0.0

    # What the connections of a worker look at.

    @property
    def waits_for(self) -> int | None:
        """What the other end should do next; None where it waits for its answer."""
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
        """When it began to wait for that, by the clock of the connections."""
        return self._since

    @property
    def unsent(self) -> int:
        """Bytes that wait for the other end to read, as of the last look."""
        return self._unsent_before

    @property
    def stalled(self) -> float:
        """Seconds in which it has read none of them."""
        return self._all.now - self._last_read if self._unread_since is not None else 0.0

    def drop(self, reason: str) -> None:
        """Close the connection at once."""
        self._log("connection closed", reason=reason)
        self._ended = self._dropped = True
        self._all.forget(self)
        self.transport.abort()

    def look(self, step: float) -> None:
        """Close the connection if a deadline has passed."""
        if self._reader_is_late() or self.transport.is_closing():
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
            self._since += step  # it is the service that keeps the sender waiting
            return
        allowed = self._bounds.body_seconds
        if not self.cycle.response_complete:
            allowed += self._body_seen / self._bounds.body_rate
        if self._all.now - self._since > allowed:
            self._refuse(_body_late(allowed))

    def _reader_is_late(self) -> bool:
        """Close the connection where the other end does not read; return whether it was closed."""
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
        self.drop(f"{unsent} bytes of the answer were not read within {allowed:.0f} s")
        return True

    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self._heads > 0 and not self.cycle.response_complete)

    # What the event loop tells.

    # A socket's transport is one that can be written to, which asyncio's base class leaves open.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.address = neighborhood(self.client)
        if not self._all.admit(self):
            self._refuse(
                Fault(503, "too-many-connections", "too many connections are open; try again later")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.forget(self)
        super().connection_lost(exc)
        self._ended = True
        self._held.clear()

    def resume_writing(self) -> None:
        """Take note that the other end has read."""
        self._unread_since = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._ended:
            return
        if self._held or self.pipeline:
            self._hold(data)
            return
        if self._in_head and not self._begun:
            self._begun = True
            self._since = self._all.now
        if len(data) <= _SLICE:
            self._parse(data)
        else:
            self._parse_in_slices(data)

    def _hold(self, data: bytes) -> None:
        """Keep what came until the requests before it are answered."""
        self._held += data
        if len(self._held) > _HELD:
            self.drop("it sends on and on without waiting for answers")
            return
        self.flow.pause_reading()

    def _parse_in_slices(self, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest and not self._ended:
            if self.pipeline:
                self._hold(bytes(rest))
                return
            # The rest of a body of known length has no end of a request in it but its own.
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
        """Parse a slice, and refuse what is over a bound or no HTTP."""
        heads, in_head = self._heads, self._in_head
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing here speaks another protocol: the answer is the last of the connection.
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
        elif self._raw > self._most_bytes + (1 + _SPACE_A_BYTE) * self._body_seen:
            self._refuse(_MALFORMED)

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._begun = True
        self._size = self._fields = self._body_left = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._size += len(url)
        if self._size > self._most_bytes:
            raise _TooLongError
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; those after a body are counted and not kept."""
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
        super().on_headers_complete()  # which may find that the address is none
        self._in_head = False
        self._heads += 1
        self._since = self._all.now
        self._body_seen = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_seen += len(body)
        self._body_left -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_head = True
        self._begun = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, if it is there already."""
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

    # How a connection is refused.

    def _refuse(self, fault: Fault) -> None:
        """Answer a fault as soon as the protocol allows it, and read nothing more."""
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
            # One who is late sends no more; to others the answer would be lost in a reset.
            cycle.keep_alive = fault.status != HTTPStatus.REQUEST_TIMEOUT
            cycle.message_event.set()

    def _answer(self, fault: Fault) -> None:
        """Answer what never became a request."""
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
        """End the answers; what still comes is thrown away for a while, then `look` closes."""
        self._since = self._all.now
        self.transport.write_eof()

    def _too_long(self) -> Fault:
        return Fault(
            431,
            "request-header-fields-too-large",
            f"address and header fields may have {self._most_bytes} bytes and "
            f"{self._most_fields} fields",
        )

    def _log(self, event: str, **fields: object) -> None:
        structlog.get_logger().info(event, client=self.client and self.client[0], **fields)


_MALFORMED: Final = Fault(400, "bad-request", "this is no HTTP/1.1")


def _head_late(seconds: float) -> Fault:
    return Fault(408, "request-timeout", f"the head did not come within {seconds:g} s")


def _body_late(seconds: float) -> Fault:
    return Fault(408, "request-timeout", f"the body did not come within {seconds:.0f} s")
