"""What is installed in a folder: benchmarks, and the costs that are joined to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, cast

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import UnknownBenchmarkError, UnusableDatabaseError
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.nds.benchmark import Nds
from benchmark_db.published import Published

__all__ = ["BENCHMARKS", "PUBLISHED", "Catalog"]

BENCHMARKS: Final[Mapping[str, type[Benchmark]]] = {
    benchmark.description.name: benchmark for benchmark in (NasBench101, NasBench201, NatsSss, Nds)
}
"""Every benchmark this version knows, by name."""

PUBLISHED: Final[Mapping[str, type[Published]]] = {
    **BENCHMARKS,
    HwNasBench.description.name: HwNasBench,
}
"""Everything this version can install: the benchmarks, and what is no benchmark of runs."""


class Catalog:
    """What is installed in a folder, opened once.

    Args:
        directory: The folder; `NAME.db` is the database of NAME.

    Attributes:
        published: Everything installed, by name.
        installed: The benchmarks among it, which can be asked for runs.
        unusable: Why a database that is there cannot be served, by name.
    """

    def __init__(self, directory: Path) -> None:
        self.published: dict[str, Published] = {}
        self.unusable: dict[str, str] = {}
        for name, published in PUBLISHED.items():
            path = directory / f"{name}.db"
            if path.exists():
                try:
                    self.published[name] = published(path)
                except UnusableDatabaseError as error:
                    self.unusable[name] = str(error)
        self.installed: dict[str, Benchmark] = {
            name: published
            for name, published in self.published.items()
            if isinstance(published, Benchmark)
        }

    def __getitem__(self, name: str) -> Benchmark:
        """Return an installed benchmark.

        Raises:
            UnknownBenchmarkError: There is no such benchmark, or it is not installed.
        """
        if name in self.installed:
            return self.installed[name]
        raise self._missing(name, BENCHMARKS)

    def entry(self, name: str) -> Published:
        """Return what is installed under a name, benchmark or not.

        Raises:
            UnknownBenchmarkError: There is nothing of this name, or it is not installed.
        """
        if name in self.published:
            return self.published[name]
        raise self._missing(name, PUBLISHED)

    def hardware(self) -> HwNasBench:
        """Return the hardware costs of NAS-Bench-201.

        Raises:
            UnknownBenchmarkError: They are not installed.
        """
        return cast("HwNasBench", self.entry(HwNasBench.description.name))

    def close(self) -> None:
        """Close every database."""
        for published in self.published.values():
            published.close()

    def _missing(self, name: str, known: Iterable[str]) -> UnknownBenchmarkError:
        if name not in known:
            return UnknownBenchmarkError(
                f"there is no benchmark {name!r:.80}; known are {', '.join(known)}"
            )
        if name in self.unusable:
            return UnknownBenchmarkError(
                f"the database of {name} cannot be served: {self.unusable[name]}"
            )
        return UnknownBenchmarkError(
            f"{name} is not installed: make its database with `nbs generate {name} RAW`, RAW being "
            "the raw archive (a server reads it when it is started anew)"
        )
