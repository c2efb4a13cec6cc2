"""NAS-Bench-201: from the raw archive, in either layout, to the database."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmark_db.curves import Curve, encode_curves
from benchmark_db.nasbench201.architecture import (
    NUM_ARCHITECTURES,
    arch_str,
    isomorphism_classes,
    published_order,
)
from benchmark_db.nasbench201.benchmark import NasBench201, dataset_code
from benchmark_db.nasbench201.tables import DATASETS, TABLES, VIEWS, Architecture, Dataset, Run
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.progress import Progress, silent
from generators.raw.errors import ArchiveError
from generators.raw.nats_archive import NatsArchive
from generators.raw.nats_record import RawRun, SplitResults, read_runs
from generators.source import identified

__all__ = ["generate"]

_SPLITS: Final[Mapping[str, tuple[str | None, str, str]]] = {
    "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
    # Trained on all images: nothing is left to validate on, and the test split is no substitute.
    "cifar10": (None, "ori-test", "ori-test"),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "imagenet16-120": ("x-valid", "x-test", "ori-test"),
}
"""By data set, the recorded splits served as valid, test and ori_test."""


def generate(raw: Path, out: Path, *, progress: Progress = silent) -> Provenance:
    """Convert a raw archive into `out`/nasbench201.db and return its provenance.

    Args:
        raw: ``NAS-Bench-201-v1_….pth`` or a ``NATS-tss-…`` folder.
        out: Folder of the database.
        progress: Told how many architectures are done.

    Raises:
        ArchiveError: The archive is damaged, of another benchmark or not an archive.
        BuildError: The database cannot be written.
        OSError: The archive cannot be read.
    """
    archive = NatsArchive(raw, [arch_str(operations) for operations in published_order()])
    target = out / f"{NasBench201.description.name}.db"
    with (
        identified(raw) as source,
        DatabaseBuild(target, NasBench201, TABLES, VIEWS) as build,
    ):
        build.insert(Dataset, enumerate(DATASETS))
        conversion = _Conversion(build)
        for done, (index, budgets) in enumerate(archive.entries(), 1):
            conversion.add(index, budgets)
            progress(done, NUM_ARCHITECTURES)
        contents = conversion.contents()
        if not contents["architectures"]:
            raise ArchiveError(f"{raw.name} holds no architecture")
        return build.complete(source.result(), contents, synthetic=archive.synthetic)


class _Conversion:
    """Rows of one architecture after another, and the counts of what there was."""

    def __init__(self, build: DatabaseBuild) -> None:
        self._build = build
        self._architectures = 0
        self._curves = 0
        self._runs: Counter[tuple[str, int]] = Counter()
        self._without_latency = 0

    def add(self, index: int, budgets: Mapping[int, Any]) -> None:
        operations = published_order()[index]
        row = (index, arch_str(operations), isomorphism_classes()[index])
        self._build.insert(Architecture, [row])
        self._architectures += 1
        for num_epochs, record in budgets.items():
            where = f"architecture {index}, {num_epochs} epochs"
            runs = list(read_runs(record, num_epochs, where))
            rows = [self._rows(run, index, num_epochs, where) for run in runs]
            self._build.insert(Run, [run for run, _ in rows])
            self._build.insert(Curve, [curve for _, curve in rows])

    def contents(self) -> dict[str, Any]:
        return {
            "architectures": self._architectures,
            "runs": self._runs.total(),
            "runs_by_dataset": {
                f"{dataset}, {num_epochs} epochs": count
                for (dataset, num_epochs), count in sorted(self._runs.items())
            },
            "architectures_missing": NUM_ARCHITECTURES - self._architectures,
            "runs_without_latency": self._without_latency,
        }

    def _rows(
        self, run: RawRun, index: int, num_epochs: int, where: str
    ) -> tuple[tuple[Any, ...], tuple[int, bytes]]:
        """Return the row of a run, in the order of the table's fields, and that of its curves."""
        if run.dataset not in _SPLITS:
            raise ArchiveError(f"{where}: unknown data set {run.dataset!r:.60}")
        self._curves += 1
        self._runs[run.dataset, num_epochs] += 1
        self._without_latency += run.latency is None
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
            *(_count(run.config, name, where) for name in ("channel", "num_cells")),
            *(_finite(column[-1]) for column in columns),
            *(run.parameters, run.flops, run.latency),
            None if epoch_seconds is None else epoch_seconds * num_epochs,
            *(split.seconds for split in splits[1:]),
        )
        return row, (self._curves, encode_curves(columns, num_epochs))


def _finite(value: float) -> float | None:
    """Return a recorded value; NaN and infinity, from a diverged run or none, are not recorded."""
    return float(value) if math.isfinite(value) else None


def _count(config: Mapping[str, Any], name: str, where: str) -> int:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArchiveError(f"{where}: {name} {value!r:.60} in arch_config is not a count")
    return value
