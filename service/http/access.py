"""Who may ask: by which host name, with which key, from which pages, and how often.

Host names are checked against DNS rebinding (a page whose name resolves to this machine sends
requests here, with that name in `Host`), origins against cross-site requests (a page of another
site, which `Origin` names).

The rate of a caller is that of a sliding window: the count of the present window and a share of the
one before, two numbers a caller instead of the time of every request. Where there is Redis, all
workers and replicas count in it. While it does not answer, each worker counts alone: nobody is
refused because a counter is out of order, and the limits stay; a caller may then ask as often as
the limit says of every worker. Its library is loaded where a rate is set, and not before.
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
from service.http.admission import neighborhood
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
            and not scope["path"].startswith(WORKER_ROUTES)
            and self._limits is None
            and b"authorization" not in scope["headers_by_name"]
            and self._is_called_rightly(scope)
        )

    def _is_called_rightly(self, scope: Scope) -> bool:
        """Tell whether the service may be called by the name that a request has for it."""
        address, _ = scope.get("server") or (None, None)
        called = [value for name, value in scope["headers"] if name == b"host"]
        return self._hosts.trusts(called, address=address, keyed=self._keys.configured)

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


_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{0,5}))?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_LOCAL_NAME: Final = "localhost"


class _Authority(NamedTuple):
    """A host and, where it is stated, a port."""

    host: str
    port: str


class TrustedHosts:
    """Some names, or all.

    Args:
        names: With commas between them; `*` trusts all, `*.lab.example` all below one. None trusts
            all, but on a loopback address without keys, where it trusts none but local ones.
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
        """Tell whether a request may call the service as it does, whatever the port.

        Args:
            called: Its Host headers; more than one is never right.
            address: The address of this machine that the request came to; None if there is none.
            keyed: Tells whether changes need a key; asked where it matters.
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
    """Tell whether a page is one of this service's.

    Args:
        origin: The header of the request that says where the page is from (RFC 6454, section 7).
        scheme: How the service is called: `http` or `https`.
        host: As what it is called: the Host header.
    """
    stated_scheme, _, stated = origin.decode("latin-1").partition("://")
    found, own = _authority(stated.encode("latin-1")), _authority(host)
    if found is None or own is None or stated_scheme.lower() != scheme:
        return False
    default = _DEFAULT_PORTS.get(scheme, "")
    return (found.host, found.port or default) == (own.host, own.port or default)


@lru_cache(maxsize=256)
def _authority(text: bytes) -> _Authority | None:
    """Return what a Host header says, in small letters and without brackets; None for nonsense."""
    match = _AUTHORITY.fullmatch(text.decode("latin-1"))
    return match and _Authority(match[1].strip("[]").lower(), match[2] or "")


@lru_cache(maxsize=256)
def _is_loopback(address: str | None) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    # A socket of IPv6 that takes IPv4 as well tells its addresses in this form.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def is_local(host: str) -> bool:
    """Tell whether a name or an address is one of this machine's own, whoever asks."""
    return host == _LOCAL_NAME or _is_loopback(host)


_REDIS_PATIENCE: Final = 0.25
"""Seconds that Redis may take: a request waits for it."""
_SECONDS_ALONE: Final = 5.0
"""Seconds after which a Redis that did not answer is asked again."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """That someone asked too often.

    Attributes:
        limit: How many requests are allowed.
        window: In how many seconds.
        retry_after: Seconds after which one is allowed again.
        policy: Whose requests are counted together: `key` or `address`.
    """

    limit: int
    window: int
    retry_after: int
    policy: str

    @property
    def described(self) -> str:
        """What is allowed, in words."""
        return f"{self.limit} requests in {self.window} s"

    def headers(self) -> dict[str, str]:
        """Return the headers that tell programs, as draft-ietf-httpapi-ratelimit-headers has it."""
        return {
            "Retry-After": str(self.retry_after),
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.policy}";r=0;t={self.retry_after}',
        }


class RateLimits:
    """The counts of callers.

    Args:
        per_key: Requests of one key, as `limits` writes it: `1000/minute`; None for any number.
        per_address: Requests without a key from one address; None for any number.
        redis_url: Redis in which to count; None to count in this process.
    """

    def __init__(
        self, *, per_key: str | None, per_address: str | None, redis_url: str | None
    ) -> None:
        from limits import parse  # noqa: PLC0415 - slow to load, and most servers have no limit
        from limits.aio.storage import MemoryStorage  # noqa: PLC0415
        from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

        self._per_key = parse(per_key) if per_key else None
        self._per_address = parse(per_address) if per_address else None
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._together = SlidingWindowCounterRateLimiter(_redis(redis_url)) if redis_url else None
        self._alone_until = 0.0

    async def count(self, key: Key | None, client: tuple[str, int] | None) -> Refusal | None:
        """Count a request; return why it is refused where it is."""
        from limits.errors import StorageError  # noqa: PLC0415 - loaded by then

        if key is not None:
            limit, policy, caller = self._per_key, "key", key.id
        else:
            limit, policy, caller = self._per_address, "address", neighborhood(client)
        if limit is None:
            return None
        if self._together is not None and time.monotonic() >= self._alone_until:
            try:
                return await _refusal(self._together, limit, policy, caller)
            except StorageError as error:
                self._alone_until = time.monotonic() + _SECONDS_ALONE
                structlog.get_logger().warning(
                    "Redis does not answer: each worker counts requests alone",
                    reason=type(error.storage_error).__name__,
                )
        return await _refusal(self._alone, limit, policy, caller)


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

    # `limits` has names of its own for the same addresses.
    address = f"redis+{url}" if url.startswith("unix://") else url
    storage = storage_from_string(
        f"async+{address}",
        wrap_exceptions=True,
        implementation="redispy",
        socket_timeout=_REDIS_PATIENCE,
        socket_connect_timeout=_REDIS_PATIENCE,
    )
    assert isinstance(storage, Storage)  # noqa: S101 - the address says so
    return storage
