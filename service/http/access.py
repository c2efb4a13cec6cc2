"""Access control of requests: host names, API keys, origins and rate limits.

Host names are checked against DNS rebinding, where a page's host name resolves to this machine and
appears in `Host`. Origins are checked against cross-site requests, where `Origin` names another
site.

Rates use a sliding window counter: the count of the current window plus a share of the previous
one, two numbers per caller instead of the time of every request. With Redis, all workers and
replicas share the counts. While Redis does not answer, each worker counts alone: no request is
refused because of the failure, but a caller may reach its limit in every worker. The library
`limits` is imported only if a rate is set.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.keys import Key, KeyRing, KeyScope
from service.access.required_scopes import OPEN, WORKER_ROUTES, required_scope
from service.http.admission import client_address
from service.http.problems import problem

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.storage import Storage
    from limits.aio.strategies import SlidingWindowCounterRateLimiter

__all__ = ["Access", "RateLimits", "Refusal", "TrustedHosts", "is_local", "is_own_origin"]

_BEARER: Final = b"bearer "
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="nas-bench-service"'}
_SAME_SITE: Final = frozenset({b"same-origin", b"none"})


class Access:
    """ASGI middleware that refuses requests without access, before anything else sees them.

    If keys are configured, a key that is sent is always checked, even where none is needed, so that
    its owner learns that it is invalid. Missing, malformed, wrong and revoked keys get the same
    response.

    Args:
        app: The inner application.
        keys: The valid keys.
        reading_open: Whether reading needs no key.
        hosts: The host names by which the service may be called.
        limits: The rate limits; None: no limits.
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
        """Handle a request or refuse it."""
        if scope["type"] == "http" and not self._is_free(scope):
            refused = await self._refusal(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_free(self, scope: Scope) -> bool:
        """Tell whether a request needs no check; the common case, decided quickly."""
        if scope["path"] in OPEN:
            return True
        return (
            scope["method"] in self._free_methods
            and not scope["path"].startswith(WORKER_ROUTES)
            and self._limits is None
            and b"authorization" not in scope["headers_by_name"]
            and self._has_trusted_host(scope)
        )

    def _has_trusted_host(self, scope: Scope) -> bool:
        """Tell whether the Host header of a request is trusted."""
        address, _ = scope.get("server") or (None, None)
        called = [value for name, value in scope["headers"] if name == b"host"]
        return self._hosts.trusts(called, address=address, keyed=self._keys.configured)

    async def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is refused; None: it is not."""
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        shown = [value for name, value in headers if name == b"authorization"]
        if not self._has_trusted_host(scope):
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
        return self._key_refusal(scope, key, needed, shown=bool(shown)) if configured else None

    def _key(self, shown: list[bytes]) -> Key | None:
        """Return the valid key of an Authorization header."""
        # Malformed headers are looked up like keys, so that they take as long.
        bearer = len(shown) == 1 and shown[0][: len(_BEARER)].lower() == _BEARER
        return self._keys.find(shown[0][len(_BEARER) :].decode("latin-1") if bearer else "")

    def _key_refusal(
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
                detail=f"this needs a key of scope {needed}, and yours has scope {key.scope}",
            )
        free = needed is None or (self._reading_open and needed == "read")
        return None if free and not shown else _unknown_key(Request(scope))


def _is_of_another_site(scope: Scope) -> bool:
    """Tell whether a browser sends the request for a page of another site."""
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
        detail="pages of other sites may not send this request",
    )


def _unknown_key(request: Request) -> Response:
    return problem(
        request,
        401,
        kind="key-needed",
        title="Key needed",
        detail="send `Authorization: Bearer KEY` with a valid key of this service; "
        "`nbs keys create` makes one",
        headers=_CHALLENGE,
    )


def _wrong_host(request: Request) -> Response:
    return problem(
        request,
        400,
        kind="unknown-host",
        title="Unknown host",
        detail="the Host header does not name this service; NASBENCH_TRUSTED_HOSTS lists its names",
    )


def _too_many(request: Request, refusal: Refusal) -> Response:
    return problem(
        request,
        429,
        kind="too-many-requests",
        title="Too many requests",
        detail=f"{refusal.described} are allowed; retry after {refusal.retry_after} s",
        headers=refusal.headers(),
    )


_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_LOCAL_NAME: Final = "localhost"


class _Authority(NamedTuple):
    """A host and, if stated, a port."""

    host: str
    port: str


class TrustedHosts:
    """The host names by which the service may be called.

    Args:
        names: Separated by commas; `*` trusts all names, `*.lab.example` all below a domain. None
            trusts all, except on a loopback address without keys, where only local names are
            trusted.
    """

    def __init__(self, names: str | None) -> None:
        listed = {name.strip().lower() for name in (names or "").split(",")} - {""}
        self._all_trusted = "*" in listed
        self._stated = bool(listed)
        self._exact = frozenset(name for name in listed if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in listed if name.startswith("*."))

    def trusts(
        self, called: list[bytes], *, address: str | None, keyed: Callable[[], bool]
    ) -> bool:
        """Tell whether a Host header is trusted, whatever its port.

        Args:
            called: The Host headers of a request; more than one is never trusted.
            address: The local address that received the request; None if there is none.
            keyed: Tells whether changes need a key; called only if it matters.
        """
        if len(called) > 1:
            return False
        local = _is_loopback(address)
        if self._all_trusted or not (self._stated or local):
            return True
        authority = _authority(called[0]) if called else None
        own = local and authority is not None and is_local(authority.host)
        if not self._stated:
            return own or keyed()
        if own and not keyed():
            return True
        if authority is None:
            return False
        return authority.host in self._exact or authority.host.endswith(self._endings)


def is_own_origin(origin: bytes, *, scheme: str, host: bytes) -> bool:
    """Tell whether the origin of a request is this service.

    Args:
        origin: The Origin header (RFC 6454, section 7).
        scheme: The scheme of the request: `http` or `https`.
        host: The Host header.
    """
    stated_scheme, _, stated = origin.decode("latin-1").partition("://")
    found, own = _authority(stated.encode("latin-1")), _authority(host)
    if found is None or own is None or stated_scheme.lower() != scheme:
        return False
    default = _DEFAULT_PORTS.get(scheme, "")
    return (found.host, found.port or default) == (own.host, own.port or default)


@lru_cache(maxsize=256)
def _authority(text: bytes) -> _Authority | None:
    """Parse a Host header: lower case, without brackets; None if it is malformed."""
    match = _AUTHORITY.fullmatch(text.decode("latin-1"))
    return match and _Authority(match[1].strip("[]").lower(), match[2] or "")


@lru_cache(maxsize=256)
def _is_loopback(address: str | None) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
        # Dual-stack IPv6 sockets report IPv4 addresses in this form.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def is_local(host: str) -> bool:
    """Tell whether a host name or address is local to every machine, such as localhost."""
    return host == _LOCAL_NAME or _is_loopback(host)


_REDIS_TIMEOUT: Final = 0.25
"""Timeout of Redis in seconds, as a request waits for it."""
_REDIS_RETRY_SECONDS: Final = 5.0
"""Seconds after a failure of Redis before it is asked again."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A request that exceeds a rate limit.

    Attributes:
        limit: Number of allowed requests.
        window: Length of the window in seconds.
        retry_after: Seconds until a request is allowed again.
        policy: What is counted: `key` or `address`.
    """

    limit: int
    window: int
    retry_after: int
    policy: str

    @property
    def described(self) -> str:
        """The limit in words."""
        return f"{self.limit} requests in {self.window} s"

    def headers(self) -> dict[str, str]:
        """Return the response headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "Retry-After": str(self.retry_after),
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.policy}";r=0;t={self.retry_after}',
        }


