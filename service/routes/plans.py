"""Routes of plans (submit, follow, start, pause, seal and others) and of their cells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field

from bench_client import models
from benchmark_db.errors import InvalidQuestionError
from benchmark_spec import SpecError
from service.http.body import JSON, BodyRoute, refuse_other_media
from service.http.job_problems import job_problems, job_response
from service.http.plan_service import PlanService, plan_service_of
from service.http.questions import described, read_query
from service.jobs import Jobs
from service.plans.actions import PLAN_ACTIONS
from service.plans.errors import PlanConflictError, UnknownPlanError
from service.routes.parameters import QuestionModel

if TYPE_CHECKING:
    from nas_search.plans import Plan
    from service.plans.cells import PlanCells
    from service.plans.opened import OpenPlan
    from service.plans.records import PlanRecord
    from service.plans.store import PlanStore

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["plans"], route_class=BodyRoute)

_LONGEST_WAIT: Final = 10.0
_LOOK_SECONDS: Final = 0.25
_MOST_WAITING: Final = 50
"""Answers held back concurrently; further ones are sent at once."""
_DEEPEST: Final = 8
_LONGEST_TEXT: Final = 1_000
_BYTES_A_PARAMETER: Final = 16
"""Weights, gradients, momentum and a copy of the weights, in float32."""
_waiting = 0

_Name = Annotated[str, Path(max_length=100, description="Name of the plan.", examples=["digits"])]


class _Submission(QuestionModel):
    dry_run: Annotated[bool, Field(description="Check the plan without storing it.")] = False
    pilot: Annotated[
        bool, Field(description="Whether to estimate its cost by a few short trainings.")
    ] = True
    large: Annotated[bool, Field(description="Whether to allow more than a million cells.")] = False


class _PlanQuestion(QuestionModel):
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=_LONGEST_WAIT,
            description="Maximum seconds to hold the answer until the plan has a `revision` other "
            "than the given one; the answer may come earlier.",
        ),
    ] = 0.0
    revision: Annotated[int | None, Field(ge=0, description="The last `revision` received.")] = None


class _CellsQuestion(QuestionModel):
    state: Annotated[
        models.PlanCellState | None, Field(description="Only cells in this state.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Cells per page.")] = 100
    cursor: Annotated[
        str | None,
        Field(
            pattern="^[0-9]{1,12}$",
            description="`next_cursor` of the previous page; opaque.",
        ),
    ] = None


class _MapQuestion(QuestionModel):
    bins: Annotated[
        int,
        Field(
            ge=1,
            le=2048,
            description="Maximum number of architecture ranges per round; with many rounds there "
            "are fewer.",
        ),
    ] = 256


@router.post(
    "/plans",
    operation_id="submit_plan",
    summary="Submit a plan of a benchmark",
    status_code=201,
    response_model=models.Plan,
    responses={
        200: {
            "model": models.Plan | models.PlanCheck,
            "description": "The identical existing plan or, with `dry_run`, the checked plan.",
        },
        201: {"description": "The new plan; its cells run once it is started."},
        **job_problems(400, 404, 409, 413, 422, 500, 503, 507),
    },
    openapi_extra=described(_Submission),
)
async def submit(request: Request, plan: models.PlanRequest) -> Response:
    """Submit a plan of a benchmark; before it is started, only its pilot is trained."""
    question = read_query(request, _Submission)
    service = plan_service_of(request)
    content = plan.model_dump(exclude_none=True)

    def do(plans: PlanStore, jobs: Jobs) -> tuple[dict[str, Any], bool]:
        # The slow step, the selection, comes last, after most refusals.
        stated = _offered(_stated(content), jobs)
        if not question.dry_run:
            _refuse_taken(service, plans, stated.name)
            same = plans.same(stated)
            if same is not None:
                return _told(plans, same), False
        opened = _opened(service, stated, large=question.large)
        _refuse_too_large(opened, jobs)
        if question.dry_run:
            return _checked(opened), False
        record, made = plans.submit(opened, pilot=question.pilot, large=question.large)
        return _told(plans, record), made

    found, made = await service.change(do)
    headers = {"Location": f"/v1/plans/{found['name']}"} if made else {}
    return job_response(found, 201 if made else 200, headers)


@router.get(
    "/plans",
    operation_id="plans",
    summary="List plans",
    response_model=models.PlanList,
    responses=job_problems(500, 503),
)
async def all_plans(request: Request) -> Response:
    """Return all plans, latest first."""
    found = await plan_service_of(request).ask(lambda plans, _: plans.all())
    items = [record.answer(outstanding=number, whole=False) for record, number in found]
    return job_response({"items": items})


@router.get(
    "/plans/{name}",
    operation_id="plan",
    summary="Get a plan",
    response_model=models.Plan,
    responses=job_problems(404, 422, 500, 503),
    openapi_extra=described(_PlanQuestion),
)
async def one_plan(request: Request, name: _Name) -> Response:
    """Return a plan: its state, counts, estimate and versions.

    With `wait` and `revision`, the answer is held back until the plan has another `revision`.
    """
    global _waiting  # noqa: PLW0603 - of this process, on its one event loop
    question = read_query(request, _PlanQuestion)
    service = plan_service_of(request)
    found = await service.ask(lambda plans, _: plans.get(name))
    end = asyncio.get_running_loop().time() + question.wait
    if question.revision == found[0].revision and _waiting < _MOST_WAITING:
        _waiting += 1
        try:
            while (
                found[0].revision == question.revision
                and asyncio.get_running_loop().time() < end
                and not request.app.state.shutdown.begun
            ):
                await asyncio.sleep(_LOOK_SECONDS)
                found = await service.ask(lambda plans, _: plans.get(name))
        finally:
            _waiting -= 1
    return job_response(found[0].answer(outstanding=found[1]))


@router.get(
    "/plans/{name}/cells",
    operation_id="plan_cells",
    summary="List the cells of a plan",
    response_model=models.PlanCellPage,
    responses=job_problems(404, 422, 500, 503),
    openapi_extra=described(_CellsQuestion),
)
async def cells(request: Request, name: _Name) -> Response:
    """Return cells of a plan in the order of work, with the provenance of their metrics."""
    question = read_query(request, _CellsQuestion)
    start = int(question.cursor or 0)

    def find(plans: PlanStore, jobs: Jobs) -> tuple[list[dict[str, Any]], int | None]:
        return _cells(plans, jobs).page(
            name, state=question.state, start=start, limit=question.limit
        )

    items, following = await plan_service_of(request).ask(find)
    return job_response(
        {"items": items, "next_cursor": None if following is None else str(following)}
    )


@router.get(
    "/plans/{name}/map",
    operation_id="plan_map",
    summary="Count the cells of a plan by state",
    response_model=models.PlanMap,
    responses=job_problems(404, 422, 500, 503),
    openapi_extra=described(_MapQuestion),
)
async def cell_map(request: Request, name: _Name) -> Response:
    """Return the number of cells in each state, per round and range of architectures.

    The size of the answer is bounded, so that plans of any size can be drawn.
    """
    question = read_query(request, _MapQuestion)
    service = plan_service_of(request)
    found = await service.ask(lambda plans, jobs: _cells(plans, jobs).map(name, bins=question.bins))
    return job_response(found)


@router.post(
    "/plans/{name}/cells",
    operation_id="measure_cells",
    summary="Measure an architecture next",
    response_model=models.PlanCellPage,
    responses=job_problems(400, 404, 409, 413, 422, 500, 503, 507),
)
async def measure(request: Request, name: _Name, wanted: models.PlanCellRequest) -> Response:
    """Move the cells of an architecture to the head of the queue, and return them."""
    _refuse_unprintable("arch", wanted.arch, _DEEPEST)

    def do(plans: PlanStore, jobs: Jobs) -> list[dict[str, Any]]:
        return _cells(plans, jobs).put_first(name, wanted.arch, wanted.num_epochs)

    items = await plan_service_of(request).change(do)
    return job_response({"items": items, "next_cursor": None})


@router.post(
    "/plans/{name}/keep",
    operation_id="keep_version",
    summary="Keep a version of a table",
    response_model=models.Plan,
    responses=job_problems(400, 404, 409, 413, 422, 500, 503, 507),
)
async def keep(request: Request, name: _Name, wanted: models.PlanVersionKeeping) -> Response:
    """Keep a version of the table permanently, or no longer; the last three are always kept."""
    return await _changed(request, lambda plans: plans.keep(name, wanted.version, kept=wanted.kept))


@router.post(
    "/plans/{name}/withdraw",
    operation_id="withdraw_cell",
    summary="Withdraw the result of a cell",
    response_model=models.Plan,
    responses=job_problems(400, 404, 409, 413, 422, 500, 503, 507),
)
async def withdraw(request: Request, name: _Name, withdrawal: models.PlanWithdrawal) -> Response:
    """Withdraw the result of a cell, which then counts as failed until it is retried."""
    cell, reason = withdrawal.cell, withdrawal.reason
    return await _changed(request, lambda plans: plans.withdraw(name, cell, reason))


async def _changed(request: Request, change: Callable[[PlanStore], PlanRecord]) -> Response:
    """Change a plan and return it."""

    def do(plans: PlanStore, _: Jobs) -> dict[str, Any]:
        return _told(plans, change(plans))

    return job_response(await plan_service_of(request).change(do))


_TITLES: Final[Mapping[models.PlanAction, str]] = MappingProxyType(
    {
        "start": "Start a plan",
        "pause": "Pause a plan",
        "resume": "Resume a plan",
        "stop": "Stop a plan",
        "retry": "Retry the failed cells of a plan",
        "seal": "Seal a plan",
        "version": "Publish a version of the table now",
    }
)


def _add_action(action: models.PlanAction, summary: str, description: str) -> None:
    """Add the route of an action on a plan."""

    async def change(request: Request, name: _Name) -> Response:
        if "content-type" in request.headers:
            refuse_other_media(request, JSON)
        return await _changed(request, lambda plans: plans.act(name, action))

    router.add_api_route(
        f"/plans/{{name}}/{action}",
        change,
        methods=["POST"],
        name=f"{action}_plan",
        operation_id=f"{action}_plan",
        summary=summary,
        description=description,
        response_model=models.Plan,
        responses=job_problems(404, 409, 422, 500, 503, 507),
    )


for _action, _sentence in PLAN_ACTIONS.items():
    _add_action(_action, _TITLES[_action], _sentence)


def _cells(plans: PlanStore, jobs: Jobs) -> PlanCells:
    from service.plans.cells import PlanCells  # noqa: PLC0415 - not before there are plans

    return PlanCells(jobs, plans)


def _stated(content: dict[str, Any]) -> Plan:
    """Parse the plan in a body, without checking its architectures.

    Raises:
        InvalidQuestionError: The plan is malformed; the error names the member.
    """
    from nas_search.plans import plan_of  # noqa: PLC0415 - not before there are plans

    for member, value in content.items():
        _refuse_unprintable(member, value, _DEEPEST)
    with _naming_the_member():
        return plan_of(content)


def _opened(service: PlanService, plan: Plan, *, large: bool) -> OpenPlan:
    """Check the selection and the table of a plan, and return it opened.

    Raises:
        InvalidQuestionError: A selected network cannot be trained; the error names the member.
    """
    with _naming_the_member():
        opened = service.opened.of(plan, large=large)
        opened.selection.check_bounds()
        opened.table  # noqa: B018 - a property that checks texts
    return opened


@contextmanager
def _naming_the_member() -> Iterator[None]:
    try:
        yield
    except SpecError as error:
        raise InvalidQuestionError(".".join(error.path) or "plan", str(error)) from error


def _refuse_unprintable(place: str, value: Any, depth: int) -> None:
    """Refuse values that are nested too deeply, and strings that are too long or not printable.

    Raises:
        InvalidQuestionError: There is such a value.
    """
    if isinstance(value, str) and (len(value) > _LONGEST_TEXT or not value.isprintable()):
        raise InvalidQuestionError(
            place, f"a text in it is not one of at most {_LONGEST_TEXT} printable characters"
        )
    inside = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(inside, list):
        if not depth:
            raise InvalidQuestionError(place, f"it is more than {_DEEPEST} levels deep")
        for one in inside:
            _refuse_unprintable(place, one, depth - 1)


def _offered(plan: Plan, jobs: Jobs) -> Plan:
    """Return a plan whose trainer has package, version and digest filled in.

    Raises:
        UnknownDatasetError: No worker has the data set.
        UnknownTrainerError: No worker has the trainer, or workers have several of this name.
    """
    trainer = plan.trainer
    jobs.workers.refuse_unoffered(plan.data, None if trainer is None else trainer.code)
    if trainer is None:
        return plan
    return replace(plan, trainer=trainer.completed(asdict(jobs.workers.trainer(trainer.code))))


def _refuse_too_large(opened: OpenPlan, jobs: Jobs) -> None:
    """Refuse a plan whose networks are too large for every worker.

    Raises:
        InvalidQuestionError: The largest network does not fit into the memory of any device.
    """
    parameters = opened.first_estimate.parameters
    memory = max(
        (device.memory for one in jobs.workers.all() if one.alive for device in one.devices),
        default=0,
    )
    if parameters is not None and parameters * _BYTES_A_PARAMETER > memory:
        raise InvalidQuestionError(
            "space.arguments",
            f"the largest network has {parameters:,} parameters, too many to train in the memory "
            "of any worker",
        )


def _refuse_taken(service: PlanService, plans: PlanStore, name: str) -> None:
    """Refuse the name of an installed table that no plan has made.

    Raises:
        PlanConflictError: The name is taken.
    """
    if not (service.folder / f"{name}.db").exists():
        return
    try:
        plans.get(name)
    except UnknownPlanError:
        raise PlanConflictError(f"the name {name} is that of an installed table") from None


def _checked(opened: OpenPlan) -> dict[str, Any]:
    return {
        "name": opened.plan.name,
        "digest": opened.plan.digest,
        "protocol": opened.plan.protocol_digest,
        "architectures": len(opened.selection),
        "trained": len(opened.selection.trained),
        "estimate": opened.first_estimate.as_dict(),
        "plan": opened.plan.content(),
    }


def _told(plans: PlanStore, record: PlanRecord) -> dict[str, Any]:
    _, outstanding = plans.get(record.name)
    return record.answer(outstanding=outstanding)
