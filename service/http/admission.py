"""Admission control: limits on concurrent requests, uploads and body bytes, shared by callers.

A caller is an API key, or an address if the request has no key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.required_scopes import OPEN
from service.http.problems import problem

__all__ = ["Admission", "NoSlotError", "Shares", "caller_of", "client_address"]

_WITHOUT_BODY: Final = frozenset({"GET", "OPTIONS"})
_STREAM_ENDINGS: Final = ("/export", "/events")
"""Ends of paths whose responses last as long as the client reads; they have limits of their own."""
_SMALL: Final = 2**16
"""Bytes of a body that are not counted, as a connection may buffer as many anyway."""
_RETRY_AFTER: Final = "1"
_IPV6_PREFIX_BITS: Final = 64
"""Prefix length of IPv6 addresses that counts as one caller, who may choose the other bits."""
_LONGEST_NAME: Final = 64


class Admission:
    """ASGI middleware that reads bodies, and refuses requests above the limits.

    A body is read before its request takes a slot, so that a body that never arrives takes none;
    the bytes of all long bodies are bounded. Uploads are streamed to the application and have slots
    of their own.

    Args:
        app: The inner application.
        requests: The slots of concurrent requests.
        uploads: The slots of concurrent uploads.
        bodies: The bytes of long bodies.
        max_body: The largest body in bytes.
        max_uploads: The largest upload in bytes, by path.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        requests: Shares,
        uploads: Shares,
        bodies: Shares,
        max_body: int,
        max_uploads: Mapping[str, int],
    ) -> None:
        self._app = app
        self._requests = requests
        self._uploads = uploads
        self._bodies = bodies
        self._max_body = max_body
        self._max_uploads = dict(max_uploads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request or refuse it."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        has_body = scope["method"] not in _WITHOUT_BODY
        upload = self._max_uploads.get(path) if has_body else None
        most = upload or self._max_body
        declared = scope["headers_by_name"].get(b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > most:
            await _too_large(Request(scope), most)(scope, receive, send)
            return
        if upload is not None:
            await self._in_slot(self._uploads, scope, _bounded(scope, receive, most), send)
        elif has_body:
            await self._with_body(scope, receive, send)
        elif path.endswith(_STREAM_ENDINGS):
            await self._app(scope, receive, send)
        else:
            await self._in_slot(self._requests, scope, receive, send)

    async def _in_slot(self, places: Shares, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request in a slot, or refuse it if none is free."""
        caller = caller_of(scope)
        try:
            places.take(caller)
        except NoSlotError as error:
            await _busy(Request(scope), error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            places.release(caller)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of a request and then handle the request."""
        body = _Body(self._bodies, caller_of(scope))
        try:
            try:
                async for piece in _pieces(scope, receive, self._max_body):
                    body.add(piece)
            except HTTPException as error:
                await _refused(Request(scope), error)(scope, receive, send)
                return
            except NoSlotError as error:
                await _bodies_full(Request(scope), error)(scope, receive, send)
                return
            await self._in_slot(self._requests, scope, body.replayed(receive), send)
        finally:
            body.forget()


class _Body:
    """A body in memory, whose bytes are counted if it is long.

    Args:
        bytes_: The counter of the bytes of long bodies.
        caller: The sender.
    """

    def __init__(self, bytes_: Shares, caller: str) -> None:
        self._bytes = bytes_
        self._caller = caller
        self._counted = 0
        self._content = bytearray()

    def add(self, piece: bytes) -> None:
        """Append received bytes.

        Raises:
            NoSlotError: Long bodies take too many bytes already.
        """
        more = len(self._content) + len(piece) - _SMALL - self._counted
        if more > 0:
            self._bytes.take(self._caller, more)
            self._counted += more
        self._content += piece

    def replayed(self, receive: Receive) -> Receive:
        """Return a `receive` that first returns the whole body, then calls `receive`."""
        content: bytes | None = bytes(self._content)
        self._content.clear()

        async def replay() -> Message:
            nonlocal content
            if content is None:
                return await receive()
            whole, content = content, None
            return {"type": "http.request", "body": whole, "more_body": False}

        return replay

    def forget(self) -> None:
        """Stop counting the bytes."""
        if self._counted:
            self._bytes.release(self._caller, self._counted)


async def _pieces(scope: Scope, receive: Receive, most: int) -> AsyncIterator[bytes]:
    """Yield a body as it arrives.

    Raises:
        HTTPException: The body is too long or incomplete.
    """
    take = _bounded(scope, receive, most)
    while True:
        message = await take()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the body broke off")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _bounded(scope: Scope, receive: Receive, most: int) -> Receive:
    """Return a `receive` that raises if the body is too long or does not arrive."""
    received = 0

    async def take() -> Message:
        nonlocal received
        message = await receive()
        fault = scope.get("body_fault")
        if fault is not None:
            close = {"Connection": "close"} if fault.status == HTTPStatus.REQUEST_TIMEOUT else None
            raise HTTPException(fault.status, fault.detail, headers=close)
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, _too_large_detail(most))
        return message

    return take


def _refused(request: Request, error: HTTPException) -> Response:
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(
        request, error.status_code, kind=kind, detail=error.detail, headers=error.headers
    )


def _busy(request: Request, error: NoSlotError) -> Response:
    most = f"{error.most} of your requests are in progress"
    all_ = f"the server handles its maximum of {error.most} requests at a time"
    return _too_many(request, error, of_caller=most, of_all=all_)


def _bodies_full(request: Request, error: NoSlotError) -> Response:
    most = f"your bodies take more than {error.most} bytes"
    all_ = "the bodies of requests in progress take all memory that is allowed for them"
    return _too_many(request, error, of_caller=most, of_all=all_)


def _too_many(request: Request, error: NoSlotError, *, of_caller: str, of_all: str) -> Response:
    """Return the refusal of a request for which there is no slot, for its caller or for anyone."""
    if error.of_caller:
        status, kind = HTTPStatus.TOO_MANY_REQUESTS, "too-many-of-one-caller"
        title = "Too many requests of one caller at a time"
        detail = f"{of_caller}, which is the share of one caller"
    else:
        status, kind = HTTPStatus.SERVICE_UNAVAILABLE, "too-many-requests-at-a-time"
        title, detail = "Too many requests at a time", of_all
    return problem(
        request,
        status,
        kind=kind,
        title=title,
        detail=f"{detail}; ask again later",
        headers={"Retry-After": _RETRY_AFTER},
    )


def _too_large(request: Request, max_body: int) -> Response:
    return problem(request, 413, kind="content-too-large", detail=_too_large_detail(max_body))


def _too_large_detail(max_body: int) -> str:
    return f"the body is longer than {max_body} bytes; send its content in smaller batches"


def caller_of(scope: Mapping[str, Any]) -> str:
    """Return the caller of a request: the name of its key, or its address."""
    name = scope.get("key_name")
    return f"key {name}" if name else client_address(scope.get("client"))


def client_address(client: tuple[str, int] | None) -> str:
    """Return the address of a client, or its network for IPv6."""
    host = client[0] if client else ""
    if ":" not in host:
        return host[:_LONGEST_NAME]
    try:
        address = ip_address(host)
    except ValueError:
        return host[:_LONGEST_NAME]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))
    return host


