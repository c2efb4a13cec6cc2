"""The metrics of a server, whatever number of workers it has.

With one worker they are in memory. With several, `PROMETHEUS_MULTIPROC_DIR` names a folder in which
each keeps a file of its own; whichever is asked adds all of them up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from service.observability.request_counter import BUCKETS, RequestCounter

__all__ = ["Families", "Metrics"]

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
