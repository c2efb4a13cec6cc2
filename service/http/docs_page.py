"""The page of questions at `/docs`, with all its parts: clusters lack the internet."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_FILES: Final = {
    "swagger-ui-bundle.js": "application/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page styles its elements itself; it runs its own files and its one script, nothing else."""


@router.get("/")
async def to_docs() -> Response:
    """Lead whoever opens the service in a browser to its documentation."""
    return RedirectResponse("docs")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the page."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="swagger/favicon-32x32.png",
        swagger_ui_parameters={
            "tryItOutEnabled": True,
            "filter": True,
            "displayRequestDuration": True,
        },
    )
    text = bytes(page.body).decode()
    hashes = [hashlib.sha256(script.encode()).digest() for script in _SCRIPT.findall(text)]
    scripts = " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in hashes)
    page.headers["Content-Security-Policy"] = _POLICY.format(scripts=scripts)
    return page


@router.get("/swagger/{name}")
async def file(name: str) -> Response:
    """Send a file of the page."""
    if name not in _FILES:
        raise HTTPException(404)
    content = (resources.files("fastapi_swagger.resources") / name).read_bytes()
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(content, headers=headers, media_type=_FILES[name])
