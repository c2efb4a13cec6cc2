"""The routes that an application serves, and the fast path in front of them.

The fast path answers common GET requests before the router, which costs as much as the answer.
Routes follow the declared tables that are installed.
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
"""An endpoint that reads its question off the request itself."""


class FastPath:
    """ASGI middleware that answers GET requests for some exact paths without asking the router.

    Of all requests it takes the version of a table off the question, which no route knows of.

    FastAPI closes files, resolves parameters and tries one route after the other, which together
    takes as long as finding the answer. These endpoints take no files and none of its parameters.
    Their routes stay in the application for everything else: the OpenAPI document, other methods,
    and paths below a prefix.

    Args:
        app: What answers everything else.
        reads: Endpoints by path.
        handlers: By type of error, what answers it; those of the application. An error that none
            of them knows is left to the layer above.
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
        # For what counts requests by route, which no router will name here.
        scope["direct"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await read(request)
        except Exception as error:  # raised again where no handler is for it
            handler = self._handler(type(error))
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)

    def _handler(self, error: type[Exception]) -> ErrorHandler | None:
        known = (self._handlers.get(kind) for kind in error.__mro__)
        return next((handler for handler in known if handler is not None), None)


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
        reads = _fast_path_reads(routes)

        def exchange() -> None:
            self._digests = digests
            self._app.router.routes = [*routes, *self._last]
            self.reads.clear()
            self.reads.update(reads)

        return exchange


def _fast_path_reads(routes: Sequence[BaseRoute]) -> dict[str, Read]:
    """Return by path the endpoints of the GET routes that read their question themselves.

    They take the request alone and return a response.
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
