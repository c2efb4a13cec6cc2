"""Routes of queries over all architectures of a benchmark: top, Pareto front, rank and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from bench_client.explorer import DENSITY_HEADER
from bench_client.models import (
    Correlation,
    Distribution,
    Found,
    Ranked,
    Standing,
    TradeOff,
)
from benchmark_db.answers import (
    Answer,
    correlation_answer,
    density_answer,
    distribution_answer,
    pareto_answer,
    rank_answer,
    top_answer,
)
from benchmark_db.correlation import MAX_RESAMPLES, MAX_TOP
from benchmark_db.density import MAX_BINS, MIN_BINS
from benchmark_db.distribution import MAX_POINTS
from benchmark_db.metrics import BOUND_SIDES, Metric
from benchmark_db.questions import MAX_LIMIT
from service.http.openapi import READ_PROBLEMS
from service.http.questions import (
    LateModel,
    answer_scan,
    cache_headers,
    catalog_of,
    described,
    filters_and_options,
    installed,
    read_query,
    source_digests,
)
from service.routes.columns import ColumnRoutes, answer_bytes, bytes_response
from service.routes.parameters import QuestionModel

__all__ = ["OracleRoutes"]

_MAX_INTEGER: Final = 2**63 - 1
_SIDES: Final = {"min": "Minimum of", "max": "Maximum of"}


@dataclass(frozen=True, kw_only=True)
class OracleRoutes:
    """The routes that compare all architectures of a benchmark.

    Attributes:
        name: The benchmark.
        metrics: The metrics by which architectures can be compared, by name.
        parts_by: The filters that select a slice; a query must name each of them.
        filters: A model of the fields that select a slice of the benchmark.
        config: Makes the model of the `config` object of its items.
        arch: Description of an architecture in a query string; None if ranks are unavailable.
        example: An example of one.
        distributions: Whether to add `distribution`, which a benchmark's own router may replace.
    """

    name: str
    metrics: Mapping[str, Metric]
    parts_by: tuple[str, ...]
    filters: type[BaseModel]
    config: Callable[[], Any]
    arch: str | None = None
    example: str = ""
    distributions: bool = True

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to the benchmark's router."""
        ColumnRoutes(
            name=self.name, filters=self.filters, required=self._required(), metric=self._column
        ).add_to(router)
        self._add(router, "top", self._top, self._items_of(Ranked), top_answer)
        self._add(router, "pareto", self._pareto, self._items_of(TradeOff), pareto_answer)
        self._add(router, "rank", self._rank, self._items_of(Standing), rank_answer)
        self._add(
            router, "correlation", self._correlation, lambda: Found[Correlation], correlation_answer
        )
        self._add_density(router)
        if self.distributions:
            self._add(
                router,
                "distribution",
                self._distribution,
                lambda: Found[Distribution],
                distribution_answer,
            )

    def _items_of(self, item: Any) -> Callable[[], Any]:
        """Return a function that makes the model of an answer whose items have a `config`."""

        def made() -> Any:
            of_config: Any = item[self.config()]
            return Found[of_config]

        return made

    def _top(self) -> type[BaseModel]:
        """Make the model of the query of `top`."""
        n = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Number of architectures.")]
        return self._question("Top", metric=(self._metric(), ...), n=(n, 10), bounded=True)

    def _pareto(self) -> type[BaseModel]:
        x = self._metric("A metric; the best architecture by it comes first.")
        y = self._metric("The other metric.", example="parameters")
        return self._question("Pareto", x=(x, ...), y=(y, ...), bounded=True)

    def _rank(self) -> type[BaseModel]:
        arch = Annotated[str, Field(description=self.arch or "", examples=[self.example])]
        return self._question("Rank", arch=(arch, ...), metric=(self._metric(), ...))

    def _distribution(self) -> type[BaseModel]:
        points = Annotated[
            int, Field(ge=1, le=MAX_POINTS, description="Maximum number of points of the function.")
        ]
        metric = (self._metric(), ...)
        return self._question("Distribution", metric=metric, points=(points, 100), bounded=True)

    def _correlation(self) -> type[BaseModel]:
        top_k = Field(ge=1, le=MAX_TOP, description="Number of best architectures compared.")
        resamples = Field(
            ge=0,
            le=MAX_RESAMPLES,
            description="Number of bootstrap resamples for the intervals; 0: no intervals.",
        )
        seed = Field(ge=0, le=_MAX_INTEGER, description="Seed of the resampling.")
        return self._question(
            "Correlation",
            x=(self._metric(), ...),
            y=(self._metric("The other metric.", example="parameters"), ...),
            top_k=(Annotated[int, top_k], 100),
            resamples=(Annotated[int, resamples], 0),
            resample_seed=(Annotated[int, seed], 0),
            bounded=True,
            **self._y_parts(),
        )

    def _y_parts(self) -> dict[str, Any]:
        """Return the filters that select another slice for the metric y than for x."""
        return {
            f"y_{name}": (field.annotation, field)
            for name, field in self.filters.model_fields.items()
        }

    def _density(self) -> type[BaseModel]:
        cells = Field(ge=MIN_BINS, le=MAX_BINS, description="Cells along each axis.")
        sides: dict[str, Any] = {}
        for axis in "xy":
            sides[f"{axis}_log"] = (Annotated[bool, Field(description=_LOG)], False)
            for end, told in _ENDS.items():
                told_field = Field(allow_inf_nan=False, description=told.format(axis=axis))
                sides[f"{axis}_{end}"] = (Annotated[float | None, told_field], None)
        return self._question(
            "Density",
            x=(self._metric(), ...),
            y=(self._metric("The other metric.", example="parameters"), ...),
            bins=(Annotated[int, cells], 128),
            bounded=True,
            **sides,
            **self._y_parts(),
        )

    def _metric(self, said: str = "A metric.", *, example: str = "test_acc") -> Any:
        names = list(self.metrics)
        # Any metric will do if none has the name of the example.
        known = next((name for name in names if name.endswith(example)), names[-1])
        extra: dict[str, Any] = {"enum": list(names)}
        return Annotated[str, Field(description=said, examples=[known], json_schema_extra=extra)]

    def _column(self) -> Any:
        # Not an enumeration, because features are allowed, too.
        told = "A metric, or a feature such as `@number`; `columns` lists them."
        examples = [next(iter(self.metrics)), "@number"]
        return Annotated[str, Field(max_length=500, description=told, examples=examples)]

    def _question(self, kind: str, *, bounded: bool = False, **fields: Any) -> type[BaseModel]:
        bounds = _bounds(self.metrics.values()) if bounded else {}
        return create_model(
            f"{self.name.title().replace('-', '')}{kind}Question",
            __base__=(self.filters, QuestionModel),
            **fields,
            **bounds,
        )

    def _required(self) -> tuple[str, ...]:
        """Return the filters without which the slice is ambiguous."""
        return tuple(name for name in self.parts_by if name in self.filters.model_fields)

    def _add_density(self, router: APIRouter) -> None:
        asked, name = LateModel(self._density), self.name

        async def density(request: Request) -> Response:
            question = read_query(request, asked.model)
            filters, options = filters_and_options(question, _OPTIONS)
            catalog = catalog_of(request)
            compute = partial(density_answer, catalog, name, filters, **options)
            return await answer_bytes(request, name, compute, DENSITY_HEADER)

        router.get(
            "/density",
            operation_id=f"{name.replace('-', '_')}_density",
            summary="Count architectures on a grid of two metrics",
            description=_DESCRIPTIONS["density"],
            response_class=Response,
            responses=bytes_response(DENSITY_HEADER, _SAID_OF_DENSITY),
            openapi_extra=described(asked, required=self._required()),
        )(density)

    def _add(
        self,
        router: APIRouter,
        topic: str,
        make_question: Callable[[], type[BaseModel]],
        answer_model: Callable[[], Any],
        answer: Callable[..., Answer],
    ) -> None:
        asked = LateModel(make_question)
        ranked = topic != "rank" or self.arch is not None

        async def ask(request: Request) -> Response:
            benchmark = installed(request, self.name)
            question = read_query(request, asked.model)
            filters, options = filters_and_options(question, _OPTIONS)
            catalog = catalog_of(request)
            compute = partial(answer, catalog, self.name, filters, **options)
            headers = cache_headers(request, *source_digests(request, self.name))
            return await answer_scan(request, benchmark, compute, headers)

        router.get(
            f"/{topic}",
            operation_id=f"{self.name.replace('-', '_')}_{topic}",
            summary=_SUMMARIES[topic],
            description=_DESCRIPTIONS[topic],
            response_model=None,
            responses=READ_PROBLEMS,
            openapi_extra=described(asked, required=self._required(), answer=answer_model),
            # If the benchmark has no ranks, the route explains why; the document omits it.
            include_in_schema=ranked,
        )(ask)


