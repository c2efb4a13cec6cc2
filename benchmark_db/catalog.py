"""The benchmarks installed in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import UnknownBenchmarkError, UnusableDatabaseError
from benchmark_db.nasbench201.benchmark import NasBench201

__all__ = ["BENCHMARKS", "Catalog"]

BENCHMARKS: Final[Mapping[str, type[Benchmark]]] = {
    benchmark.description.name: benchmark for benchmark in (NasBench201,)
}
"""Every benchmark this version knows, by name."""


class Catalog:
    """The benchmarks whose databases lie in a folder, opened once.

    Args:
        directory: The folder; `NAME.db` is the database of benchmark NAME.

    Attributes:
        installed: The benchmarks that can be asked, by name.
        unusable: Why a database that is there cannot be served, by benchmark name.
    """

    def __init__(self, directory: Path) -> None:
        self.installed: dict[str, Benchmark] = {}
        self.unusable: dict[str, str] = {}
        for name, benchmark in BENCHMARKS.items():
            path = directory / f"{name}.db"
            if path.exists():
                try:
                    self.installed[name] = benchmark(path)
                except UnusableDatabaseError as error:
                    self.unusable[name] = str(error)

    def __getitem__(self, name: str) -> Benchmark:
        """Return an installed benchmark.

        Raises:
            UnknownBenchmarkError: There is no such benchmark, or it is not installed.
        """
        if name in self.installed:
            return self.installed[name]
        if name not in BENCHMARKS:
            known = ", ".join(BENCHMARKS)
            raise UnknownBenchmarkError(f"there is no benchmark {name!r:.80}; known are {known}")
        if name in self.unusable:
            raise UnknownBenchmarkError(
                f"the database of {name} cannot be served: {self.unusable[name]}"
            )
        raise UnknownBenchmarkError(
            f"{name} is not installed: make its database with `nbs generate {name} RAW`, RAW being "
            "the raw archive (a server reads it when it is started anew)"
        )

    def close(self) -> None:
        """Close every database."""
        for benchmark in self.installed.values():
            benchmark.close()
