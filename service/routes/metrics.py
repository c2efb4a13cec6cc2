"""The metrics, as Prometheus reads them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.http.response_cache import ResponseCache
from service.observability.metrics import Metrics

__all__ = ["note_regularly", "router"]

router = APIRouter(tags=["health"])

_SECONDS_BETWEEN_NOTES: Final = 1.0


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"description": "All metrics.", "content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Tell what was counted, in the text form of Prometheus: docs/metrics.md lists it."""
    found: Metrics = request.app.state.metrics
    _note(request.app.state)
    text = await anyio.to_thread.run_sync(found.text)
    return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


async def note_regularly(state: Any) -> None:
    """Hand on, until cancelled, what this worker counts, for other workers to tell."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_NOTES)
        _note(state)


def _note(state: Any) -> None:
    kept: ResponseCache = state.response_cache
    state.metrics.note(
        exports=state.exports.open.taken,
        cache_hits=kept.hits,
        cache_misses=kept.misses,
    )
