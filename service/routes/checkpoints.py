"""Routes of uploaded checkpoints: list, upload, delete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final

import orjson
from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from bench_client.models import Checkpoint, CheckpointList
from benchmark_db.errors import InvalidQuestionError
from service.http.body import pieces_of, refuse_other_media, swallow
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.http.problems import problem
from service.http.questions import answer_now, described, read_query
from service.http.safetensors_header import NotSafetensorsError, SafetensorsCheck
from service.jobs import Jobs, records
from service.jobs.blob_store import NO_ROOM
from service.jobs.checkpoints import IncomingCheckpoint
from service.jobs.errors import CheckpointsFullError, DiskFullError, UnknownCheckpointError
from service.jobs.records import to_json
from service.routes.parameters import QuestionModel

__all__ = ["CHECKPOINTS_PATH", "router"]

CHECKPOINTS_PATH: Final = "/v1/checkpoints"

router = APIRouter(tags=["jobs"])

_OCTETS: Final = "application/octet-stream"

_Name = Annotated[
    str,
    Query(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$",
        description="Label of the checkpoint, shown in lists.",
        examples=["mine.safetensors"],
    ),
]

_DIGEST_PATTERN: Final = "^[0-9a-f]{64}$"
_Digest = Annotated[
    str, Path(pattern=_DIGEST_PATTERN, description="SHA-256 of the file, in hexadecimal digits.")
]


class _CheckpointsQuestion(QuestionModel):
    limit: Annotated[int, Field(ge=1, le=1000, description="Checkpoints per page.")] = 100
    cursor: Annotated[
        str | None,
        Field(pattern=_DIGEST_PATTERN, description="`next_cursor` of the previous page; opaque."),
    ] = None


@router.get(
    CHECKPOINTS_PATH,
    operation_id="checkpoints",
    summary="List the uploaded checkpoints",
    response_model=CheckpointList,
    responses=job_problems(422, 500, 503),
    openapi_extra=described(_CheckpointsQuestion),
)
async def checkpoints(request: Request) -> Response:
    """Return the uploaded checkpoints, latest first."""
    question = read_query(request, _CheckpointsQuestion)
    service = job_service_of(request)
    try:
        found, following = await service.ask(
            lambda jobs: jobs.checkpoints.page(before=question.cursor, limit=question.limit)
        )
    except UnknownCheckpointError:
        raise InvalidQuestionError("cursor", "it names no existing checkpoint") from None
    page = {"items": to_json(tuple(found)), "next_cursor": following}
    return answer_now(page, {"Cache-Control": "no-store"})


@router.delete(
    f"{CHECKPOINTS_PATH}/{{digest}}",
    status_code=204,
    operation_id="delete_checkpoint",
    summary="Delete an uploaded checkpoint",
    response_class=Response,
    responses={204: {"description": "It is deleted."}, **job_problems(404, 409, 422, 500, 503)},
)
async def delete(request: Request, digest: _Digest) -> Response:
    """Delete a checkpoint, unless a queued or running job uses it."""
    await job_service_of(request).change(lambda jobs: jobs.checkpoints.remove(digest))
    return Response(status_code=204)


@router.post(
    CHECKPOINTS_PATH,
    status_code=201,
    operation_id="upload_checkpoint",
    summary="Upload a checkpoint",
    response_model=Checkpoint,
    responses={
        200: {"model": Checkpoint, "description": "The same file was uploaded before."},
        201: {"description": "The checkpoint is stored; jobs name it by its digest."},
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
    """Store the safetensors file in the body under its SHA-256.

    The file is validated while it is received, and never loaded; an invalid file gets a 422.
    """
    refuse_other_media(request, _OCTETS)
    try:
        stored, added = await _receive(request, pieces_of(request.stream()), name)
    except ClientDisconnect:
        return problem(request, 400, kind="incomplete-body", detail="the body is incomplete")
    content = orjson.dumps(to_json(stored))
    return Response(content, 201 if added else 200, media_type="application/json")


async def _receive(
    request: Request, pieces: AsyncIterator[bytes], name: str
) -> tuple[records.Checkpoint, bool]:
    """Store a body as a checkpoint.

    Raises:
        InvalidQuestionError: The body is not a safetensors file.
        CheckpointsFullError: It would exceed the limit of all checkpoints.
        DiskFullError: The disk is full.
    """
    length = request.headers.get("Content-Length")
    size = None if length is None else int(length)
    try:
        with await job_service_of(request).ask(
            lambda jobs: jobs.checkpoints.receive(size)
        ) as incoming:
            return await _enlist(request, pieces, incoming, name)
    except NotSafetensorsError as error:
        await swallow(pieces)
        raise InvalidQuestionError("checkpoint", f"not a safetensors file: {error}") from None
    except (CheckpointsFullError, DiskFullError):
        await swallow(pieces)
        raise
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        await swallow(pieces)
        raise DiskFullError("the disk of the checkpoints is full") from error


async def _enlist(
    request: Request, pieces: AsyncIterator[bytes], incoming: IncomingCheckpoint, name: str
) -> tuple[records.Checkpoint, bool]:
    """Write a body to a file and record it in the database."""
    service = job_service_of(request)
    check = SafetensorsCheck()

    async def in_thread(step: Callable[..., Any], *arguments: Any) -> Any:
        return await to_thread.run_sync(step, *arguments, limiter=service.limiter)

    def take(piece: bytes) -> None:
        check.feed(piece)
        incoming.write(piece)

    async for piece in pieces:
        await in_thread(take, piece)
    check.finish()
    await in_thread(incoming.finish)
    store = await service.ask(lambda jobs: jobs.checkpoints)
    await to_thread.run_sync(store.hand_on, incoming, limiter=service.artifact_limiter)

    def submit_many(jobs: Jobs) -> tuple[records.Checkpoint, bool]:
        return jobs.checkpoints.add(incoming, name=name, tensors=check.tensors)

    return await service.change(submit_many)
