"""The routes that an application serves, which follow the declared tables that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fastapi import FastAPI
from starlette.routing import BaseRoute

from benchmark_spec import BenchmarkSpec
from service.http.fast_path import Read, fast_path_reads

__all__ = ["ServedRoutes"]


class ServedRoutes:
    """The routes of an application, exchanged whole when a declared table comes, goes or changes.

    Args:
        app: The application; the routes it has already stay behind the others.
        routes_for: Makes the routes of a server that has these declared tables.
        specs: Of those that are installed at the start.

    Attributes:
        reads: For the fast path: it is always that of the routes served.
    """

    def __init__(
        self,
        app: FastAPI,
        routes_for: Callable[[Sequence[BenchmarkSpec]], list[BaseRoute]],
        specs: Sequence[BenchmarkSpec],
    ) -> None:
        self._app = app
        self._routes_for = routes_for
        self._last: Final = list(app.router.routes)
        self._digests: dict[str, str] | None = None
        self.reads: dict[str, Read] = {}
        self.exchange_for(specs)()

    def exchange_for(self, specs: Iterable[BenchmarkSpec]) -> Callable[[], None]:
        """Make the routes for these declared tables, and return what then exchanges them.

        Making them takes some 20 ms a table and may be done in a thread. The exchange takes no
        time and belongs on the event loop: a request is routed by the old or by the new ones.
        """
        found = list(specs)
        digests = {spec.name: spec.digest for spec in found}
        if digests == self._digests:
            return lambda: None
        routes = self._routes_for(found)
        reads = fast_path_reads(routes)

        def exchange() -> None:
            self._digests = digests
            self._app.router.routes = [*routes, *self._last]
            self.reads.clear()
            self.reads.update(reads)

        return exchange