class NoSlotError(Exception):
    """No slot is free.

    Attributes:
        most: The number of slots for this caller.
        of_caller: Whether the caller itself uses all of its slots.
    """

    def __init__(self, most: int, *, of_caller: bool) -> None:
        super().__init__(most)
        self.most = most
        self.of_caller = of_caller


class Shares:
    """A number of slots, of which one caller may take a share. Belongs to one event loop.

    Args:
        most: The number of slots.
        share: The fraction that one caller may take; at least one slot.

    Attributes:
        most: The number of slots.
        taken: The number of slots in use.
    """

    def __init__(self, most: int, share: float) -> None:
        self.most = most
        self._most_of_one = max(1, int(most * share))
        self.taken = 0
        self._by_caller: dict[str, int] = {}

    def take(self, caller: str, number: int = 1) -> None:
        """Take slots.

        Raises:
            NoSlotError: Too few are free; none is taken.
        """
        has = self._by_caller.get(caller, 0) + number
        if has > self._most_of_one < self.most:
            raise NoSlotError(self._most_of_one, of_caller=True)
        if self.taken + number > self.most:
            raise NoSlotError(self.most, of_caller=False)
        self.taken += number
        self._by_caller[caller] = has

    def release(self, caller: str, number: int = 1) -> None:
        """Release slots of a caller."""
        self.taken -= number
        has = self._by_caller[caller] - number
        if has:
            self._by_caller[caller] = has
        else:
            del self._by_caller[caller]
