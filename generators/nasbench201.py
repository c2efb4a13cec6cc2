"""Converts the raw archive of NAS-Bench-201, in any of its formats, into a database."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmark_db.nasbench201.architecture import arch_strs, isomorphism_classes
from benchmark_db.nasbench201.benchmark import TABLES, VIEWS, Architecture, NasBench201, Run
from benchmark_db.provenance import Provenance
from generators.nats_bench import SpaceConversion
from generators.source import Progress, silent

__all__ = ["generate"]

_COUNTS: Final = ("channel", "num_cells")
"""Names of the columns `num_channels` and `num_cells` in the archive."""


def generate(raw: Path, out: Path, *, progress: Progress = silent) -> Provenance:
    """Convert a raw archive into `out`/nasbench201.db and return its provenance.

    Args:
        raw: ``NAS-Bench-201-v1_….pth``, ``NATS-tss-….pickle.pbz2``, a ``NATS-tss-…-simple`` folder
            or its tar file.
        out: Folder of the database.
        progress: Receives the number of converted architectures.

    Raises:
        ArchiveError: The archive is damaged, of another benchmark or of another format.
        BuildError: The database cannot be written.
        OSError: The archive cannot be read.
    """
    conversion = SpaceConversion(
        benchmark=NasBench201,
        architecture=Architecture,
        run=Run,
        tables=TABLES,
        views=VIEWS,
        names=arch_strs(),
        described_by=_COUNTS,
        more_of=lambda index: (isomorphism_classes()[index],),
    )
    return conversion.convert(raw, out, progress)
