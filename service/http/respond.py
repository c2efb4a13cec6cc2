"""How answers are made and sent: where they are computed, how long they may take and be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

import anyio.to_thread
import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.responses import Response

from benchmark_db.answers import Answer
from benchmark_db.installed_dataset import InstalledDataset
from service.http.response_cache import ResponseCache

__all__ = ["answer_now", "answer_scan", "cache_headers", "install_not_modified_handler"]

_JSON: Final = "application/json"
_ETAG_BYTES: Final = 12
_VERSION: Final = version("nas-bench-service")


def answer_now(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """Send an answer that was computed on the event loop.

    That is the place for what takes less time than a change of threads: one architecture.
    """
    return Response(orjson.dumps(answer), headers=headers, media_type=_JSON)


async def answer_scan(
    request: Request,
    installed: InstalledDataset,
    compute: Callable[[], Answer],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Compute an answer in a thread, within the time budget, and send it.

    That is the place for what visits many rows: scans and batches. An answer with headers is kept:
    whoever asks the same again gets it at once.

    Raises:
        TimeBudgetExceededError: It took too long.
    """
    kept: ResponseCache = request.app.state.response_cache
    tag = None if headers is None else headers["ETag"]
    content = None if tag is None else kept.get(tag)
    if content is not None:
        return Response(content, headers=headers, media_type=_JSON)
    limiter: CapacityLimiter = request.app.state.scan_limiter
    seconds: float = request.app.state.settings.time_budget

    def bounded() -> bytes:
        with installed.database.time_budget(seconds):
            answer = compute()
        return orjson.dumps(answer)

    content = await anyio.to_thread.run_sync(bounded, limiter=limiter)
    if tag is not None:
        kept.keep(tag, content)
    return Response(content, headers=headers, media_type=_JSON)


def cache_headers(request: Request, *content_digests: str) -> dict[str, str]:
    """Return the headers by which an answer may be kept and checked again.

    The entity tag is a digest of all an answer depends on: the content of the databases, the
    question, and the version of this program. It is weak because compression changes the bytes.

    Raises:
        _NotModifiedError: The caller has this answer already; it becomes a 304.
    """
    scope = request.scope
    parts = "\n".join((_VERSION, *content_digests, scope["path"])).encode()
    digest = hashlib.blake2b(
        parts + b"?" + scope["query_string"], digest_size=_ETAG_BYTES
    ).hexdigest()
    headers = {"ETag": f'W/"{digest}"', "Cache-Control": request.app.state.settings.cache_control}
    held = scope["headers_by_name"].get(b"if-none-match")
    if held is not None and (held.strip() == b"*" or f'"{digest}"'.encode() in held):
        raise _NotModifiedError(headers)
    return headers


def install_not_modified_handler(app: FastAPI) -> None:
    """Answer 304 where `cache_headers` finds that the caller has the answer."""

    async def not_modified(_: Request, error: Exception) -> Response:
        headers = error.headers if isinstance(error, _NotModifiedError) else None
        return Response(status_code=304, headers=headers)

    app.add_exception_handler(_NotModifiedError, not_modified)


class _NotModifiedError(Exception):
    """Ends a request whose answer the caller holds."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("not modified")
        self.headers = headers
