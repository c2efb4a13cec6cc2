"""The routes that an application serves, and a fast path in front of the router.

The fast path answers common GET requests without the router, which costs as much as the answer.
The routes follow the installed declared tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmark_spec import BenchmarkSpec
from service.http.problems import ErrorHandler
from service.http.questions import VERSION_NAME, take_version

__all__ = ["FastPath", "Read", "ServedRoutes"]

Read: TypeAlias = Callable[[Request], Awaitable[Response]]
"""An endpoint that parses its query from the request itself."""


class FastPath:
    """ASGI middleware that answers GET requests for some exact paths without the router.

    It also removes the version of a table from the query string of all requests, as routes do not
    know of it.

    FastAPI closes files, resolves parameters and tries the routes in order, which together takes as
    long as computing the answer. These endpoints take no files and no parameters. Their routes
    remain in the application for the OpenAPI document, other methods, and paths below a prefix.

    Args:
        app: The inner application.
        reads: Endpoints by path.
        handlers: The exception handlers of the application, by type. An exception without a
            handler is raised.
    """

    def __init__(
        self,
        app: ASGIApp,
        reads: Mapping[str, Read],
        handlers: Mapping[type[Exception], ErrorHandler],
    ) -> None:
        self._app = app
        self._reads = reads
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        read = None
        if scope["type"] == "http":
            if VERSION_NAME in scope["query_string"]:
                take_version(scope)
            read = self._reads.get(scope["path"]) if scope["method"] == "GET" else None
        if read is None:
            await self._app(scope, receive, send)
            return
        # For the request counter, as the router will not name the route.
        scope["direct"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await read(request)
        except Exception as error:  # re-raised if it has no handler
            handler = self._handler(type(error))
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)

    def _handler(self, error: type[Exception]) -> ErrorHandler | None:
        known = (self._handlers.get(kind) for kind in error.__mro__)
        return next((handler for handler in known if handler is not None), None)


class ServedRoutes:
    """The routes of an application, replaced together when a declared table changes.

    Args:
        app: The application; its existing routes come last.
        routes_for: Creates the routes for some declared tables.
        specs: The tables that are installed at the start.

    Attributes:
        reads: The endpoints of the fast path for the current routes.
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
        """Create the routes for some declared tables; return a function that installs them.

        Creating takes some 20 ms per table and may be done in a thread. Installing is fast and must
        be done on the event loop, so that a request is routed by either the old or the new routes.
        """
        found = list(specs)
        digests = {spec.name: spec.digest for spec in found}
        if digests == self._digests:
            return lambda: None
        routes = self._routes_for(found)
        reads = _fast_path_reads(routes)

        def exchange() -> None:
            self._digests = digests
            self._app.router.routes = [*routes, *self._last]
            self.reads.clear()
            self.reads.update(reads)

        return exchange


def _fast_path_reads(routes: Sequence[BaseRoute]) -> dict[str, Read]:
    """Return the endpoints of GET routes that parse their query themselves, by path.

    Such endpoints take only the request and return a response.
    """
    return {
        route.path: route.endpoint
        for route in routes
        if isinstance(route, APIRoute) and route.methods == {"GET"} and _takes_request_alone(route)
    }


def _takes_request_alone(route: APIRoute) -> bool:
    if route.param_convertors:
        return False
    read = route.dependant
    others = (
        *(*read.path_params, *read.query_params, *read.header_params, *read.cookie_params),
        *(*read.body_params, *read.dependencies),
    )
    return read.request_param_name is not None and not others
