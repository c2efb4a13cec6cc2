"""The route of the zoo: searched models with their published accuracies.

Accuracies measured here are results of jobs; the list of workers says who has which weights.
"""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from bench_client.models import ZooList
from service.http.openapi import problems
from service.http.problems import problem
from service.http.questions import answer_now

__all__ = ["router"]

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/zoo",
    operation_id="zoo",
    summary="List the searched models",
    response_model=ZooList,
    responses=problems(500, 503),
)
async def zoo(request: Request) -> Response:
    """Return the searched models that jobs may name, with their published accuracies."""
    from model_hub.errors import RecordError  # noqa: PLC0415 - only on demand

    try:
        items = await anyio.to_thread.run_sync(_models)
    except RecordError as error:
        structlog.get_logger().error("record of the zoo cannot be read", reason=str(error))
        return problem(
            request,
            503,
            kind="zoo-unusable",
            title="Zoo unusable",
            detail="a record that was added to the zoo cannot be read: `nbs zoo list` says why",
        )
    return answer_now({"items": items}, {"Cache-Control": "no-store"})


def _models() -> list[dict[str, Any]]:
    from model_hub import zoo  # noqa: PLC0415 - only on demand

    counts = zoo.counts()
    return [
        {
            "name": record.name,
            "space": record.space,
            "dataset": record.protocol.dataset,
            "input_size": record.protocol.input_size,
            "parameters": counts[record.name].parameters if record.name in counts else None,
            "macs": counts[record.name].macs if record.name in counts else None,
            "figures": [
                {"top1": figure.top1, "top5": figure.top5, "source": figure.source}
                for figure in record.figures
            ],
            "weights": [file.file for file in record.weights],
            "licence": record.licence,
            "origin": record.origin,
            "note": record.note,
        }
        for record in zoo.all_records().values()
    ]
