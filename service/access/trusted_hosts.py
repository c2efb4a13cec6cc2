"""Host names that the service answers to, and origins of browser pages that may change something.

Against DNS rebinding (a page whose name resolves to this machine sends requests here, with that
name in `Host`) and cross-site requests (a page of another site, which `Origin` names).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

__all__ = ["TrustedHosts", "is_local", "is_own_origin"]

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

    def trusts(self, called: list[bytes], *, address: str | None, keyed: bool) -> bool:
        """Tell whether a request may call the service as it does, whatever the port.

        Args:
            called: Its Host headers; more than one is never right.
            address: The address of this machine that the request came to; None if there is none.
            keyed: Whether changes need a key.
        """
        if len(called) > 1:
            return False
        exposed = not keyed and _is_loopback(address)
        if self._all_trusted or not (self._stated or exposed):
            return True
        authority = _authority(called[0]) if called else None
        if authority is None:
            return False
        if exposed and is_local(authority.host):
            return True
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
