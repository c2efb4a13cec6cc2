"""Questions about declared tables: their filters are known once their description is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from bench_client.arguments import Reduction, plain, plain_arch, whole
from bench_client.errors import InvalidRequestError
from bench_client.frames import Batch, Items
from bench_client.models.answers import FieldError
from bench_client.models.benchmarks import BenchmarkInfo
from bench_client.models.described import TableModels
from bench_client.operations import KnownTable, Question, Steps
from bench_client.pages import batch_of, every_batch, every_page, page_of, page_size
from benchmark_spec import BenchmarkSpec

__all__ = ["known_table", "query_table", "query_table_many"]


def known_table(name: str) -> Steps[TableModels]:
    """Return the models of a declared table: asked for once, then kept by the client.

    Raises:
        BenchmarkNotInstalledError: There is no declared table of this name.
    """
    models: TableModels = yield KnownTable("benchmark", BenchmarkInfo, name)
    return models


def query_table(
    benchmark: str,
    arch: Any = None,
    *values: Any,
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[Items[Any]]:
    """Return the runs of a declared table that match, or one item a configuration when reduced.

    Args:
        benchmark: Name of the table.
        arch: The architecture in any of its spellings; None is a wildcard.
        values: Values of its axes, in order, and the label of a run.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        filters: The same by name.

    Raises:
        InvalidArchitectureError: The architecture is malformed.
        InvalidRequestError: A filter is unknown or malformed.
        BenchmarkNotInstalledError: There is no declared table of this name.
    """
    models = yield from known_table(benchmark)
    asked = {"arch": plain_arch(arch), **_filters(models.spec, values, filters)}
    options = {"reduction": reduction, "limit": page_size(with_curves=False)}
    question = Question("computed_stats", page_of(models.stats), benchmark, asked, options)
    return (yield from every_page(question))


def query_table_many(
    benchmark: str,
    archs: Iterable[Any],
    *values: Any,
    reduction: Reduction | None = None,
    **filters: Any,
) -> Steps[Batch[Any]]:
    """Return the runs of many architectures of a declared table, aligned with them.

    Arguments and errors are those of `query_table`; of malformed architectures the error says
    which they are.
    """
    models = yield from known_table(benchmark)
    asked = _filters(models.spec, values, filters)
    answer = batch_of(models.stats)
    question = Question("computed_stats_many", answer, benchmark, asked, {"reduction": reduction})
    return (yield from every_batch(question, archs, with_curves=False, sendable=plain_arch))


def _filters(
    spec: BenchmarkSpec, values: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return filters by name, the numbers among them checked."""
    label = () if spec.label is None else (spec.label.name,)
    kinds = {axis.name: axis.kind for axis in spec.axes} | dict.fromkeys(label, "integer")
    if len(values) > len(kinds):
        _refuse("filters", f"{len(values) + 1} filters; {spec.name} has arch, {', '.join(kinds)}")
    given = dict(zip(kinds, values, strict=False))
    for name, value in named.items():
        if name not in kinds:
            near = get_close_matches(name, kinds, n=1)
            meant = (
                f"; did you mean {near[0]}?" if near else f"; known are arch, {', '.join(kinds)}"
            )
            _refuse(name, f"{spec.name} has no filter {name!r:.80}{meant}")
        if name in given:
            _refuse(name, "given twice")
        given[name] = value
    return {
        name: whole(name, value) if kinds[name] == "integer" else plain(value)
        for name, value in given.items()
    }


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidRequestError(f"{name}: {message}", errors=[FieldError(loc=[name], msg=message)])
