"""Methods of both clients, except those that take the name of a benchmark (`questions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_client.arguments import checked_name
from bench_client.frames import Items
from bench_client.late_imports import LateModule
from bench_client.operations import Operation, Question, Steps, ask
from bench_client.written import WrittenQuestions

if TYPE_CHECKING:
    from bench_client import (
        artifacts,
        jobs,
        models,
        plans,
        studies,
        submissions,
        trainings,
    )
else:
    artifacts = LateModule("bench_client.artifacts")
    jobs = LateModule("bench_client.jobs")
    models = LateModule("bench_client.models")
    plans = LateModule("bench_client.plans")
    studies = LateModule("bench_client.studies")
    submissions = LateModule("bench_client.submissions")
    trainings = LateModule("bench_client.trainings")

__all__ = ["ClientMethods"]


def benchmarks() -> Steps[Items[models.BenchmarkInfo]]:
    """Return description, origin and fields of every installed benchmark."""
    found = yield from ask(Question("benchmarks", models.BenchmarkList))
    return Items(found.items, models.BenchmarkInfo)


def benchmark(name: str) -> Steps[models.BenchmarkInfo]:
    """Return description, origin and fields (with units) of an installed benchmark.

    Args:
        name: Name of the benchmark, such as `nasbench201`.

    Raises:
        BenchmarkNotInstalledError: The benchmark does not exist or is not installed.
    """
    return (yield from ask(Question("benchmark", models.BenchmarkInfo, checked_name(name))))


class ClientMethods(WrittenQuestions):
    """Methods about single benchmarks, the service, jobs, plans and studies."""

    benchmarks = Operation(lambda: benchmarks)
    benchmark = Operation(lambda: benchmark)
    studies = Operation(lambda: studies.studies)
    study = Operation(lambda: studies.study)

    job = Operation(lambda: jobs.job)
    jobs = Operation(lambda: jobs.jobs)
    cancel = Operation(lambda: jobs.cancel)
    stop = Operation(lambda: jobs.stop)
    wait = Operation(lambda: jobs.wait)
    build = Operation(lambda: submissions.build)
    evaluate = Operation(lambda: submissions.evaluate)
    latency = Operation(lambda: submissions.latency)
    train = Operation(lambda: trainings.train)
    train_supernet = Operation(lambda: trainings.train_supernet)
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
