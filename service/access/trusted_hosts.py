"""The names by which the service may be called.

A page that makes its own name stand for this machine's address ("DNS rebinding") makes a browser
send requests here, with that name in them.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["TrustedHosts"]


class TrustedHosts:
    """Some names, or all.

    Args:
        names: With commas between them; `*` trusts all, `*.lab.example` all below one.
    """

    def __init__(self, names: str) -> None:
        listed = {name.strip().lower() for name in names.split(",")} - {""}
        self.all_trusted = "*" in listed
        self._exact = frozenset(name for name in listed if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in listed if name.startswith("*."))

    def trusts(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Tell whether a request calls the service by one of the names, whatever the port."""
        called = [value for name, value in headers if name == b"host"]
        if len(called) != 1:
            return False
        host = _without_port(called[0].decode("latin-1").lower())
        return host in self._exact or host.endswith(self._endings)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
