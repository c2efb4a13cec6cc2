"""The pages of the explorer and the files that they load.

They contain no data and need no key, like `/docs`: their scripts query the routes below `/v1/` with
the key of the user. Names are looked up in a table, and never used as paths.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from service.pages import PAGES, Page, assets, shell

__all__ = ["PAGE_POLICY", "router"]

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""Pages may run only files of this service; no text may become markup or a script."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def to_explorer() -> Response:
    """Redirect browsers to the explorer."""
    return RedirectResponse("explore")


@router.get("/assets/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """Return a file that pages load; its address changes with its content."""
    files = assets()
    file = files.files.get(name)
    if file is None or digest != files.digest:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    content = file.content
    if b"gzip" in request.scope["headers_by_name"].get(b"accept-encoding", b""):
        headers["Content-Encoding"] = "gzip"
        content = file.packed
    return Response(content, headers=headers, media_type=file.media_type)


@cache
def _tag(page: Page) -> str:
    # Weak, because compression changes the bytes.
    return f'W/"{hashlib.blake2b(shell(page), digest_size=12).hexdigest()}"'


def _add(page: Page) -> None:
    async def show(request: Request) -> Response:
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": PAGE_POLICY,
            "ETag": _tag(page),
        }
        held = request.scope["headers_by_name"].get(b"if-none-match", b"").decode("latin-1")
        if _tag(page).removeprefix("W/") in held:
            return Response(status_code=304, headers=headers)
        return Response(shell(page), headers=headers, media_type="text/html")

    router.get(page.path)(show)


# Fixed paths are matched before paths with the name of a benchmark.
for _page in sorted(PAGES, key=lambda page: page.below_benchmark):
    _add(_page)
