"""Routes of jobs (submit, list, follow, cancel), workers and data sets."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from pydantic import Field

from bench_client import models
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.registry import BENCHMARKS
from service.http.body import JSON, BodyRoute, refuse_other_media
from service.http.job_problems import job_problems, job_response
from service.http.job_service import job_service_of
from service.http.job_watch import EVENT_STREAM, JobStream, JobWatch, LongPoll, TooManyStreamsError
from service.http.problems import problem
from service.http.questions import described, read_query
from service.jobs import Jobs, JobSettings
from service.jobs.errors import UnknownJobError
from service.jobs.kinds import KINDS, Kind, new_job, stated_trainer
from service.jobs.networks import chosen_network, subject_of
from service.jobs.records import Job, JobState, NewJob, to_json
from service.routes.parameters import JobId, QuestionModel

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=BodyRoute)

_LONGEST_WAIT: Final = 10.0
"""Seconds; shorter than the idle timeout of any proxy in between."""
_RETRY_AFTER: Final = "5"
_LONGEST_ARCH: Final = 4096
_DATASETS: Final[list[Any]] = sorted(
    {
        str(value)
        for kind in BENCHMARKS.values()
        for axis in kind.spec.axes
        if axis.name == "dataset"
        for value in axis.values
    }
)
"""Data sets of the benchmarks whose networks can be built."""

_GivenKey: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern="^[ -~]+$",
        description="Identifies this request: repeated with the same key, it gives the same job, "
        "even if that has failed.",
    ),
]

_SUBMITTED: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": models.Job,
    "responses": {
        200: {"model": models.Job, "description": "The job of an identical earlier request."},
        202: {"description": "The new job; `Location` is its address."},
        **job_problems(400, 404, 409, 413, 422, 429, 500, 503, 507),
    },
}


class _JobsQuestion(QuestionModel):
    state: Annotated[models.JobState | None, Field(description="Only jobs in this state.")] = None
    kind: Annotated[models.JobKind | None, Field(description="Only jobs of this kind.")] = None
    benchmark: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            examples=["nasbench201"],
            description="Only jobs, of any kind, about the network of an architecture of this "
            "benchmark; needs `arch`.",
        ),
    ] = None
    arch: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=_LONGEST_ARCH,
            description="The architecture, in any spelling.",
            examples=["7"],
        ),
    ] = None
    dataset: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="Data set of the network, which determines its number of classes; as in a "
            "submission.",
            examples=["cifar10"],
            json_schema_extra={"enum": _DATASETS},
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Jobs per page.")] = 100
    cursor: Annotated[
        str | None,
        Field(max_length=1000, description="`next_cursor` of the previous page; opaque."),
    ] = None


class _JobQuestion(QuestionModel):
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_WAIT,
            description="Maximum seconds to hold the answer until the job has a `revision` other "
            "than the given one; the answer may come earlier.",
        ),
    ] = 0.0
    revision: Annotated[
        int | None,
        Field(ge=0, description="The last `revision` received; by default the current one."),
    ] = None


_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The `revision` of the job."},
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
    "required": ["id", "event", "data"],
}
"""Schema of one server-sent event: its fields, without comments."""


async def _submit(
    request: Request, submission: models.Submission, given_key: str | None
) -> Response:
    service = job_service_of(request)
    catalog: Catalog = request.app.state.catalog

    def submit(jobs: Jobs) -> tuple[Job, bool]:
        new = new_job(
            _with_trainer(submission, jobs),
            catalog=catalog,
            job_seconds=jobs.settings.job_seconds,
            request_id=request.scope.get("request_id"),
        )
        _refuse_unknown(new, jobs)
        job, made = jobs.store.submit(new, given_key=given_key)
        if made:
            jobs.notifier.notify(job.id)
        return job, made

    with catalog.held():
        job, made = await service.change(submit)
    if made:
        request.app.state.claim_watch.ring()
    headers = {"Location": f"/v1/jobs/{job.id}"}
    return _job_response(job, service.settings, status=202 if made else 200, **headers)


def _with_trainer(submission: models.Submission, jobs: Jobs) -> models.Submission:
    """Return a submission whose trainer has package, version and digest filled in.

    Raises:
        UnknownTrainerError: No worker has the trainer, or workers have several of this name.
        InvalidQuestionError: The trainer is malformed.
    """
    trainer = stated_trainer(submission)
    if trainer is None or trainer.is_complete:
        return submission
    found = trainer.completed(asdict(jobs.workers.trainer(trainer.code)))
    return submission.model_copy(update={"trainer": found.as_dict()})


def _refuse_unknown(new: NewJob, jobs: Jobs) -> None:
    """Refuse a job that names a missing data set, trainer or checkpoint.

    Raises:
        UnknownDatasetError: No worker has the data set, and no earlier job answers the request.
        UnknownTrainerError: The same for the trainer.
        UnknownCheckpointError: The checkpoint was never uploaded.
    """
    checkpoint = new.spec["network"]["checkpoint"]
    if checkpoint is not None:
        jobs.checkpoints.get(checkpoint)
    if new.needs_dataset is None or jobs.store.answering(new.key) is not None:
        return
    jobs.workers.refuse_unoffered(new.needs_dataset, new.spec.get("trainer"))


@router.get(
    "/jobs",
    operation_id="jobs",
    summary="List jobs",
    response_model=models.JobPage,
    responses=job_problems(422, 500, 503),
    openapi_extra=described(_JobsQuestion),
)
async def jobs(request: Request) -> Response:
    """Return jobs, latest first."""
    question = read_query(request, _JobsQuestion)
    service = job_service_of(request)

    catalog: Catalog = request.app.state.catalog

    def find(jobs: Jobs) -> tuple[list[Job], str | None]:
        with catalog.held():
            subject = _subject(question, catalog)
        return jobs.store.page(
            state=JobState(question.state) if question.state else None,
            kind=question.kind,
            subject=subject,
            before=question.cursor,
            limit=question.limit,
        )

    try:
        found, following = await service.ask(find)
    except UnknownJobError:
        raise InvalidQuestionError("cursor", "it is not a cursor of this service") from None
    items = [_job_answer(job, service.settings) for job in found]
    return job_response({"items": items, "next_cursor": following})


def _subject(question: _JobsQuestion, catalog: Catalog) -> str | None:
    """Return the digest of the network to which jobs are restricted; None without such a filter.

    Raises:
        InvalidQuestionError: There is no such network; the error names the parameter.
    """
    asked = question.model_dump(include={"benchmark", "arch", "dataset"}, exclude_none=True)
    if asked.get("arch", "").startswith(("{", "[")):
        try:
            asked["arch"] = orjson.loads(asked["arch"])
        except orjson.JSONDecodeError:
            raise InvalidQuestionError("arch", "it looks like JSON and is malformed") from None
    if not asked:
        return None
    for name in ("benchmark", "arch"):
        if name not in asked:
            raise InvalidQuestionError(name, "give both `benchmark` and `arch` to name a network")
    try:
        network = chosen_network(models.BenchmarkNetwork(**asked), catalog)
    except InvalidQuestionError as error:
        raise InvalidQuestionError(error.field.removeprefix("network."), error.message) from error
    return subject_of(network.to_dict())


@router.get(
    "/jobs/{job_id}",
    operation_id="job",
    summary="Get a job",
    response_model=models.Job,
    responses=job_problems(404, 422, 500, 503),
    openapi_extra=described(_JobQuestion),
)
async def job(request: Request, job_id: JobId) -> Response:
    """Return a job: its state, progress, result and artifacts.

    With `wait` and `revision`, the answer is held back until the job has another `revision`. A job
    that has ended is returned at once.
    """
    question = read_query(request, _JobQuestion)
    service = job_service_of(request)
    found = await service.ask(lambda jobs: jobs.store.get(job_id))
    is_newer = question.revision not in {None, found.revision}
    if is_newer or found.is_finished or not question.wait:
        return _job_response(found, service.settings)
    watch: JobWatch = request.app.state.job_watch
    respond = partial(_job_response, settings=service.settings)
    return LongPoll(found, watch, seconds=question.wait, respond=respond)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    response_model=models.Job,
    responses=job_problems(404, 422, 500, 503, 507),
)
async def cancel(request: Request, job_id: JobId) -> Response:
    """Cancel a job and return it; a job that has ended stays unchanged.

    A queued job is cancelled at once. A running job has `cancel_requested` until its worker has
    stopped it.
    """
    return await _cancelled(request, job_id, stop=False)


@router.post(
    "/jobs/{job_id}/stop",
    operation_id="stop_job",
    summary="End a training early",
    response_model=models.Job,
    responses=job_problems(404, 422, 500, 503, 507),
)
async def stop(request: Request, job_id: JobId) -> Response:
    """End a training early and return its job; a job that has ended stays unchanged.

    The job has `cancel_requested` until its worker has stopped it, and then is `stopped`, with the
    metrics of its last epoch in `progress`. Before its first epoch, and if it is not a training,
    it is cancelled.
    """
    return await _cancelled(request, job_id, stop=True)


async def _cancelled(request: Request, job_id: str, *, stop: bool) -> Response:
    if "content-type" in request.headers:
        refuse_other_media(request, JSON)
    service = job_service_of(request)
    job = await service.change(lambda jobs: jobs.store.cancel(job_id, stop=stop))
    return _job_response(job, service.settings)


@router.get(
    "/jobs/{job_id}/events",
    operation_id="job_events",
    summary="Follow a job by server-sent events",
    response_class=Response,
    responses={
        200: {
            "description": "Events `job` with the job as JSON; comments keep the stream open.",
            "content": {EVENT_STREAM: {"schema": _EVENT}},
        },
        **job_problems(404, 422, 500, 503),
    },
)
async def events(request: Request, job_id: JobId) -> Response:
    """Stream a job as server-sent events: at once, and after every change until it has ended.

    Every event contains the whole job, and its id is the `revision`. A client that reconnects
    receives the current state, so `Last-Event-ID` is accepted but not needed.
    """
    service = job_service_of(request)
    job = await service.ask(lambda jobs: jobs.store.get(job_id))
    watch: JobWatch = request.app.state.job_watch
    try:
        watch.refuse_if_full()
    except TooManyStreamsError as error:
        return problem(
            request,
            503,
            kind="too-many-streams",
            title="Too many streams",
            detail=str(error),
            headers={"Retry-After": _RETRY_AFTER},
        )
    return JobStream(job, watch, data=lambda job: orjson.dumps(_job_answer(job, service.settings)))


@router.get(
    "/workers",
    operation_id="workers",
    summary="List workers",
    response_model=models.WorkerList,
    responses=job_problems(500, 503),
)
async def workers(request: Request) -> Response:
    """Return the workers seen within a day; those without recent heartbeats are not `alive`."""
    found = await job_service_of(request).ask(lambda jobs: jobs.workers.all())
    return job_response({"items": to_json(tuple(found))})


@router.get(
    "/datasets",
    operation_id="datasets",
    summary="List the data sets that workers have",
    response_model=models.DatasetList,
    responses=job_problems(500, 503),
)
async def datasets(request: Request) -> Response:
    """Return the data sets of live workers, by name."""
    found = await job_service_of(request).ask(lambda jobs: jobs.workers.datasets())
    items = [{"name": name, "workers": workers} for name, workers in found.items()]
    return job_response({"items": items})


def _job_answer(job: Job, settings: JobSettings) -> dict[str, Any]:
    """Return a job as JSON, with the default time limit if its request states none."""
    answer: dict[str, Any] = to_json(job)
    if job.time_limit is None:
        answer["time_limit"] = settings.job_seconds
    return answer


def _job_response(
    job: Job, settings: JobSettings, *, status: int = 200, **headers: str
) -> Response:
    """Return the response that contains a job."""
    return job_response(_job_answer(job, settings), status, headers)


def _add_submission(name: models.JobKind, kind: Kind) -> None:
    """Add the route that submits jobs of a kind."""

    async def submit(
        request: Request, submission: models.Submission, key: _GivenKey = None
    ) -> Response:
        return await _submit(request, submission, key)

    # FastAPI reads the request model from here.
    submit.__annotations__["submission"] = kind.request
    router.add_api_route(
        kind.path,
        submit,
        methods=["POST"],
        name=f"submit_{name}",
        operation_id=f"submit_{name}",
        summary=kind.summary,
        description=kind.sentence,
        **_SUBMITTED,
    )


for _name, _kind in KINDS.items():
    _add_submission(_name, _kind)
