"""Admission control: a request takes a place once its body is in, and no caller may take all.

A caller is a key, or an address where no key was shown.
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

__all__ = ["Admission", "NoPlaceError", "Shares", "caller_of", "neighborhood"]

_WITHOUT_BODY: Final = frozenset({"GET", "OPTIONS"})
_OWN_PLACES: Final = ("/export", "/events")
"""Ends of the paths whose answers take as long as their readers: they have places of their own."""
_SMALL: Final = 2**16
"""Bytes of a body that are not counted: a connection may have as many in its buffer anyway."""
_RETRY_AFTER: Final = "1"
_NEIGHBORHOOD: Final = 64
"""Bits of an IPv6 address that tell callers apart; the others are the caller's to choose."""
_LONGEST_NAME: Final = 64


class Admission:
    """ASGI middleware that reads bodies, and refuses requests that are too many at a time.

    A body is read before its request takes a place, so that one that never comes takes none; what
    long bodies take together is bounded. An upload is passed on while it comes in and has a place
    of another kind.

    Args:
        app: What answers.
        requests: The places of requests in progress.
        uploads: The places of uploads.
        bodies: The bytes of long bodies.
        max_body: Bytes of a body.
        max_uploads: Bytes of an upload, by path.
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
        """Pass a request on, or refuse it."""
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
            await self._in_place(self._uploads, scope, _bounded(scope, receive, most), send)
        elif has_body:
            await self._with_body(scope, receive, send)
        elif path.endswith(_OWN_PLACES):
            await self._app(scope, receive, send)
        else:
            await self._in_place(self._requests, scope, receive, send)

    async def _in_place(self, places: Shares, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request in a place, or refuse it where there is none."""
        caller = caller_of(scope)
        try:
            places.take(caller)
        except NoPlaceError as error:
            await _busy(Request(scope), error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            places.give_back(caller)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request when its body is in."""
        body = _Body(self._bodies, caller_of(scope))
        try:
            try:
                async for piece in _pieces(scope, receive, self._max_body):
                    body.add(piece)
            except HTTPException as error:
                await _refused(Request(scope), error)(scope, receive, send)
                return
            except NoPlaceError as error:
                await _no_room(Request(scope), error)(scope, receive, send)
                return
            await self._in_place(self._requests, scope, body.replayed(receive), send)
        finally:
            body.forget()


class _Body:
    """A body in memory.

    Args:
        bytes_: Where its bytes are counted, if they are many.
        caller: Whose it is.
    """

    def __init__(self, bytes_: Shares, caller: str) -> None:
        self._bytes = bytes_
        self._caller = caller
        self._counted = 0
        self._content = bytearray()

    def add(self, piece: bytes) -> None:
        """Add what came.

        Raises:
            NoPlaceError: Long bodies have too many bytes already.
        """
        more = len(self._content) + len(piece) - _SMALL - self._counted
        if more > 0:
            self._bytes.take(self._caller, more)
            self._counted += more
        self._content += piece

    def replayed(self, receive: Receive) -> Receive:
        """Return a `receive` that returns the body, and then what `receive` does."""
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
        """Count the bytes no longer."""
        if self._counted:
            self._bytes.give_back(self._caller, self._counted)


async def _pieces(scope: Scope, receive: Receive, most: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes in.

    Raises:
        HTTPException: It is too long, or did not come.
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
    """Return a `receive` that refuses a body that is too long or does not come."""
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


def _busy(request: Request, error: NoPlaceError) -> Response:
    most = f"{error.most} of your requests are in progress"
    all_ = f"{error.most} requests are in progress, which is all at a time"
    return _too_many(request, error, of_caller=most, of_all=all_)


def _no_room(request: Request, error: NoPlaceError) -> Response:
    most = f"your bodies take more than {error.most} bytes"
    all_ = "the bodies of requests in progress take all memory there is for them"
    return _too_many(request, error, of_caller=most, of_all=all_)


def _too_many(request: Request, error: NoPlaceError, *, of_caller: str, of_all: str) -> Response:
    """Refuse a request for want of a place: its caller has too many, or all have."""
    if error.of_caller:
        status, kind = HTTPStatus.TOO_MANY_REQUESTS, "too-many-of-one-caller"
        title = "Too many requests of one caller at a time"
        detail = f"{of_caller}, which is a caller's share"
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
    return f"the body is longer than {max_body} bytes; send what it holds in smaller batches"


def caller_of(scope: Mapping[str, Any]) -> str:
    """Return what stands for the caller of a request: the name of its key or its address."""
    name = scope.get("key_name")
    return f"key {name}" if name else neighborhood(scope.get("client"))


def neighborhood(client: tuple[str, int] | None) -> str:
    """Return what stands for the caller at an address."""
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
        return str(ip_network((address, _NEIGHBORHOOD), strict=False))
    return host


class NoPlaceError(Exception):
    """There is no place.

    Attributes:
        most: How many there are for this caller.
        of_caller: Whether the caller itself has all that one may have.
    """

    def __init__(self, most: int, *, of_caller: bool) -> None:
        super().__init__(most)
        self.most = most
        self.of_caller = of_caller


class Shares:
    """A number of places. Belongs to one event loop.

    Args:
        most: How many there are.
        share: What part of them one caller may take; at least one.

    Attributes:
        most: How many there are.
        taken: How many are taken.
    """

    def __init__(self, most: int, share: float) -> None:
        self.most = most
        self._most_of_one = max(1, int(most * share))
        self.taken = 0
        self._by_caller: dict[str, int] = {}

    def take(self, caller: str, number: int = 1) -> None:
        """Take places.

        Raises:
            NoPlaceError: There are not as many; none is taken.
        """
        has = self._by_caller.get(caller, 0) + number
        if has > self._most_of_one < self.most:
            raise NoPlaceError(self._most_of_one, of_caller=True)
        if self.taken + number > self.most:
            raise NoPlaceError(self.most, of_caller=False)
        self.taken += number
        self._by_caller[caller] = has

    def give_back(self, caller: str, number: int = 1) -> None:
        """Give back places that the caller has."""
        self.taken -= number
        has = self._by_caller[caller] - number
        if has:
            self._by_caller[caller] = has
        else:
            del self._by_caller[caller]
