"""Converts an archive of either NATS-Bench space, in any of its formats, into a database."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import peewee

from benchmark_db.curves import Curve, encode_curves
from benchmark_db.errors import shown
from benchmark_db.nats_bench.benchmark import NatsBenchmark, dataset_code
from benchmark_db.nats_bench.tables import (
    DATASETS,
    CountedSize,
    Dataset,
    NamedArchitecture,
    SeededRun,
)
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.raw.nats_archive import NatsArchive
from generators.raw.nats_record import RawRun, SplitResults, read_runs
from generators.source import Progress, identified
from safe_pickle import ArchiveError

__all__ = ["SpaceConversion"]

_SPLITS: Final[Mapping[str, tuple[str | None, str, str]]] = {
    "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
    # Trained on all images: no validation split is left, and the test split is no substitute.
    "cifar10": (None, "ori-test", "ori-test"),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "imagenet16-120": ("x-valid", "x-test", "ori-test"),
}
"""By data set, the recorded splits that become valid, test and ori_test."""

_MAX_COUNT: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class SpaceConversion:
    """Describes the conversion of one space's archive into its database.

    Attributes:
        benchmark: The benchmark.
        architecture: The table of architectures.
        run: The table of runs.
        tables: All tables.
        views: The views, SQL by name.
        names: The published strings of all architectures, by index.
        described_by: Names of the counts in `arch_config` that the run table records in addition to
            the statistics, in the order of its columns.
        more_of: Returns the columns of an architecture after its index and string.
    """

    benchmark: type[NatsBenchmark]
    architecture: type[NamedArchitecture]
    run: type[SeededRun]
    tables: Sequence[type[peewee.Model]]
    views: Mapping[str, str]
    names: Sequence[str]
    described_by: Sequence[str] = ()
    more_of: Callable[[int], tuple[Any, ...]] = lambda _: ()

    def convert(self, raw: Path, out: Path, progress: Progress) -> Provenance:
        """Convert an archive into a database in `out` and return its provenance.

        Raises:
            ArchiveError: The archive is damaged, of another benchmark or of another format.
            BuildError: The database cannot be written.
            OSError: The archive cannot be read.
        """
        archive = NatsArchive(raw, self.names)
        target = out / f"{self.benchmark.spec.name}.db"
        with (
            identified(raw) as source,
            DatabaseBuild(target, self.benchmark, self.tables, self.views) as build,
        ):
            build.insert(Dataset, enumerate(DATASETS))
            rows = _RowWriter(self, build)
            for done, (index, budgets) in enumerate(archive.entries(), 1):
                rows.add(index, budgets)
                progress(done, len(self.names))
            counted = self.benchmark.counted_sizes(build.rows)
            build.insert(CountedSize, counted)
            contents = {**rows.contents(), "sizes_counted": len(counted)}
            if not contents["runs"]:
                raise ArchiveError(f"{raw.name} holds no run of any architecture")
            return build.complete(source.result(), contents, synthetic=archive.synthetic)


class _RowWriter:
    """Writes the rows of one architecture after another, and counts them."""

    def __init__(self, space: SpaceConversion, build: DatabaseBuild) -> None:
        self._space = space
        self._build = build
        self._architectures = 0
        self._curves = 0
        self._runs: Counter[tuple[str, int]] = Counter()
        self._seeds: set[int] = set()
        self._without_latency = 0
        self._without_time = 0

    def add(self, index: int, budgets: Mapping[int, Any]) -> None:
        space = self._space
        row = (index, space.names[index], *space.more_of(index))
        self._build.insert(space.architecture, [row])
        self._architectures += 1
        for num_epochs, record in budgets.items():
            where = f"architecture {index}, {num_epochs} epochs"
            if num_epochs not in space.benchmark.spec.budgets:
                raise ArchiveError(f"{where}: not a training budget of this benchmark")
            runs = list(read_runs(record, num_epochs, where))
            _check_same(runs, space.described_by, where)
            rows = [self._rows(run, index, num_epochs, where) for run in runs]
            self._build.insert(space.run, [run for run, _ in rows])
            self._build.insert(Curve, [curve for _, curve in rows])

    def contents(self) -> dict[str, Any]:
        return {
            "architectures": self._architectures,
            "runs": self._runs.total(),
            "runs_by_dataset": {
                f"{dataset}, {num_epochs} epochs": count
                for (dataset, num_epochs), count in sorted(self._runs.items())
            },
            "seeds": sorted(self._seeds),
            "architectures_missing": len(self._space.names) - self._architectures,
            "runs_without_latency": self._without_latency,
            "runs_without_training_time": self._without_time,
        }

    def _rows(
        self, run: RawRun, index: int, num_epochs: int, where: str
    ) -> tuple[tuple[Any, ...], tuple[int, bytes]]:
        """Return the row of a run, in the order of the table's fields, and that of its curves."""
        if run.dataset not in _SPLITS:
            raise ArchiveError(f"{where}: unknown data set {shown(run.dataset)}")
        self._curves += 1
        self._seeds.add(run.seed)
        self._runs[run.dataset, num_epochs] += 1
        self._without_latency += run.latency is None
        self._without_time += run.train.seconds is None
        absent = SplitResults.absent(num_epochs)
        splits = [
            run.train,
            *(run.evaluations.get(name or "", absent) for name in _SPLITS[run.dataset]),
        ]
        columns = [*(split.acc for split in splits), *(split.loss for split in splits)]
        epoch_seconds = run.train.seconds
        row = (
            self._curves,
            *(index, num_epochs, dataset_code(run.dataset), run.seed),
            *(_finite(column[-1]) for column in columns),
            *(run.parameters, run.flops, run.latency),
            None if epoch_seconds is None else epoch_seconds * num_epochs,
            *(split.seconds for split in splits[1:]),
            *(_count(run.config, name, where) for name in self._space.described_by),
        )
        return row, (self._curves, encode_curves(columns, num_epochs))


def _finite(value: float) -> float | None:
    """Return a recorded value; None for NaN and infinity, from a diverged or missing run."""
    return float(value) if math.isfinite(value) else None


def _check_same(runs: Iterable[RawRun], names: Sequence[str], where: str) -> None:
    """Check that all runs on a data set trained the same network and differ in the seed only."""
    sizes: dict[str, Any] = {}
    for run in runs:
        size = tuple(run.config.get(name) for name in names)
        if sizes.setdefault(run.dataset, size) != size:
            raise ArchiveError(
                f"{where}, {run.dataset} seed {run.seed}: {' and '.join(names)} are {shown(size)}, "
                f"but with another seed {shown(sizes[run.dataset])}"
            )


def _count(config: Mapping[str, Any], name: str, where: str) -> int:
    value = config.get(name)
    if type(value) is not int or not 1 <= value <= _MAX_COUNT:
        raise ArchiveError(f"{where}: {name} {shown(value)} in arch_config is not a count")
    return value
