"""Routes for workers that reach the jobs over HTTP: claim, renew, hand over, end.

The same store is behind them as behind workers with the database: the token of a lease decides,
and what comes under an old one is refused. A worker belongs to the key that registered it, a lease
to the key that claimed it: to any other key they are not there. A worker is believed nothing that
can be checked: a result has the shape of its kind, a file the digest that was stated.

The OpenAPI document leaves them out: they are spoken between a server and workers of one version.
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
    str, Path(pattern="^[0-9a-f]{32}$", description="Id of the job, as it was claimed.")
]
_AskedJob: TypeAlias = Annotated[
    str, Query(pattern="^[0-9a-f]{32}$", description="Id of the job, as it was claimed.")
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
    """Register a worker, or note that it is alive, and return what it has to know."""
    service = job_service_of(request)
    keys: KeyRing = request.app.state.keys
    holder = _holder(request)

    def note(jobs: Jobs) -> None:
        jobs.workers.heartbeat(worker.state(), holder=holder, is_key=keys.has)
        # Where no worker has the database, nobody else frees the jobs of those that died.
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
    """Note that a worker has stopped; leases that it did not hand back expire."""
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
        204: {"description": "No job is there that this worker can do."},
        **job_problems(400, 403, 413, 422, 500, 503, 507),
    },
)
async def claim(request: Request, asked: Claim) -> Response:
    """Lease the first job that a worker can do; with `wait`, as soon as there is one.

    A repeated request whose first answer was lost is answered by the same lease.
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
    """Renew a lease, note how far the attempt is, and return whether to stop it."""
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
    """Give a job its result; its files were handed over before. Repeated, it changes nothing."""
    service = job_service_of(request)
    made, holder = finished.made(), _holder(request)

    def find(jobs: Jobs) -> tuple[Jobs, Lease]:
        lease = jobs.leases.ending(job_id, token_of(finished.token), holder)
        check_result(lease.job.kind, finished)
        return jobs, lease

    jobs, lease = await service.ask(find)
    # By no thread that has the database: where the files are in a bucket, it takes its time.
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
    """End an attempt without a result: it failed, crashed, is handed back or was cancelled."""
    if ending.failure is None and ending.outcome in {"failed", "crashed"}:
        raise RefusedResultError("failure", "an attempt that went wrong says why")
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
                raise RefusedResultError("outcome", "nobody asked to cancel the job")
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
    """Keep a file that an attempt made, which its result will list."""
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
    """Keep the checkpoint of a training, from which the next attempt goes on, wherever it runs.

    The body is a tar file without compression: `step-N/state.json` and
    `step-N/weights.safetensors`. It is 507 where all trainings together keep as much as they may.
    """
    service, holder = job_service_of(request), _holder(request)
    stated = int(request.headers.get("Content-Length") or 0)

    def find(jobs: Jobs) -> tuple[Jobs, Lease]:
        return jobs, jobs.leases.current(job_id, token_of(token), holder)

    jobs, lease = await service.ask(find)

    def begin(jobs: Jobs) -> IncomingFile:
        jobs.saved.refuse_larger(stated)
        # Among artifacts on their way, which the clean-up removes where a server was killed.
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
    """Send the newest checkpoint of a training as it was kept; 404 where there is none."""
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
        206: {"description": "The part of it that `Range` asks for."},
        **job_problems(404, 416, 422, 500, 503),
    },
)
async def checkpoint(
    request: Request,
    sha256: Annotated[
        str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the uploaded weights.")
    ],
) -> Response:
    """Send uploaded weights that a job names."""
    service = job_service_of(request)

    def find(jobs: Jobs) -> tuple[CheckpointStore, int]:
        return jobs.checkpoints, jobs.checkpoints.get(sha256).size

    weights, size = await service.ask(find)
    limiter = service.artifact_limiter
    file = await to_thread.run_sync(weights.open, sha256, size, limiter=limiter)
    name = f"{sha256}.safetensors"
    return _file(request, file, limiter=limiter, sha256=sha256, size=size, name=name)


def _holder(request: Request) -> str:
    """Return the name of the key that a request shows; empty where the server asks for none."""
    return request.scope.get("key_name") or ""


def _refuse_missing(jobs: Jobs, made: tuple[Artifact, ...]) -> None:
    for one in made:
        if not jobs.artifacts.holds(one.sha256, one.size):
            raise RefusedResultError(
                "artifacts", f"{one.name} was not handed over with this digest and size"
            )


async def _upload(
    request: Request,
    sha256: str,
    *,
    limiter: CapacityLimiter,
    begin: Callable[[Jobs], Incoming],
    keep: Callable[[Incoming], object],
) -> Response:
    """Write a body into a file, compare its digest, and keep it.

    Raises:
        RefusedResultError: It has another digest.
        DiskFullError: The disk has no room for it.
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
        return problem(request, 400, kind="incomplete-body", detail="the body broke off")
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
