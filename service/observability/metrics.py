"""Prometheus metrics of a server.

`RequestCounter` counts requests in plain integers, because a counter and a histogram shared by
processes take 7 µs per request, as long as looking up an architecture. Once a second and before
each scrape, `Metrics` adds the increments. With one worker, the metrics are in memory. With several
workers, each writes files in the folder `PROMETHEUS_MULTIPROC_DIR`, and the scraped worker adds
them up. The state of databases, jobs and workers is read at each scrape.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from service.http.request_middleware import BUCKETS, RequestCounter
from service.jobs.records import JobState, WorkerState

__all__ = [
    "Families",
    "Metrics",
    "availability_family",
    "database_families",
    "job_families",
]

Families: TypeAlias = Callable[[], Iterable[Metric]]
"""Returns the current values of metrics; called in a thread, once per scrape."""

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_LIVE_FILE: Final = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


class Metrics:
    """Counters of this worker, and metrics that are read at each scrape.

    Args:
        counter: Counts the requests of this worker.
    """

    def __init__(self, counter: RequestCounter) -> None:
        self._counter = counter
        self._registry = CollectorRegistry()
        self._scraped = _ScrapedCollector()
        self._requests = Counter(
            "nasbench_requests",
            "Requests answered, by the template of their route and the status of the answer.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "nasbench_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._in_progress = self._gauge("nasbench_requests_in_progress", "Requests in progress.")
        self._exports = self._gauge("nasbench_exports_running", "Exports that are being sent.")
        self._kept = Counter(
            "nasbench_response_cache",
            "Scans that were answered from memory (hit) or had to be made (miss).",
            ("result",),
            registry=self._registry,
        )
        self._kept_before = {"hit": 0, "miss": 0}

    def watch(self, families: Families) -> None:
        """Register a source of metrics that is read at each scrape.

        Its values are not summed over workers: they are the same in every worker, such as those
        from a file or database.
        """
        self._scraped.sources.append(families)

    def note(self, *, exports: int, cache_hits: int, cache_misses: int) -> None:
        """Add the increments since the last call to the metrics.

        Args:
            exports: Number of running exports.
            cache_hits: Scans answered from the cache since the start.
            cache_misses: Scans computed since the start.
        """
        for (method, route, status), answered in self._counter.take().items():
            self._requests.labels(method, route, str(status)).inc(sum(answered.buckets))
            child = self._seconds.labels(method, route)
            # The public method takes one observation at a time.
            child._sum.inc(answered.seconds)  # noqa: SLF001
            for bucket, count in zip(child._buckets, answered.buckets, strict=True):  # noqa: SLF001
                if count:
                    bucket.inc(count)
        self._in_progress.set(self._counter.in_progress)
        self._exports.set(exports)
        for result, count in (("hit", cache_hits), ("miss", cache_misses)):
            self._kept.labels(result).inc(count - self._kept_before[result])
            self._kept_before[result] = count

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        registry = self._registry
        folder = os.environ.get(_FOLDER)
        if folder is not None:
            _remove_dead_workers(Path(folder))
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        looked_up = CollectorRegistry(auto_describe=False)
        looked_up.register(self._scraped)
        return generate_latest(registry) + generate_latest(looked_up)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self._registry, multiprocess_mode="livesum")


class _ScrapedCollector(Collector):
    """Collects the metrics that are read at each scrape."""

    def __init__(self) -> None:
        self.sources: list[Families] = []

    def collect(self) -> Iterator[Metric]:
        for source in self.sources:
            yield from source()

    def describe(self) -> Iterable[Metric]:
        """Return nothing, as a description would read all sources."""
        return ()


def _remove_dead_workers(folder: Path) -> None:
    """Remove the in-progress gauges of killed workers from the sums."""
    for path in folder.iterdir():
        live = _LIVE_FILE.fullmatch(path.name)
        if live and not Path(f"/proc/{live[1]}").exists() and Path("/proc").is_dir():
            mark_process_dead(int(live[1]), path=str(folder))  # type: ignore[no-untyped-call]


def database_families(catalog: Catalog) -> Iterator[Metric]:
    """Yield the metrics of the databases: size, content, and whether they are served."""
    size = GaugeMetricFamily(
        "nasbench_database_bytes", "Bytes of the file of a database.", labels=("benchmark",)
    )
    usable = GaugeMetricFamily(
        "nasbench_database_usable",
        "1 for a database that is served, 0 for one that is there and cannot be.",
        labels=("benchmark",),
    )
    verified = GaugeMetricFamily(
        "nasbench_database_verified_seconds",
        "When all bytes of a database were last found to be right, in seconds since 1970.",
        labels=("benchmark",),
    )
    content = InfoMetricFamily(
        "nasbench_database", "What a database holds and who made it.", labels=("benchmark",)
    )
    for name, installed in catalog.installed.items():
        provenance, database = installed.provenance, installed.database
        with suppress(UnusableDatabaseError):
            database.check_unchanged()
        size.add_metric((name,), database.size)
        if database.verified_at is not None:
            verified.add_metric((name,), database.verified_at)
        content.add_metric(
            (name,),
            {
                "content_digest": provenance.content_digest,
                "generator_version": provenance.generator_version,
                "synthetic": str(provenance.synthetic).lower(),
            },
        )
    unusable = catalog.unusable  # read last: the check above may have found changed files
    for name in {**catalog.installed, **unusable}:
        usable.add_metric((name,), 0 if name in unusable else 1)
    yield from (size, usable, verified, content)
    program = InfoMetricFamily("nasbench_server", "The program that serves.")
    program.add_metric((), {"version": version("nas-bench-service")})
    yield program


def job_families(
    counts: Mapping[JobState, int], workers: Iterable[WorkerState]
) -> Iterator[Metric]:
    """Yield the number of jobs per state, and the metrics of the workers.

    Args:
        counts: Jobs by state; states without jobs may be missing.
        workers: The registered workers.
    """
    jobs = GaugeMetricFamily("nasbench_jobs", "Jobs by state.", labels=("state",))
    for state in JobState:
        jobs.add_metric((state,), counts.get(state, 0))
    yield jobs
    alive = _of_worker(
        "alive", "1 for a worker heard of lately, 0 for one whose heartbeats stopped."
    )
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
    """Return the metric that tells whether the database of the jobs answers."""
    family = GaugeMetricFamily(
        "nasbench_jobs_available", "1 where the database of the jobs answers, 0 where it does not."
    )
    family.add_metric((), available)
    return family


def _of_worker(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nasbench_worker_{name}", documentation, labels=("worker", *labels))
