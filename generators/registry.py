"""Every generator and every sample, by the name of its benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from benchmark_db.provenance import Provenance
from generators import nasbench201
from generators.progress import Progress
from generators.sample import nasbench201 as nasbench201_sample

__all__ = ["GENERATORS", "SAMPLES", "Generate", "WriteSample"]


class Generate(Protocol):
    """Converts a raw archive into a database in the folder `out`."""

    def __call__(self, raw: Path, out: Path, *, progress: Progress) -> Provenance:
        """Return the provenance of the new database."""


class WriteSample(Protocol):
    """Writes a made-up raw archive into a folder."""

    def __call__(self, directory: Path, *, architectures: int, seed: int) -> Path:
        """Return the path of the archive."""


GENERATORS: Final[Mapping[str, Generate]] = {"nasbench201": nasbench201.generate}
SAMPLES: Final[Mapping[str, WriteSample]] = {"nasbench201": nasbench201_sample.write_sample}
