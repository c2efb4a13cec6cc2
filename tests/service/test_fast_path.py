"""Reads that are answered without the router."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from service.http.fast_path import FastPath


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what the direct reads leave."""
    await PlainTextResponse(f"router: {scope['method']} {scope['path']}")(scope, receive, send)


async def question(request: Request) -> Response:
    return PlainTextResponse(f"read: {request.query_params['arch']}")


async def lookup(_: Request) -> Response:
    raise ModuleNotFoundError("gone")


async def broken(_: Request) -> Response:
    raise OSError("secret")


async def answer_import_error(request: Request, error: ImportError) -> Response:
    return PlainTextResponse(f"{request.url.path}: {error}", status_code=404)


DIRECT = FastPath(
    behind,
    reads={"/stats": question, "/lookup": lookup, "/broken": broken},
    handlers={ImportError: answer_import_error},
)


def ask(method: str, address: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(DIRECT)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, address)

    return asyncio.run(send())


def test_a_read_is_answered_by_its_endpoint() -> None:
    assert ask("GET", "/stats?arch=3").text == "read: 3"


@pytest.mark.parametrize(
    ("method", "address"),
    [("POST", "/stats"), ("HEAD", "/stats"), ("GET", "/stats/"), ("GET", "/other")],
)
def test_everything_else_is_left_to_the_router(method: str, address: str) -> None:
    response = ask(method, address)
    assert response.status_code == 200
    assert response.text in {f"router: {method} {address}", ""}
    assert int(response.headers["content-length"]) == len(f"router: {method} {address}")


def test_an_error_is_answered_by_the_handler_of_its_nearest_kind() -> None:
    response = ask("GET", "/lookup")
    assert (response.status_code, response.text) == (404, "/lookup: gone")


def test_an_error_that_no_handler_knows_is_left_to_the_layer_above() -> None:
    with pytest.raises(OSError, match="secret"):
        ask("GET", "/broken")
