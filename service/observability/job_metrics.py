"""Jobs and workers, as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from service.jobs.records import JobState, WorkerState

__all__ = ["availability_family", "job_families"]


def job_families(
    counts: Mapping[JobState, int], workers: Iterable[WorkerState]
) -> Iterator[Metric]:
    """Yield how many jobs are in which state, and how the workers are.

    Args:
        counts: Jobs by state; a state without any may be missing.
        workers: Those that registered.
    """
    jobs = GaugeMetricFamily("nasbench_jobs", "Jobs by state.", labels=("state",))
    for state in JobState:
        jobs.add_metric((state,), counts.get(state, 0))
    yield jobs
    alive = _of_worker("alive", "1 for a worker heard of lately, 0 for one that fell silent.")
    seen = _of_worker("seen_seconds", "When a worker was last heard of, in seconds since 1970.")
    running = _of_worker("running_jobs", "Jobs that a worker runs.")
    memory = _of_worker("device_bytes", "Memory of a device.", "device", "kind", "model")
    for worker in workers:
        name = (worker.id,)
        alive.add_metric(name, worker.alive)
        running.add_metric(name, len(worker.running))
        if worker.seen_at is not None:
            seen.add_metric(name, worker.seen_at.timestamp())
        for device in worker.devices:
            memory.add_metric((*name, device.name, device.kind, device.model), device.memory)
    yield from (alive, seen, running, memory)


def availability_family(*, available: bool) -> Metric:
    """Return whether jobs can be asked for."""
    family = GaugeMetricFamily(
        "nasbench_jobs_available", "1 where the database of the jobs answers, 0 where it does not."
    )
    family.add_metric((), available)
    return family


def _of_worker(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nasbench_worker_{name}", documentation, labels=("worker", *labels))
