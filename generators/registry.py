"""Registry of the generators and of the writers of samples, by the name of their benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from benchmark_db.provenance import Provenance
from generators import hw_nas_bench, nasbench101, nasbench201, natssss, nds
from generators.sample import hw_nas_bench as hw_nas_bench_sample
from generators.sample import nasbench101 as nasbench101_sample
from generators.sample import nasbench201 as nasbench201_sample
from generators.sample import nasbench201_database
from generators.sample import natssss as natssss_sample
from generators.sample import nds as nds_sample
from generators.source import Progress

__all__ = ["GENERATORS", "PARTIAL_GENERATORS", "SAMPLES", "TOLERANT_GENERATORS"]
__all__ += ["WHOLE_SAMPLES"]
__all__ += ["Generate", "GeneratePartially", "GenerateTolerantly", "WriteSample", "WriteWhole"]


class Generate(Protocol):
    """Converts a raw archive into a database in the folder `out`."""

    def __call__(self, raw: Path, out: Path, *, progress: Progress) -> Provenance:
        """Return the provenance of the new database."""


class GenerateTolerantly(Protocol):
    """Converts what can be used of a damaged archive, and reports the rest in the provenance."""

    def __call__(
        self, raw: Path, out: Path, *, progress: Progress, skip_corrupt: bool
    ) -> Provenance:
        """Return the provenance of the new database."""


class GeneratePartially(Protocol):
    """Converts the files of an archive that are there, and reports the others."""

    def __call__(self, raw: Path, out: Path, *, progress: Progress, partial: bool) -> Provenance:
        """Return the provenance of the new database."""


class WriteSample(Protocol):
    """Writes a made-up raw archive into a folder."""

    def __call__(self, directory: Path, *, architectures: int, seed: int) -> Path:
        """Return the path of the archive."""


class WriteWhole(Protocol):
    """Writes a made-up database of all architectures into a folder."""

    def __call__(self, out: Path, *, seed: int) -> Provenance:
        """Return the provenance of the new database."""


GENERATORS: Final[Mapping[str, Generate]] = {
    "nasbench101": nasbench101.generate,
    "nasbench201": nasbench201.generate,
    "natssss": natssss.generate,
    "nds": nds.generate,
    "hw-nas-bench": hw_nas_bench.generate,
}
TOLERANT_GENERATORS: Final[Mapping[str, GenerateTolerantly]] = {
    "nasbench101": nasbench101.generate,
}
PARTIAL_GENERATORS: Final[Mapping[str, GeneratePartially]] = {
    "nds": nds.generate,
}
SAMPLES: Final[Mapping[str, WriteSample]] = {
    "nasbench101": nasbench101_sample.write_sample,
    "nasbench201": nasbench201_sample.write_sample,
    "natssss": natssss_sample.write_sample,
    "nds": nds_sample.write_sample,
    "hw-nas-bench": hw_nas_bench_sample.write_sample,
}
WHOLE_SAMPLES: Final[Mapping[str, WriteWhole]] = {
    "nasbench201": nasbench201_database.write_database,
}
"""Made-up databases that are written at once, where an archive of all would take too long."""
