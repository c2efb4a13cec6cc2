"""Catalog of a data folder: opens the databases of the benchmarks and cost tables found in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import (
    BenchmarkDataError,
    UnknownBenchmarkError,
    UnusableDatabaseError,
)
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.metrics import Metric
from benchmark_db.registry import BENCHMARKS, INSTALLABLE, METRICS
from benchmark_db.tabular.benchmark import Tabular
from benchmark_db.tabular.stored_spec import declared_tables
from benchmark_spec.declaration import shipped_declarations

__all__ = ["Catalog"]


class Catalog:
    """What is installed in a folder, opened once.

    A database that fails a check while it is open belongs to the unusable ones from then on.

    Args:
        directory: The folder; `NAME.db` is the database of NAME.
        connections: To each database; as many threads can always ask at a time.
    """

    def __init__(self, directory: Path, *, connections: int = 1) -> None:
        self._opened: dict[str, InstalledDataset] = {}
        self._refused: dict[str, str] = {}
        kinds: dict[str, Callable[[Path], InstalledDataset]] = dict(INSTALLABLE)
        for name in declared_tables(directory):
            kinds.setdefault(name, Tabular)
        for name, installed in kinds.items():
            path = directory / f"{name}.db"
            if path.exists():
                try:
                    self._opened[name] = _opened_as(name, installed, path)
                    self._opened[name].database.reserve(connections)
                except UnusableDatabaseError as error:
                    self._refused[name] = str(error)
        self._metrics = {name: self._metrics_of(name) for name in (*BENCHMARKS, *self._opened)}

    @property
    def installed(self) -> dict[str, InstalledDataset]:
        """Everything installed that may be asked, by name."""
        return {
            name: installed
            for name, installed in self._opened.items()
            if installed.database.failure is None
        }

    @property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The benchmarks among it, which can be asked for runs."""
        return {
            name: installed
            for name, installed in self.installed.items()
            if isinstance(installed, Benchmark)
        }

    @property
    def unusable(self) -> dict[str, str]:
        """Why a database that is there cannot be served, by name."""
        failed = {name: installed.database.failure for name, installed in self._opened.items()}
        return self._refused | {name: why for name, why in failed.items() if why is not None}

    def __getitem__(self, name: str) -> Benchmark:
        """Return an installed benchmark.

        Raises:
            UnknownBenchmarkError: There is no such benchmark, or it is not installed.
            UnusableDatabaseError: It has failed a check since it was opened.
        """
        found = self._opened.get(name)
        if isinstance(found, Benchmark) and found.database.failure is None:
            return found
        raise self._missing(name, BENCHMARKS)

    def entry(self, name: str) -> InstalledDataset:
        """Return what is installed under a name, benchmark or not.

        Raises:
            UnknownBenchmarkError: There is nothing of this name, or it is not installed.
            UnusableDatabaseError: It has failed a check since it was opened.
        """
        found = self._opened.get(name)
        if found is not None and found.database.failure is None:
            return found
        raise self._missing(name, INSTALLABLE)

    def metrics(self, name: str) -> Mapping[str, Metric]:
        """Return the metrics of a benchmark, those of tables joined to it among them, by name.

        Those of the benchmarks that the program knows are there whether or not they are installed.

        Raises:
            UnknownBenchmarkError: There is no such benchmark, or it is not installed.
        """
        found = self._metrics.get(name)
        if found is None:
            raise self._missing(name, BENCHMARKS)
        return found

    def hardware(self) -> HwNasBench:
        """Return the hardware costs of NAS-Bench-201.

        Raises:
            UnknownBenchmarkError: They are not installed.
            UnusableDatabaseError: They have failed a check since they were opened.
        """
        return cast("HwNasBench", self.entry(HwNasBench.spec.name))

    def close(self) -> None:
        """Close every database."""
        for installed in self._opened.values():
            installed.close()

    def _metrics_of(self, name: str) -> Mapping[str, Metric]:
        opened = self._opened.get(name)
        own = opened.metrics() if isinstance(opened, Benchmark) else {}
        joined = [other for other in self._opened.values() if other.joined_to == name]
        added = {key: metric for other in joined for key, metric in other.joined_metrics().items()}
        return {**METRICS.get(name, own), **added}

    def _missing(self, name: str, known: Iterable[str]) -> BenchmarkDataError:
        known = dict.fromkeys((*known, *self._opened, *self._refused))
        if name not in known and name not in shipped_declarations():
            return UnknownBenchmarkError(
                f"there is no benchmark {name!r:.80}; known are {', '.join(known)}"
            )
        if name in self._refused:
            return UnknownBenchmarkError(
                f"the database of {name} cannot be served: {self._refused[name]}"
            )
        if name in self.unusable:
            return UnusableDatabaseError(
                f"the database of {name} is not asked any more: {self.unusable[name]}"
            )
        return UnknownBenchmarkError(
            f"{name} is not installed: make its database with `nbs generate {name} RAW`, RAW being "
            "the raw archive (a server reads it when it is started anew)"
        )


def _opened_as(
    name: str, installed: Callable[[Path], InstalledDataset], path: Path
) -> InstalledDataset:
    """Return what is installed in a file, which must be named after it."""
    found = installed(path)
    if found.spec.name != name:
        found.close()
        raise UnusableDatabaseError(
            f"{path.name} holds {found.spec.name}: call it {found.spec.name}.db"
        )
    return found
