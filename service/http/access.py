"""Lets through who may ask: the host called, the key shown, what it allows, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.callers import RateLimits, Refusal
from service.access.keys import Key, KeyRing, KeyScope
from service.access.required_scopes import OPEN, required_scope
from service.access.trusted_hosts import TrustedHosts, is_own_origin
from service.http.problems import problem

__all__ = ["Access"]

_BEARER: Final = b"bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="nas-bench-service"'}
_SAME_SITE: Final = frozenset({b"same-origin", b"none"})


class Access:
    """ASGI middleware that refuses what a request may not have, before anything looks at it.

    A key that is shown is looked at wherever keys are configured, even where none is needed: who
    believes to be known should learn that he is not. Missing, malformed, wrong and revoked keys
    get the same answer.

    Args:
        app: What answers the requests let through.
        keys: The keys that are taken.
        reading_open: Whether reading needs no key.
        hosts: The names by which the service may be called.
        limits: How often one may ask; None for no limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyRing,
        reading_open: bool,
        hosts: TrustedHosts,
        limits: RateLimits | None,
    ) -> None:
        self._app = app
        self._keys = keys
        self._free_methods = frozenset({"GET", "HEAD"} if reading_open else ())
        self._reading_open = reading_open
        self._hosts = hosts
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not self._is_free(scope):
            refused = await self._refusal(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_free(self, scope: Scope) -> bool:
        """Tell whether nothing about a request has to be looked at: the usual case, told fast."""
        if scope["path"] in OPEN:
            return True
        return (
            scope["method"] in self._free_methods
            and self._limits is None
            and b"authorization" not in scope["headers_by_name"]
            and self._is_called_rightly(scope)
        )

    def _is_called_rightly(self, scope: Scope) -> bool:
        """Tell whether the service may be called by the name that a request has for it."""
        address, _ = scope.get("server") or (None, None)
        called = [value for name, value in scope["headers"] if name == b"host"]
        return self._hosts.trusts(called, address=address, keyed=self._keys.configured())

    async def _refusal(self, scope: Scope) -> Response | None:
        """Return what to answer to a request that is refused."""
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        shown = [value for name, value in headers if name == b"authorization"]
        if not self._is_called_rightly(scope):
            return _wrong_host(Request(scope))
        configured = self._keys.configured()
        key = self._key(shown) if configured else None
        scope["key_name"] = key and key.name
        if self._limits is not None:
            refusal = await self._limits.count(key, scope.get("client"))
            if refusal is not None:
                return _too_many(Request(scope), refusal)
        needed = required_scope(scope["method"], scope["path"])
        if needed not in {None, KeyScope.READ} and _is_of_another_site(scope):
            return _cross_site(Request(scope))
        return self._keyed(scope, key, needed, shown=bool(shown)) if configured else None

    def _key(self, shown: list[bytes]) -> Key | None:
        """Return the key that is shown and taken."""
        # What is no key is looked for like any other, which takes as long.
        bearer = len(shown) == 1 and shown[0][: len(_BEARER)].lower() == _BEARER
        return self._keys.find(shown[0][len(_BEARER) :].decode("latin-1") if bearer else "")

    def _keyed(
        self, scope: Scope, key: Key | None, needed: KeyScope | None, *, shown: bool
    ) -> Response | None:
        if key is not None:
            if needed is None or key.scope.allows(needed):
                return None
            return problem(
                Request(scope),
                403,
                kind="scope-too-small",
                title="Scope too small",
                detail=f"this needs a key of scope {needed}, and yours is of scope {key.scope}",
            )
        free = needed is None or (self._reading_open and needed == "read")
        return None if free and not shown else _unknown_key(Request(scope))


def _is_of_another_site(scope: Scope) -> bool:
    """Tell whether a browser asks for a page that is none of this service's."""
    called: bytes = scope["headers_by_name"].get(b"host", b"")
    for name, value in scope["headers"]:
        if name == b"sec-fetch-site" and value not in _SAME_SITE:
            return True
        if name == b"origin" and not is_own_origin(value, scheme=scope["scheme"], host=called):
            return True
    return False


def _cross_site(request: Request) -> Response:
    return problem(
        request,
        403,
        kind="cross-site",
        title="Request of another site",
        detail="a page of another site may not ask for this",
    )


def _unknown_key(request: Request) -> Response:
    return problem(
        request,
        401,
        kind="key-needed",
        title="Key needed",
        detail="send `Authorization: Bearer KEY` with a key of this service; "
        "`nbs keys create` makes one",
        headers=_CHALLENGE,
    )


def _wrong_host(request: Request) -> Response:
    return problem(
        request,
        400,
        kind="unknown-host",
        title="Unknown host",
        detail="this service is not called by the name in the Host header; NASBENCH_TRUSTED_HOSTS "
        "says by which",
    )


def _too_many(request: Request, refusal: Refusal) -> Response:
    return problem(
        request,
        429,
        kind="too-many-requests",
        title="Too many requests",
        detail=f"{refusal.described} are allowed; ask again in {refusal.retry_after} s",
        headers=refusal.headers(),
    )
