"""What is served, as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from benchmark_db.catalog import Catalog

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
    content = InfoMetricFamily(
        "nasbench_database", "What a database holds and who made it.", labels=("benchmark",)
    )
    for name, published in catalog.published.items():
        provenance = published.provenance
        # What is served stays open when its file is replaced or removed.
        with suppress(FileNotFoundError):
            size.add_metric((name,), published.database.path.stat().st_size)
        usable.add_metric((name,), 1)
        content.add_metric(
            (name,),
            {
                "content_digest": provenance.content_digest,
                "generator_version": provenance.generator_version,
                "synthetic": str(provenance.synthetic).lower(),
            },
        )
    for name in catalog.unusable:
        usable.add_metric((name,), 0)
    yield from (size, usable, content)
    program = InfoMetricFamily("nasbench_server", "The program that serves.")
    program.add_metric((), {"version": version("nas-bench-service")})
    yield program
