"""What architectures of NAS-Bench-201 cost on devices: HW-NAS-Bench."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from bench_client.models import Nb201Hardware, Page
from benchmark_db.answers import hardware_answer
from benchmark_db.catalog import Catalog
from benchmark_db.hw_nas_bench.tables import DEVICES
from benchmark_db.nasbench201.architecture import arch_str, operations_at
from service.http.openapi import READ_PROBLEMS
from service.http.query import described, read_query
from service.http.respond import answer_now, answer_scan, cache_headers
from service.routes.nasbench201 import ARCH
from service.routes.parameters import Paging, filters_of

__all__ = ["router"]

router = APIRouter(prefix="/v1/nasbench201", tags=["nasbench201"])

_FILTERS: Final = ("arch", "dataset", "device")


class HardwareQuestion(Paging):
    """Filters and page; an omitted filter is a wildcard."""

    arch: Annotated[
        str | None,
        Field(
            description=ARCH,
            examples=[arch_str(operations_at(0)), "0"],
        ),
    ] = None
    dataset: Annotated[
        str | None,
        Field(
            description="cifar10, cifar100 or imagenet16-120, in any case. For cifar10-valid the "
            "costs of cifar10 are given: the networks are the same.",
            examples=["cifar10"],
        ),
    ] = None
    device: Annotated[
        str | None,
        Field(
            description=f"{', '.join(DEVICES)}: items carry the costs on it alone.",
            examples=["edgegpu"],
        ),
    ] = None


@router.get(
    "/hardware",
    operation_id="nasbench201_hardware",
    response_model=Page[Nb201Hardware],
    responses=READ_PROBLEMS,
    openapi_extra=described(HardwareQuestion),
)
async def hardware(request: Request) -> Response:
    """Return what the matching architectures cost: an item an architecture and data set.

    Latencies in milliseconds, energies in millijoules. NAS-Bench-201 itself need not be installed.
    """
    question = read_query(request, HardwareQuestion)
    catalog: Catalog = request.app.state.catalog
    costs = catalog.hardware()
    compute = partial(
        hardware_answer,
        costs,
        filters_of(question, _FILTERS),
        limit=question.limit,
        cursor=question.cursor,
    )
    headers = cache_headers(request, costs.provenance.content_digest)
    if question.arch is not None:
        return answer_now(compute(), headers)
    return await answer_scan(request, costs, compute, headers)
