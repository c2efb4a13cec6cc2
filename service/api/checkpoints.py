"""The routes of weights that administrators upload."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from bench_client.models import Checkpoint, CheckpointList
from benchmark_db.errors import InvalidQuestionError
from service.api.body import refuse_other_media
from service.api.job_desk import desk_of
from service.api.job_problems import job_problems
from service.api.problems import problem
from service.api.respond import answer_now
from service.api.safetensors_header import NotSafetensorsError, SafetensorsCheck
from service.jobs import Jobs, records
from service.jobs.contents import NO_ROOM, IncomingFile
from service.jobs.errors import DiskFullError

__all__ = ["CHECKPOINTS_PATH", "router"]

CHECKPOINTS_PATH: Final = "/v1/checkpoints"

router = APIRouter(tags=["jobs"])

_OCTETS: Final = "application/octet-stream"
_PIECE: Final = 2**20
"""Bytes that are written at a time: less would change threads more often than it writes."""
_SWALLOWED: Final = 64 * 2**20
"""Bytes that are read of a body that is refused, because a sender that is cut off while it sends
may never see the answer."""

_Name = Annotated[
    str,
    Query(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$",
        description="What to call the weights, for people.",
        examples=["mine.safetensors"],
    ),
]


@router.get(
    CHECKPOINTS_PATH,
    operation_id="checkpoints",
    response_model=CheckpointList,
    responses=job_problems(500, 503),
)
async def checkpoints(request: Request) -> Response:
    """Return the weights that were uploaded, the latest first."""
    found = await desk_of(request).ask(lambda jobs: jobs.checkpoints.all())
    return answer_now(
        {"items": [checkpoint.to_dict() for checkpoint in found]}, {"Cache-Control": "no-store"}
    )


@router.post(
    CHECKPOINTS_PATH,
    status_code=201,
    operation_id="upload_checkpoint",
    response_model=Checkpoint,
    responses={
        200: {"model": Checkpoint, "description": "The same file is there already."},
        201: {"description": "The weights are there, and may be named by their digest."},
        **job_problems(400, 413, 422, 500, 503, 507),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A safetensors file.",
            "content": {_OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(request: Request, name: _Name) -> Response:
    """Keep the safetensors file that is the body, under its SHA-256.

    It is checked while it comes in, and never loaded; a file that is none is 422.
    """
    refuse_other_media(request, _OCTETS)
    try:
        stored, added = await _receive(request, _pieces(request.stream()), name)
    except ClientDisconnect:
        return problem(request, 400, kind="incomplete-body", detail="the body broke off")
    content = orjson.dumps(stored.to_dict())
    return Response(content, 201 if added else 200, media_type="application/json")


async def _receive(
    request: Request, pieces: AsyncIterator[bytes], name: str
) -> tuple[records.Checkpoint, bool]:
    """Keep a body as a checkpoint, if it is one.

    Raises:
        InvalidQuestionError: It is none.
        DiskFullError: There is no room for it.
    """
    try:
        with await desk_of(request).ask(lambda jobs: jobs.weights.receive()) as incoming:
            return await _enlist(request, pieces, incoming, name)
    except NotSafetensorsError as error:
        await _swallow(pieces)
        raise InvalidQuestionError("checkpoint", f"this is no safetensors file: {error}") from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        await _swallow(pieces)
        raise DiskFullError("the disk of the checkpoints is full") from error


async def _enlist(
    request: Request, pieces: AsyncIterator[bytes], incoming: IncomingFile, name: str
) -> tuple[records.Checkpoint, bool]:
    """Write a body into a file and list it."""
    desk = desk_of(request)
    check = SafetensorsCheck()

    async def in_thread(step: Callable[..., Any], *arguments: Any) -> Any:
        return await to_thread.run_sync(step, *arguments, limiter=desk.limiter)

    def take(piece: bytes) -> None:
        check.feed(piece)
        incoming.write(piece)

    async for piece in pieces:
        await in_thread(take, piece)
    check.finish()
    sha256 = await in_thread(incoming.keep)

    def enlist(jobs: Jobs) -> tuple[records.Checkpoint, bool]:
        return jobs.checkpoints.add(
            sha256=sha256, name=name, size=incoming.size, tensors=check.tensors
        )

    return await desk.change(enlist)


async def _pieces(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for piece in stream:
        gathered += piece
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


async def _swallow(pieces: AsyncIterator[bytes]) -> None:
    swallowed = 0
    async for piece in pieces:
        swallowed += len(piece)
        if swallowed > _SWALLOWED:
            return
