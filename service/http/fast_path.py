"""Fast path: answers common GET requests before the router, which costs as much as the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ErrorHandler", "FastPath", "Read", "fast_path_reads"]

Read: TypeAlias = Callable[[Request], Awaitable[Response]]
"""An endpoint that reads its question off the request itself."""

ErrorHandler: TypeAlias = Callable[[Request, Any], Awaitable[Response]]
"""What answers an error, by its type."""


class FastPath:
    """ASGI middleware that answers GET requests for some exact paths without asking the router.

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
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        read = self._reads.get(scope["path"])
        if read is None:
            await self._app(scope, receive, send)
            return
        # For what counts requests by route, which no router will name here.
        scope["direct"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await read(request)
        except Exception as error:
            handler = self._handler(type(error))
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)

    def _handler(self, error: type[Exception]) -> ErrorHandler | None:
        known = (self._handlers.get(kind) for kind in error.__mro__)
        return next((handler for handler in known if handler is not None), None)


def fast_path_reads(routes: Sequence[BaseRoute]) -> dict[str, Read]:
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
