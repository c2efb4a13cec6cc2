"""Queries about the runs of any benchmark, with the filters that its description defines.

The hand-written queries of some benchmarks (`bench_client.written`) only name filters and types,
and call `runs`, `runs_of_many` and `curves` of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bench_client.arguments import Reduction, boolean, integer, plain, plain_arch, refused
from bench_client.errors import UnsupportedQuestionError
from bench_client.frames import Batch, Items
from bench_client.late_imports import LateModule
from bench_client.operations import KnownTable, Question, Steps, ask
from bench_client.pages import batch_of, every_batch, every_page, page_of, page_size
from bench_client.written import written

if TYPE_CHECKING:
    from bench_client import run_columns
    from bench_client.models import benchmarks
    from bench_client.models.described import TableModels
else:
    run_columns = LateModule("bench_client.run_columns")
    benchmarks = LateModule("bench_client.models.benchmarks")

__all__ = ["curves", "curves_table", "describe_table", "known_table", "query_table"]
__all__ += ["query_table_many", "runs", "runs_of_many"]


def known_table(name: str) -> Steps[TableModels]:
    """Return the models of a benchmark; those of a declared table are fetched once and cached.

    Raises:
        BenchmarkNotInstalledError: There is no benchmark of this name.
        UnsupportedQuestionError: The benchmark has no runs.
    """
    by_hand = written(name)
    if by_hand is not None:
        if by_hand.query_many is None:
            raise UnsupportedQuestionError(
                f"{name} has no runs: `query` returns its rows, and its columns are metrics of "
                "the benchmark whose architectures it describes"
            )
        return by_hand.models
    models: TableModels = yield KnownTable("benchmark", benchmarks.BenchmarkInfo, name)
    return models


def query_table(
    benchmark: str,
    arch: Any = None,
    *values: Any,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
    **filters: Any,
) -> Steps[Items[Any]]:
    """Return the runs of a benchmark that match, or one item per configuration if reduced.

    Args:
        benchmark: Name of the benchmark; `digits@3` is the third version of a plan's table.
        arch: Architecture in any spelling; None is a wildcard.
        values: Values of its axes, in order, and the label of a run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        include_intermediates: Whether items include their learning curves.
        filters: The same values by name.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: A filter is unknown or malformed, or the benchmark has no curves.
        BenchmarkNotInstalledError: There is no benchmark of this name.
    """
    models = yield from known_table(benchmark)
    asked = {"arch": plain_arch(arch), **_filters(models, values, filters)}
    return (
        yield from runs(
            models, asked, reduction=reduction, include_intermediates=include_intermediates
        )
    )


def query_table_many(
    benchmark: str,
    archs: Iterable[Any],
    *values: Any,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
    **filters: Any,
) -> Steps[Batch[Any]]:
    """Return the runs of each of many architectures of a benchmark, in the same order.

    Arguments and errors are those of `query_table`; the `positions` of an InvalidArchitectureError
    list the malformed architectures.
    """
    models = yield from known_table(benchmark)
    asked = _filters(models, values, filters)
    return (
        yield from runs_of_many(
            models,
            archs,
            asked,
            reduction=reduction,
            include_intermediates=include_intermediates,
        )
    )


def curves_table(
    benchmark: str,
    arch: Any = None,
    *values: Any,
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[Items[Any]]:
    """Return the learning curves of runs of a benchmark, as columns: one list per statistic.

    Arguments and errors are those of `query_table`.
    """
    models = yield from known_table(benchmark)
    asked = {"arch": plain_arch(arch), **_filters(models, values, filters)}
    return (yield from curves(models, asked, reduction=reduction))


def describe_table(benchmark: str, arch: Any) -> Steps[Any]:
    """Return all spellings of an architecture of a benchmark; errors are those of `query_table`."""
    models = yield from known_table(benchmark)
    options = {"arch": plain_arch(arch)}
    return (yield from ask(Question("architecture", models.architecture, benchmark, {}, options)))


def runs(
    models: TableModels,
    filters: Mapping[str, Any],
    *,
    reduction: Reduction | None,
    include_intermediates: bool,
    sort: str | None = None,
    limit: int | None = None,
) -> Steps[Items[Any]]:
    """Fetch the runs that match filters, page by page.

    Args:
        models: Models of the benchmark.
        filters: Values by filter, None being a wildcard.
        reduction: How several runs become one item.
        include_intermediates: Whether items include learning curves.
        sort: Sort key.
        limit: Maximum number of items.
    """
    options = _options(models, reduction, include_intermediates=include_intermediates)
    if sort is not None:
        options["sort"] = sort
    options["limit"] = page_size(with_curves=include_intermediates)
    page = page_of(models.stats)
    question = Question("computed_stats", page, models.name, filters, options)
    return (yield from every_page(question, at_most=limit))


def runs_of_many(
    models: TableModels,
    archs: Iterable[Any],
    filters: Mapping[str, Any],
    *,
    reduction: Reduction | None,
    include_intermediates: bool,
) -> Steps[Batch[Any]]:
    """Fetch the runs of many architectures; arguments are those of `runs`.

    Runs without learning curves are transferred as columns, which takes a third of the time.
    """
    if not boolean("include_intermediates", include_intermediates):
        return (yield from run_columns.runs_in_columns(models, archs, filters, reduction=reduction))
    options = _options(models, reduction, include_intermediates=True)
    answer = batch_of(models.stats)
    question = Question("computed_stats_many", answer, models.name, filters, options)
    return (yield from every_batch(question, archs, with_curves=True, sendable=plain_arch))


def curves(
    models: TableModels,
    filters: Mapping[str, Any],
    *,
    reduction: Reduction | None,
    sort: str | None = None,
    limit: int | None = None,
) -> Steps[Items[Any]]:
    """Fetch learning curves as columns; arguments are those of `runs`."""
    if models.curves is None:
        raise refused("curves", f"{models.spec.name} records no learning curves")
    order = {} if sort is None else {"sort": sort}
    options = {"reduction": reduction, "limit": page_size(with_curves=True), **order}
    page = page_of(models.curves)
    question = Question("intermediate_stats", page, models.name, filters, options)
    return (yield from every_page(question, at_most=limit))


def _options(
    models: TableModels, reduction: Reduction | None, *, include_intermediates: bool
) -> dict[str, Any]:
    if not boolean("include_intermediates", include_intermediates):
        return {"reduction": reduction}
    if models.curves is None:
        raise refused("include_intermediates", f"{models.spec.name} records no learning curves")
    return {"reduction": reduction, "include_intermediates": True}


def _filters(
    models: TableModels, values: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return filters by name, after checking numbers."""
    kinds, table = models.filters, models.spec.name
    if len(values) > len(kinds):
        known = f"{table} has arch, {', '.join(kinds)}"
        raise refused("filters", f"{len(values) + 1} filters given; {known}")
    given = dict(zip(kinds, values, strict=False))
    for name, value in named.items():
        if name not in kinds:
            from difflib import get_close_matches  # noqa: PLC0415 - only for errors

            near = get_close_matches(name, kinds, n=1)
            meant = (
                f"; did you mean {near[0]}?" if near else f"; known are arch, {', '.join(kinds)}"
            )
            raise refused(name, f"{table} has no filter {name!r:.80}{meant}")
        if name in given:
            raise refused(name, "given twice")
        given[name] = value
    for name, value in given.items():
        # Local queries take microseconds, so values of the right type skip the checks.
        if value is not None and type(value) is not (int if kinds[name] == "integer" else str):
            given[name] = integer(name, value) if kinds[name] == "integer" else plain(value)
    return given
