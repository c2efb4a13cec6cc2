"""The response of routes about jobs and plans, of which nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.responses import Response

from service.jobs.errors import StoreUnavailableError

__all__ = ["job_response"]


def job_response(
    answer: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that an answer is, in JSON; it changes at any moment and is not kept.

    Raises:
        StoreUnavailableError: It is not JSON. Whatever was submitted is, so that the database of
            the jobs is damaged.
    """
    try:
        content = orjson.dumps(answer)
    except orjson.JSONEncodeError as error:
        raise StoreUnavailableError("the database of the jobs is damaged: not JSON") from error
    return Response(
        content,
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )
