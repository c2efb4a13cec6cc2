"""The guide: static pages that `make guide` builds from docs/ and docstrings.

They contain no data and need no key, like `/docs`. The folder is read once. Names in requests are
looked up among the files read, and never used as paths.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

import service

__all__ = ["router"]

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The guide runs no script."""
_MOST_FILES: Final = 1000
_MOST_BYTES: Final = 64 * 2**20
_NOT_MADE: Final = (
    "The guide is not built: `make guide` in a clone builds it, and $NASBENCH_GUIDE_DIR names its "
    "folder. The same texts are in docs/ there.\n"
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


def _made_beside() -> Path:
    """Return where `make guide` puts the guide in a clone."""
    return Path(service.__file__).parents[1] / "build/guide"


@cache
def _files(folder: Path) -> Mapping[str, _File]:
    """Return the files of the guide by relative path; empty if it is not built."""
    found: dict[str, _File] = {}
    room = _MOST_BYTES
    for path in sorted(islice(folder.rglob("*"), _MOST_FILES)):
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        room -= len(content)
        if room < 0:
            break
        name = path.relative_to(folder).as_posix()
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        found[name] = _File(content, media_type, f'"{digest}"')
    return MappingProxyType(found)


@router.get("/guide")
async def to_start() -> Response:
    """Redirect to the first page, by a relative address."""
    return RedirectResponse("guide/index.html")


@router.get("/guide/{name:path}")
async def file_of_guide(request: Request, name: str) -> Response:
    """Return a page of the guide, or a file that a page uses."""
    given = request.app.state.settings.guide_dir
    files = _files(_made_beside() if given is None else given.expanduser())
    if not files:
        _files.cache_clear()  # The guide may be built while this server runs.
        return Response(_NOT_MADE, 404, media_type="text/plain")
    file = files.get(name)
    if file is None:
        raise HTTPException(404)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "ETag": file.tag,
    }
    held = request.scope["headers_by_name"].get(b"if-none-match", b"").decode("latin-1")
    if file.tag in held:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