class RateLimits:
    """Rate limits per key and per address.

    Args:
        per_key: Limit of a key in the notation of `limits`, such as `1000/minute`; None: no limit.
        per_address: Limit of an address for requests without a key; None: no limit.
        redis_url: Redis with the counts; None to count in this process.
    """

    def __init__(
        self, *, per_key: str | None, per_address: str | None, redis_url: str | None
    ) -> None:
        from limits import parse  # noqa: PLC0415 - slow to import, and most servers have no limit
        from limits.aio.storage import MemoryStorage  # noqa: PLC0415
        from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

        self._per_key = parse(per_key) if per_key else None
        self._per_address = parse(per_address) if per_address else None
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = SlidingWindowCounterRateLimiter(_redis(redis_url)) if redis_url else None
        self._local_until = 0.0

    async def count(self, key: Key | None, client: tuple[str, int] | None) -> Refusal | None:
        """Count a request; return the refusal if it exceeds the limit."""
        from limits.errors import StorageError  # noqa: PLC0415 - imported by then

        if key is not None:
            limit, policy, caller = self._per_key, "key", key.id
        else:
            limit, policy, caller = self._per_address, "address", client_address(client)
        if limit is None:
            return None
        if self._shared is not None and time.monotonic() >= self._local_until:
            try:
                return await _refusal(self._shared, limit, policy, caller)
            except StorageError as error:
                self._local_until = time.monotonic() + _REDIS_RETRY_SECONDS
                structlog.get_logger().warning(
                    "Redis does not answer: each worker counts requests alone",
                    reason=type(error.storage_error).__name__,
                )
        return await _refusal(self._local, limit, policy, caller)


async def _refusal(
    counter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, policy: str, caller: str
) -> Refusal | None:
    if await counter.hit(limit, "nasbench", policy, caller):
        return None
    window = await counter.get_window_stats(limit, "nasbench", policy, caller)
    return Refusal(
        limit=limit.amount,
        window=limit.get_expiry(),
        retry_after=max(1, math.ceil(window.reset_time - time.time())),
        policy=policy,
    )


def _redis(url: str) -> Storage:
    from limits.aio.storage import Storage  # noqa: PLC0415 - as above
    from limits.storage import storage_from_string  # noqa: PLC0415

    # `limits` has another scheme for Unix sockets.
    address = f"redis+{url}" if url.startswith("unix://") else url
    storage = storage_from_string(
        f"async+{address}",
        wrap_exceptions=True,
        implementation="redispy",
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
    )
    assert isinstance(storage, Storage)  # noqa: S101 - the address says so
    return storage
