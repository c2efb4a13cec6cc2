"""Routes for workers without access to the job database: claim, renew, upload, end.

They use the same store as workers with the database. A message with the token of an expired lease
is rejected. A worker belongs to the key that registered it, a lease to the key that claimed it;
other keys cannot see them. Everything that can be checked is checked: the members of a result, the
digest of a file.

The OpenAPI document omits these routes, because server and workers always have the same version.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import orjson
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from service.access.keys import KeyRing
from service.http.body import BodyRoute, pieces_of, refuse_other_media, swallow
from service.http.claims import ClaimResponse, ClaimWatch
from service.http.file_response import DigestedFile
from service.http.job_problems import job_problems
from service.http.job_service import job_service_of
from service.http.problems import problem
from service.jobs import Jobs
from service.jobs.artifact_store import IncomingArtifact
from service.jobs.blob_store import NO_ROOM, IncomingFile
from service.jobs.checkpoints import CheckpointStore
from service.jobs.errors import DiskFullError, RefusedResultError
from service.jobs.lease_tokens import TOKEN_PATTERN, token_of
from service.jobs.records import Artifact, Failure, Lease
from service.jobs.worker_wire import (
    Claim,
    ClaimedLease,
    Ending,
    Finish,
    Heartbeat,
    Leave,
    Renewal,
    RenewalAnswer,
    WorkerSettings,
    check_result,
)

__all__ = ["ARTIFACTS_PATH", "SAVED_PATH", "router"]

Incoming = TypeVar("Incoming", bound=IncomingArtifact)

ARTIFACTS_PATH: Final = "/v1/worker/artifacts"
SAVED_PATH: Final = "/v1/worker/saved"

router = APIRouter(prefix="/v1/worker", route_class=BodyRoute, include_in_schema=False)

_OCTETS: Final = "application/octet-stream"
_NOT_KEPT: Final = {"Cache-Control": "no-store"}

_JobId: TypeAlias = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="Id of the claimed job.")
]
_AskedJob: TypeAlias = Annotated[
    str, Query(pattern="^[0-9a-f]{32}$", description="Id of the claimed job.")
]
_Token: TypeAlias = Annotated[
    str, Query(pattern=TOKEN_PATTERN, description="Token of the lease of the job.")
]
_Digest: TypeAlias = Annotated[
    str,
    Query(pattern="^[0-9a-f]{64}$", description="SHA-256 of the body, in hexadecimal digits."),
]

_OCTETS_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The file.",
        "content": {_OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_NOTHING: Final[dict[str, Any]] = {"status_code": 204, "response_class": Response}
_file: Final = partial(DigestedFile, media_type=_OCTETS)


@router.post(
    "/heartbeat",
    operation_id="worker_heartbeat",
    response_model=WorkerSettings,
    responses=job_problems(400, 403, 413, 422, 500, 503, 507),
)
async def heartbeat(request: Request, worker: Heartbeat) -> Response:
    """Register a worker or record its heartbeat, and return the settings it needs."""
    service = job_service_of(request)
    keys: KeyRing = request.app.state.keys
    holder = _holder(request)

    def note(jobs: Jobs) -> None:
        jobs.workers.heartbeat(worker.state(), holder=holder, is_key=keys.has)
        # If no worker has the database, nothing else releases the jobs of dead workers.
        jobs.upkeep.recover()
        jobs.upkeep.evict()

    await service.change(note)
    answer = WorkerSettings(
        lease_seconds=service.settings.lease_seconds,
        job_seconds=service.settings.job_seconds,
        upload_bytes=request.app.state.settings.checkpoint_bytes,
    )
    return _sent(answer)


@router.post(
    "/leave",
    operation_id="worker_leave",
    responses=job_problems(400, 403, 413, 422, 500, 503),
    **_NOTHING,
)
async def leave(request: Request, worker: Leave) -> Response:
    """Record that a worker has stopped; leases that it did not release expire."""
    holder = _holder(request)
    await job_service_of(request).change(
        lambda jobs: jobs.workers.deregister(worker.id, holder=holder)
    )
    return Response(status_code=204)


@router.post(
    "/claim",
    operation_id="worker_claim",
    response_model=ClaimedLease,
    responses={
        204: {"description": "There is no job for this worker."},
        **job_problems(400, 403, 413, 422, 500, 503, 507),
    },
)
async def claim(request: Request, asked: Claim) -> Response:
    """Lease the first job that a worker can execute; with `wait`, wait for one.

    A request repeated after its answer was lost gets the same lease.
    """
    watch: ClaimWatch = request.app.state.claim_watch

    def respond(lease: Lease | None) -> Response:
        return Response(status_code=204) if lease is None else _sent(ClaimedLease.of(lease))

    return ClaimResponse(asked, _holder(request), watch, respond=respond)


@router.post(
    "/jobs/{job_id}/renew",
    operation_id="worker_renew",
    response_model=RenewalAnswer,
    responses=job_problems(400, 409, 413, 422, 500, 503, 507),
)
async def renew(request: Request, job_id: _JobId, renewal: Renewal) -> Response:
    """Renew a lease, record the progress of the attempt, and return whether to stop it."""
    progress, holder = renewal.record(), _holder(request)

    def change(jobs: Jobs) -> bool:
        lease = jobs.leases.current(job_id, token_of(renewal.token), holder)
        return jobs.leases.renew(lease, progress)

    return _sent(RenewalAnswer(cancel=await job_service_of(request).change(change)))


@router.post(
    "/jobs/{job_id}/finish",
    operation_id="worker_finish",
    responses=job_problems(400, 409, 413, 422, 500, 503, 507),
    **_NOTHING,
)
async def finish(request: Request, job_id: _JobId, finished: Finish) -> Response:
    """Store the result of a job, whose files were uploaded before; idempotent."""
    service = job_service_of(request)
    made, holder = finished.made(), _holder(request)

    def find(jobs: Jobs) -> tuple[Jobs, Lease]:
        lease = jobs.leases.ending(job_id, token_of(finished.token), holder)
        check_result(lease.job.kind, finished)
        return jobs, lease

    jobs, lease = await service.ask(find)
    # Not in a database thread, because a bucket may be slow.
    if made:
        await to_thread.run_sync(_refuse_missing, jobs, made, limiter=service.artifact_limiter)

    def change(jobs: Jobs) -> None:
        jobs.leases.succeed(lease, finished.result, made)
        jobs.trainings.clean(job_id)

    await service.change(change)
    return Response(status_code=204)


@router.post(
    "/jobs/{job_id}/end",
    operation_id="worker_end",
    responses=job_problems(400, 409, 413, 422, 500, 503, 507),
    **_NOTHING,
)
async def end(request: Request, job_id: _JobId, ending: Ending) -> Response:
    """End an attempt without a result: it failed, crashed, was released or was cancelled."""
    if ending.failure is None and ending.outcome in {"failed", "crashed"}:
        raise RefusedResultError("failure", "a failed or crashed attempt must state it")
    holder = _holder(request)

    def change(jobs: Jobs) -> None:
        lease = jobs.leases.current(job_id, token_of(ending.token), holder)
        failure = None if ending.failure is None else Failure(**dict(ending.failure))
        match ending.outcome:
            case "failed" if failure is not None:
                jobs.leases.fail(lease, failure)
            case "crashed" if failure is not None:
                jobs.leases.crash(lease, failure)
            case "lost":
                jobs.leases.lose(lease)
            case "cancelled" if not lease.job.cancel_requested:
                raise RefusedResultError("outcome", "the job was not cancelled")
            case "cancelled":
                jobs.leases.cancel(lease)
            case _:
                jobs.leases.release(lease)
        jobs.trainings.clean(job_id)

    await job_service_of(request).change(change)
    request.app.state.claim_watch.ring()
    return Response(status_code=204)


@router.post(
    "/artifacts",
    operation_id="worker_artifact",
    responses=job_problems(400, 409, 413, 422, 500, 503, 507),
    openapi_extra=_OCTETS_BODY,
    **_NOTHING,
)
async def artifact(request: Request, job_id: _AskedJob, token: _Token, sha256: _Digest) -> Response:
    """Store a file of an attempt, which its result will list."""
    holder = _holder(request)

    def begin(jobs: Jobs) -> IncomingArtifact:
        jobs.leases.current(job_id, token_of(token), holder)
        return jobs.artifacts.receive(sha256)

    def keep(incoming: IncomingArtifact) -> None:
        incoming.keep()

    limiter = job_service_of(request).artifact_limiter
    return await _upload(request, sha256, limiter=limiter, begin=begin, keep=keep)


@router.post(
    "/saved",
    operation_id="worker_save",
    responses=job_problems(400, 409, 413, 422, 500, 503, 507),
    openapi_extra=_OCTETS_BODY,
    **_NOTHING,
)
async def save(request: Request, job_id: _AskedJob, token: _Token, sha256: _Digest) -> Response:
    """Store the checkpoint of a training, from which the next attempt on any worker continues.

    The body is an uncompressed tar file: `step-N/state.json` and `step-N/weights.safetensors`. It
    gets a 507 if the checkpoints of all trainings would exceed their limit.
    """
    service, holder = job_service_of(request), _holder(request)
    stated = int(request.headers.get("Content-Length") or 0)

    def find(jobs: Jobs) -> tuple[Jobs, Lease]:
        return jobs, jobs.leases.current(job_id, token_of(token), holder)

    jobs, lease = await service.ask(find)

    def begin(jobs: Jobs) -> IncomingFile:
        jobs.saved.refuse_larger(stated)
        # In the folder of incoming artifacts, which is cleaned up if a server was killed.
        path = jobs.artifact_folder.fresh()
        return IncomingFile(path, lambda _: path)

    def keep(incoming: IncomingFile) -> None:
        incoming.finish()
        jobs.saved.keep(lease, incoming.path)

    return await _upload(request, sha256, limiter=service.artifact_limiter, begin=begin, keep=keep)


@router.get(
    "/saved",
    operation_id="worker_saved",
    response_class=Response,
    responses={
        200: {"description": "The newest checkpoint.", "content": {_OCTETS: {}}},
        **job_problems(404, 409, 416, 422, 500, 503, 507),
    },
)
async def saved(request: Request, job_id: _AskedJob, token: _Token) -> Response:
    """Return the newest stored checkpoint of a training; 404 if there is none."""
    service, holder = job_service_of(request), _holder(request)

    def find(jobs: Jobs) -> tuple[Jobs, FilePath]:
        jobs.leases.current(job_id, token_of(token), holder)
        return jobs, jobs.artifact_folder.fresh()

    jobs, path = await service.ask(find)
    limiter = service.artifact_limiter
    try:
        found = await to_thread.run_sync(jobs.saved.open, job_id, path, limiter=limiter)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFullError("the disk of the jobs is full") from error
    return _file(
        request,
        found.file,
        limiter=limiter,
        sha256=found.sha256,
        size=found.size,
        name=f"{job_id}.tar",
    )


@router.get(
    "/checkpoints/{sha256}",
    operation_id="worker_checkpoint",
    response_class=Response,
    responses={
        200: {"description": "The file.", "content": {_OCTETS: {}}},
        206: {"description": "The requested range of the file."},
        **job_problems(404, 416, 422, 500, 503),
    },
)
async def checkpoint(
    request: Request,
    sha256: Annotated[
        str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the uploaded weights.")
    ],
) -> Response:
    """Return an uploaded checkpoint that a job names."""
    service = job_service_of(request)

    def find(jobs: Jobs) -> tuple[CheckpointStore, int]:
        return jobs.checkpoints, jobs.checkpoints.get(sha256).size

    weights, size = await service.ask(find)
    limiter = service.artifact_limiter
    file = await to_thread.run_sync(weights.open, sha256, size, limiter=limiter)
    name = f"{sha256}.safetensors"
    return _file(request, file, limiter=limiter, sha256=sha256, size=size, name=name)


def _holder(request: Request) -> str:
    """Return the name of the key of a request; empty if the server needs no key."""
    return request.scope.get("key_name") or ""


def _refuse_missing(jobs: Jobs, made: tuple[Artifact, ...]) -> None:
    for one in made:
        if not jobs.artifacts.holds(one.sha256, one.size):
            raise RefusedResultError(
                "artifacts", f"{one.name} was not uploaded with this digest and size"
            )


async def _upload(
    request: Request,
    sha256: str,
    *,
    limiter: CapacityLimiter,
    begin: Callable[[Jobs], Incoming],
    keep: Callable[[Incoming], object],
) -> Response:
    """Write a body to a file, check its digest, and store it.

    Raises:
        RefusedResultError: The body has another digest.
        DiskFullError: The disk is full.
    """
    refuse_other_media(request, _OCTETS)
    service = job_service_of(request)
    pieces = pieces_of(request.stream())
    try:
        with await service.change(begin) as incoming:
            async for piece in pieces:
                await to_thread.run_sync(incoming.write, piece, limiter=limiter)
            if incoming.sha256 != sha256:
                raise RefusedResultError("sha256", "the body has another digest")
            await to_thread.run_sync(keep, incoming, limiter=limiter)
    except ClientDisconnect:
        return problem(request, 400, kind="incomplete-body", detail="the body is incomplete")
    except OSError as error:
        with suppress(ClientDisconnect):
            await swallow(pieces)
        if isinstance(error, DiskFullError) or error.errno not in NO_ROOM:
            raise
        raise DiskFullError("the disk of the jobs is full") from error
    return Response(status_code=204)


def _sent(answer: ClaimedLease | RenewalAnswer | WorkerSettings) -> Response:
    content = orjson.dumps(answer.model_dump())
    return Response(content, 200, _NOT_KEPT, media_type="application/json")
