"""Everything that can be asked, in one place: the methods of all clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench_client.errors import UnsupportedQuestionError
from bench_client.late_imports import LateModule
from bench_client.operations import Operation, Question, Steps, ask, called
from bench_client.written import WrittenQuestions, written

if TYPE_CHECKING:
    from bench_client import (
        artifacts,
        explorer,
        export,
        jobs,
        models,
        oracle,
        plans,
        run_columns,
        studies,
        submissions,
        tables,
    )
else:
    artifacts = LateModule("bench_client.artifacts")
    explorer = LateModule("bench_client.explorer")
    export = LateModule("bench_client.export")
    jobs = LateModule("bench_client.jobs")
    models = LateModule("bench_client.models")
    oracle = LateModule("bench_client.oracle")
    plans = LateModule("bench_client.plans")
    run_columns = LateModule("bench_client.run_columns")
    studies = LateModule("bench_client.studies")
    submissions = LateModule("bench_client.submissions")
    tables = LateModule("bench_client.tables")

__all__ = ["Surface"]


def benchmarks() -> Steps[list[models.BenchmarkInfo]]:
    """Return what there is to know of every installed benchmark."""
    return (yield from ask(Question("benchmarks", models.BenchmarkList))).items


def benchmark(name: str) -> Steps[models.BenchmarkInfo]:
    """Return description, origin and fields, with units, of an installed benchmark.

    Args:
        name: Its name, such as `nasbench201`.

    Raises:
        BenchmarkNotInstalledError: It does not exist or is not installed.
    """
    return (yield from ask(Question("benchmark", models.BenchmarkInfo, name)))


def query(benchmark: str, *filters: Any, **options: Any) -> Steps[list[Any]]:
    """Return what the named benchmark's own query returns for the same arguments.

    `query("nasbench201", arch, 200, "cifar100", reduction="mean")` is
    `query_nb201(arch, 200, "cifar100", reduction="mean")`.

    A declared table is asked by its architecture, its axes in order, and the label of a run.

    Args:
        benchmark: Name of the benchmark.
        filters: The filters of its query, in order.
        options: The filters and options of its query, by name.

    Raises:
        InvalidRequestError: A filter is unknown or malformed.
        BenchmarkNotInstalledError: There is no such benchmark.
    """
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from tables.query_table(benchmark, *filters, **options))
    return (yield from called(by_hand.query(), *filters, **options))


def query_many(
    benchmark: str, archs: Iterable[Any], *filters: Any, **options: Any
) -> Steps[list[Any]]:
    """Return what the named benchmark's own query for many architectures returns.

    `query_many("nasbench201", archs, 200, "cifar100")` is `query_nb201_many(archs, 200,
    "cifar100")`. A declared table is asked by the filters that it declares.

    Args:
        benchmark: Name of the benchmark.
        archs: The architectures, each in any of its spellings.
        filters: The filters of its query, in order.
        options: The filters and options of its query, by name.

    Raises:
        InvalidArchitectureError: Some architectures are malformed; it says which.
        BenchmarkNotInstalledError: There is no such benchmark.
        UnsupportedQuestionError: It has no runs.
    """
    by_hand = written(benchmark)
    if by_hand is None or by_hand.query_many is None:
        return (yield from tables.query_table_many(benchmark, archs, *filters, **options))
    return (yield from called(by_hand.query_many(), archs, *filters, **options))


def curves(benchmark: str, *filters: Any, **options: Any) -> Steps[list[Any]]:
    """Return what the named benchmark's own question about learning curves returns.

    `curves("nasbench201", arch, 200, "cifar100")` is `curves_nb201(arch, 200, "cifar100")`.

    Args:
        benchmark: Name of the benchmark.
        filters: The filters of its query, in order.
        options: The filters of its query by name, and `reduction`.

    Raises:
        InvalidRequestError: A filter is unknown or malformed, or the benchmark has no curves.
        BenchmarkNotInstalledError: There is no such benchmark.
    """
    by_hand = written(benchmark)
    if by_hand is None or by_hand.curves is None:
        return (yield from tables.curves_table(benchmark, *filters, **options))
    return (yield from called(by_hand.curves(), *filters, **options))


def describe(benchmark: str, arch: Any) -> Steps[Any]:
    """Return every name of an architecture, and its equals where a benchmark knows them.

    `describe("nasbench201", arch)` is `describe_nb201(arch)`; of `nasbench101` it is
    `hash_nb101(arch)`.

    Args:
        benchmark: Name of the benchmark, or of a declared table.
        arch: The architecture in any of its spellings.

    Raises:
        InvalidArchitectureError: It is malformed.
        BenchmarkNotInstalledError: There is no such benchmark.
        UnsupportedQuestionError: Nothing is known of its architectures but what was trained: NDS.
    """
    by_hand = written(benchmark)
    if by_hand is None:
        return (yield from tables.describe_table(benchmark, arch))
    if by_hand.describe is None:
        raise UnsupportedQuestionError(
            f"{benchmark} knows no other name of an architecture than the one it is asked by"
        )
    return (yield from by_hand.describe()(arch))


class Surface(WrittenQuestions):
    """The methods that every client has."""

    benchmarks = Operation(lambda: benchmarks)
    benchmark = Operation(lambda: benchmark)
    query = Operation(lambda: query)
    query_many = Operation(lambda: query_many)
    run_columns = Operation(lambda: run_columns.run_columns)
    curves = Operation(lambda: curves)
    describe = Operation(lambda: describe)

    top = Operation(lambda: oracle.top)
    pareto = Operation(lambda: oracle.pareto)
    rank = Operation(lambda: oracle.rank)
    correlation = Operation(lambda: oracle.correlation)
    distribution = Operation(lambda: oracle.distribution)
    random = Operation(lambda: oracle.random)
    neighbors = Operation(lambda: oracle.neighbors)

    columns = Operation(lambda: explorer.columns)
    column = Operation(lambda: explorer.column)
    density = Operation(lambda: explorer.density)
    picture = Operation(lambda: explorer.picture)
    spellings = Operation(lambda: explorer.spellings)
    studies = Operation(lambda: studies.studies)
    study = Operation(lambda: studies.study)

    export = Operation(lambda: export.export)
    export_to = Operation(lambda: export.export_to)

    job = Operation(lambda: jobs.job)
    jobs = Operation(lambda: jobs.jobs)
    cancel = Operation(lambda: jobs.cancel)
    wait = Operation(lambda: jobs.wait)
    build = Operation(lambda: submissions.build)
    evaluate = Operation(lambda: submissions.evaluate)
    latency = Operation(lambda: submissions.latency)
    train = Operation(lambda: submissions.train)
    train_supernet = Operation(lambda: submissions.train_supernet)
    check_plan = Operation(lambda: plans.check_plan)
    plan = Operation(lambda: plans.plan)
    plans = Operation(lambda: plans.plans)
    plan_named = Operation(lambda: plans.plan_named)
    plan_cells = Operation(lambda: plans.plan_cells)
    plan_map = Operation(lambda: plans.plan_map)
    measure_cells = Operation(lambda: plans.measure_cells)
    start_plan = Operation(lambda: plans.start_plan)
    pause_plan = Operation(lambda: plans.pause_plan)
    resume_plan = Operation(lambda: plans.resume_plan)
    stop_plan = Operation(lambda: plans.stop_plan)
    retry_plan = Operation(lambda: plans.retry_plan)
    seal_plan = Operation(lambda: plans.seal_plan)
    version_plan = Operation(lambda: plans.version_plan)
    wait_plan = Operation(lambda: plans.wait_plan)
    keep_version = Operation(lambda: plans.keep_version)
    withdraw_cell = Operation(lambda: plans.withdraw_cell)
    workers = Operation(lambda: jobs.workers)
    datasets = Operation(lambda: jobs.datasets)
    zoo = Operation(lambda: jobs.zoo)
    checkpoints = Operation(lambda: jobs.checkpoints)
    delete_checkpoint = Operation(lambda: jobs.delete_checkpoint)
    download = Operation(lambda: artifacts.download)
    materialize = Operation(lambda: artifacts.materialize)
