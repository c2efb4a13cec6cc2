"""Metrics of a server, as Prometheus reads them.

`RequestCounter` counts requests in plain numbers: a counter and a histogram that several processes
share take 7 µs a request, as much as looking an architecture up. Once a second and before each
reading, `Metrics` takes over what they have grown by. With one worker the metrics are in memory.
With several, `PROMETHEUS_MULTIPROC_DIR` names a folder in which each keeps a file of its own;
whichever is asked adds all of them up. The state of databases, jobs and workers is looked up when
it is asked for.
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
"""Says, when asked, what is so: called in a thread, once a reading."""

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_LIVE_FILE: Final = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


class Metrics:
    """What is counted while serving, and what is looked up when asked.

    Args:
        counter: Of the requests of this worker.
    """

    def __init__(self, counter: RequestCounter) -> None:
        self._counter = counter
        self._registry = CollectorRegistry()
        self._watched = _Watched()
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
        """Ask for these families too whenever the metrics are read.

        They are what is the same in every worker, such as what a file or a database says: they are
        not added up.
        """
        self._watched.sources.append(families)

    def note(self, *, exports: int, cache_hits: int, cache_misses: int) -> None:
        """Hand on what was counted since this was last called.

        Args:
            exports: How many run now.
            cache_hits: Scans answered from memory since the start.
            cache_misses: Scans that had to be made since the start.
        """
        for (method, route, status), answered in self._counter.take().items():
            self._requests.labels(method, route, str(status)).inc(sum(answered.buckets))
            child = self._seconds.labels(method, route)
            # Its public way takes one latency at a time.
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
        """Return all metrics, in Prometheus's text form."""
        registry = self._registry
        folder = os.environ.get(_FOLDER)
        if folder is not None:
            _forget_dead_workers(Path(folder))
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        looked_up = CollectorRegistry(auto_describe=False)
        looked_up.register(self._watched)
        return generate_latest(registry) + generate_latest(looked_up)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self._registry, multiprocess_mode="livesum")


class _Watched(Collector):
    """All that is looked up when the metrics are read."""

    def __init__(self) -> None:
        self.sources: list[Families] = []

    def collect(self) -> Iterator[Metric]:
        for source in self.sources:
            yield from source()

    def describe(self) -> Iterable[Metric]:
        """Describe nothing beforehand, which would mean to look everything up."""
        return ()


def _forget_dead_workers(folder: Path) -> None:
    """Take what is in progress in workers that were killed out of the sums."""
    for path in folder.iterdir():
        live = _LIVE_FILE.fullmatch(path.name)
        if live and not Path(f"/proc/{live[1]}").exists() and Path("/proc").is_dir():
            mark_process_dead(int(live[1]), path=str(folder))  # type: ignore[no-untyped-call]


def database_families(catalog: Catalog) -> Iterator[Metric]:
    """Yield the databases of a server: how large, which content, whether they can be served."""
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
    unusable = catalog.unusable  # what has just been found to be changed included
    for name in {**catalog.installed, **unusable}:
        usable.add_metric((name,), 0 if name in unusable else 1)
    yield from (size, usable, verified, content)
    program = InfoMetricFamily("nasbench_server", "The program that serves.")
    program.add_metric((), {"version": version("nas-bench-service")})
    yield program


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
    """Return whether jobs can be asked for."""
    family = GaugeMetricFamily(
        "nasbench_jobs_available", "1 where the database of the jobs answers, 0 where it does not."
    )
    family.add_metric((), available)
    return family


def _of_worker(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nasbench_worker_{name}", documentation, labels=("worker", *labels))
