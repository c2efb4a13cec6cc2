"""What is served, as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError

__all__ = ["database_families"]


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
