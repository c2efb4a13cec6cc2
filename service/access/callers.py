"""Who asks, as far as it matters for what one may take: a key, or an address without one."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

__all__ = ["caller_of", "neighborhood"]

_NEIGHBORHOOD: Final = 64
"""Bits of an IPv6 address that tell callers apart; the others are the caller's to choose."""
_LONGEST_NAME: Final = 64


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