_OPTIONS: Final = frozenset(
    {
        *("arch", "bins", "metric", "n", "points", "resample_seed", "resamples", "top_k"),
        *("x", "x_from", "x_log", "x_to", "y", "y_from", "y_log", "y_to"),
    }
)

_LOG: Final = "Whether the axis of the grid is logarithmic."
_ENDS: Final = {
    "from": "Lower end of the grid; by default the smallest counted {axis}.",
    "to": "Upper end of the grid, inclusive; by default the largest counted {axis}.",
}
_SAID_OF_DENSITY: Final = (
    "JSON: `bins`, `layout`, `cells` (non-empty), `counted`, `outside` (the grid), `left_out` "
    "(lacking a value), `x` and `y` (`metric`, `unit`, `part`, `log`, `low`, `high`) and "
    "`provenance`."
)

_SUMMARIES: Final = {
    "top": "Find the best architectures by a metric",
    "pareto": "Find the best trade-offs between two metrics",
    "rank": "Rank an architecture by a metric",
    "correlation": "Compare two metrics by their correlation",
    "distribution": "Get the distribution of a metric",
}
_DESCRIPTIONS: Final = {
    "top": "Return the best architectures by a metric within bounds, best first.",
    "pareto": "Return the Pareto front: the architectures that no other dominates in two metrics.",
    "rank": "Return the rank of an architecture among all, and its distance from the best.",
    "correlation": (
        "Return the agreement of two metrics: Kendall's tau-b, Spearman's rho, Pearson's r, and "
        "the overlap of the best architectures by each. Parameters with the prefix `y_` select the "
        "slice of the metric y; omitted ones are as for x."
    ),
    "density": (
        "Return the number of architectures in each cell of a grid over two metrics, as 32-bit "
        "little-endian counts. The header `X-Density` describes them. With the `layout` `dense`, "
        "the body has `bins` times `bins` counts, row by row: rows go along y and columns along x, "
        "from the smallest. With `sparse`, it has the positions (row times `bins` plus column) of "
        "the `cells` that are not empty, and then their counts. Parameters with the prefix `y_` "
        "select the slice of the metric y, as for `correlation`."
    ),
    "distribution": "Return the distribution of a metric over all architectures.",
}


def _bounds(metrics: Any) -> dict[str, Any]:
    return {
        f"{side}_{metric.name}": (
            float | None,
            Field(default=None, allow_inf_nan=False, description=_said(side, metric)),
        )
        for metric in metrics
        for side in BOUND_SIDES
    }


def _said(side: str, metric: Metric) -> str:
    return f"{_SIDES[side]} {metric.name}, in {metric.unit}, inclusive."
