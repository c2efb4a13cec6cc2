"""Routes of HW-NAS-Bench: latencies and energies of NAS-Bench-201 architectures on devices."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from bench_client.models import Nb201Hardware, Page
from benchmark_db.answers import hardware_answer
from benchmark_db.hw_nas_bench.tables import DATASETS, DEVICES
from service.http.openapi import PAGE_PROBLEMS
from service.http.questions import (
    LateModel,
    answer_cached,
    catalog_of,
    described,
    filters_and_options,
    read_query,
)
from service.routes.export import ExportRoute
from service.routes.parameters import Nb201Arch, Paging

__all__ = ["router"]

router = APIRouter(prefix="/v1/nasbench201", tags=["nasbench201"])

_DATASETS: Final[dict[str, Any]] = {"enum": [*DATASETS, "cifar10-valid"]}
_DEVICES: Final[dict[str, Any]] = {"enum": list(DEVICES)}


class HardwareQuestion(Paging):
    """Query for device costs; an omitted filter matches everything."""

    arch: Nb201Arch = None
    dataset: Annotated[
        Annotated[str, Field(json_schema_extra=_DATASETS)] | None,
        Field(
            description="cifar10, cifar100 or imagenet16-120, case-insensitive. cifar10-valid "
            "gives the costs of cifar10, as the networks are the same.",
            examples=["cifar10"],
        ),
    ] = None
    device: Annotated[
        Annotated[str, Field(json_schema_extra=_DEVICES)] | None,
        Field(
            description=f"Return only the costs on this device: {', '.join(DEVICES)}.",
            examples=["edgegpu"],
        ),
    ] = None


@router.get(
    "/hardware",
    operation_id="nasbench201_hardware",
    summary="Get latencies and energies on devices",
    response_model=Page[Nb201Hardware],
    responses=PAGE_PROBLEMS,
    openapi_extra=described(HardwareQuestion),
)
async def hardware(request: Request) -> Response:
    """Return the device costs of the matching architectures, per architecture and data set.

    Latencies in milliseconds, energies in millijoules. NAS-Bench-201 itself need not be installed.
    """
    question = read_query(request, HardwareQuestion)
    catalog = catalog_of(request)
    costs = catalog.hardware()
    filters, options = filters_and_options(question, Paging.model_fields)
    compute = partial(hardware_answer, costs, filters, **options)
    return await answer_cached(request, costs, compute, at_once=question.arch is not None)


ExportRoute(name="hw-nas-bench", paged=LateModel(lambda: HardwareQuestion)).add_to(router)
