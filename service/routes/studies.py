"""Routes of recorded searches, read from a folder that searches may still be writing to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import anyio.to_thread
import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field

from bench_client.models.studies import StudyDetails, StudyList
from benchmark_db.catalog import Catalog
from benchmark_db.errors import BenchmarkDataError
from benchmark_db.oracle import top
from service.http.openapi import NOT_MODIFIED, described_problems
from service.http.problems import problem
from service.http.questions import cache_headers, described, read_query
from service.http.response_cache import ResponseCache
from service.routes.parameters import QuestionModel

if TYPE_CHECKING:
    from nas_search.study.comparison import Comparison
    from nas_search.study.folder import ReadSearch, StudyFolder
    from nas_search.study.runs import RecordedRun

__all__ = ["router"]

router = APIRouter(prefix="/v1/studies", tags=["studies"])

_MEANINGS: Final = {
    404: "There is no such study.",
    422: "The request is malformed.",
    500: "The server failed; its log has the request id.",
}
_ANEW: Final = "no-cache"
"""A study may grow, so clients must revalidate it."""


class _StudyQuestion(QuestionModel):
    over: Annotated[
        Literal["seconds", "evaluations"],
        Field(
            description="Compare strategies over simulated seconds, which searches on benchmarks "
            "record, or over evaluations."
        ),
    ] = "seconds"


@router.get(
    "",
    operation_id="studies",
    summary="List the recorded studies",
    response_model=StudyList,
    responses=described_problems(_MEANINGS, [500]),
)
async def studies(request: Request) -> Response:
    """List the studies of recorded searches, one per folder."""

    def listed() -> list[dict[str, Any]]:
        folder = _folder(request)
        found = ((name, folder.files(name)) for name in folder.names())
        return [{"name": name, "files": len(files or ())} for name, files in found]

    items = await _in_thread(request, listed)
    return Response(
        orjson.dumps({"items": items}),
        headers={"Cache-Control": _ANEW},
        media_type="application/json",
    )


@router.get(
    "/{name}",
    operation_id="study",
    summary="Get a study with its regret bands and tests",
    response_model=StudyDetails,
    responses={**NOT_MODIFIED, **described_problems(_MEANINGS, [404, 422, 500])},
    openapi_extra=described(_StudyQuestion),
)
async def study(
    request: Request,
    name: Annotated[str, Path(description="Name of the study.", max_length=200)],
) -> Response:
    """Return the current state of a study: searches, regret bands, tests and Pareto fronts.

    Files that are damaged or of another kind are listed under `skipped`.
    """
    over = read_query(request, _StudyQuestion).over
    known = await _in_thread(request, lambda: _fingerprint(_folder(request), name))
    if known is None:
        return problem(
            request,
            404,
            kind="unknown-study",
            title="No such study",
            detail="there is no study of this name; GET /v1/studies lists them",
        )
    catalog: Catalog = request.app.state.catalog
    digests = (one.provenance.identity for one in catalog.benchmarks.values())
    headers = cache_headers(request, known, *digests, cache_control=_ANEW)
    cache: ResponseCache = request.app.state.response_cache
    content = cache.get(headers["ETag"])
    if content is None:
        with catalog.held():
            content = await _in_thread(
                request, lambda: _details(_folder(request), name, over, catalog)
            )
        cache.keep(headers["ETag"], content)
    return Response(content, headers=headers, media_type="application/json")


async def _in_thread(request: Request, compute: Any) -> Any:
    return await anyio.to_thread.run_sync(compute, limiter=request.app.state.scan_limiter)


def _folder(request: Request) -> StudyFolder:
    # Here and below not at the top: searches are half a second of modules, and few ask for them.
    from nas_search.study.folder import StudyFolder  # noqa: PLC0415

    path = request.app.state.settings.studies_dir
    return StudyFolder(None if path is None else path.expanduser())


def _fingerprint(folder: StudyFolder, name: str) -> str | None:
    return None if folder.files(name) is None else folder.fingerprint(name)


def _details(
    folder: StudyFolder, name: str, over: Literal["seconds", "evaluations"], catalog: Catalog
) -> bytes:
    from nas_search.study.comparison import compared  # noqa: PLC0415

    searches, skipped = folder.read(name)
    found = compared(searches, over=over, oracle_of=partial(_oracle, catalog))
    answer = {
        "name": name,
        "over": over,
        "searches": list(map(_search, searches)),
        "skipped": [{"file": one.name, "reason": one.reason} for one in skipped],
        "comparisons": list(map(_comparison, found)),
        "fronts": [
            {
                "file": one.name,
                "metrics": [metric for metric, _ in one.front.objectives],
                "larger_is_better": [larger for _, larger in one.front.objectives],
                "values": [values for values, _ in one.front.points],
                "archs": [arch for _, arch in one.front.points],
            }
            for one in searches
            if one.front is not None
        ],
    }
    return orjson.dumps(answer)


def _search(search: ReadSearch) -> dict[str, Any]:
    run = search.run
    best = [point.best for point in run.trajectory if point.best is not None]
    return {
        "file": search.name,
        "strategy": run.strategy,
        "seed": run.seed,
        **_of(run),
        "trials": search.trials,
        "seconds": run.budget if search.timed else None,
        "best": best[-1] if best else None,
        "growing": search.growing,
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        **_of(one.of),
        "oracle": one.oracle,
        "files": one.searches,
        "end": one.end,
        "bands": [
            {
                "strategy": band.strategy,
                "searches": band.runs,
                "at": band.times,
                "lower": band.lower,
                "median": band.median,
                "upper": band.upper,
            }
            for band in one.bands
        ],
        "final": [{"strategy": each.strategy, "values": each.values} for each in one.final],
        "tests": [
            {
                "first": test.first,
                "second": test.second,
                "superiority": test.superiority,
                "p_two_sided": test.p_two_sided,
            }
            for test in one.tests
        ],
    }


def _of(run: RecordedRun) -> dict[str, Any]:
    names = ("benchmark", "dataset", "num_epochs", "metric", "larger_is_better")
    return {name: getattr(run, name) for name in names}


def _oracle(catalog: Catalog, run: RecordedRun) -> float | None:
    """Return the best mean of any architecture over its runs; None if it is unknown."""
    part = {"dataset": run.dataset, "num_epochs": run.num_epochs}
    try:
        (best,) = top(catalog, run.benchmark, part, metric=run.metric, n=1, bounds={})
    except (BenchmarkDataError, ValueError):
        return None
    value: float = best["value"]
    return value
