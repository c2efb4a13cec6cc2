"""Converts the raw archive of NATS-Bench's size space, in any of its formats, into a database."""

from __future__ import annotations

from pathlib import Path

from benchmark_db.natssss.architecture import arch_strs
from benchmark_db.natssss.benchmark import TABLES, VIEWS, Architecture, NatsSss, Run
from benchmark_db.provenance import Provenance
from generators.nats_bench import SpaceConversion
from generators.source import Progress, silent

__all__ = ["generate"]


def generate(raw: Path, out: Path, *, progress: Progress = silent) -> Provenance:
    """Convert a raw archive into `out`/natssss.db and return its provenance.

    Args:
        raw: A ``NATS-sss-…-simple`` folder, its tar file, or ``NATS-sss-….pickle.pbz2``.
        out: Folder of the database.
        progress: Receives the number of converted architectures.

    Raises:
        ArchiveError: The archive is damaged, of another benchmark or of another format.
        BuildError: The database cannot be written.
        OSError: The archive cannot be read.
    """
    conversion = SpaceConversion(
        benchmark=NatsSss,
        architecture=Architecture,
        run=Run,
        tables=TABLES,
        views=VIEWS,
        names=arch_strs(),
    )
    return conversion.convert(raw, out, progress)
