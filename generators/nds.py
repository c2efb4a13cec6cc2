"""Converts the 34 files of NDS, in a folder or in `data.zip`, into a database."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmark_db.curves import Curve, encode_curves
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.specification import architecture_key, cell_spec, spec_key
from benchmark_db.nds.tables import TABLES, VIEWS, Run, SourceFile, Space
from benchmark_db.provenance import Provenance
from generators.build import DatabaseBuild
from generators.raw.nds_archive import FILES, NdsArchive
from generators.raw.nds_job import Job, Network, read_job
from generators.source import Progress, identified, silent
from safe_pickle import DamagedArchiveError, WrongFormatError

__all__ = ["generate"]

_MILLION: Final = 1_000_000
_PERCENT: Final = 100
_DECIMALS: Final = 10
"""Decimals of an error that its accuracy keeps exactly."""
_DIGEST_BYTES: Final = 16
_JOBS_AT_A_TIME: Final = 1000
_NAMES_SHOWN: Final = 20

_Described: TypeAlias = tuple[str, bytes, bytes | None, str, str | None]
"""An architecture as the last columns of a run: its key, the keys of its model and cell
specifications, the model specification, the genotype."""


def generate(
    raw: Path, out: Path, *, progress: Progress = silent, partial: bool = False
) -> Provenance:
    """Convert a raw archive into `out`/nds.db and return its provenance.

    Args:
        raw: `data.zip`, the folder of its files, or the folder that contains `nds_data`.
        out: Folder of the database.
        progress: Receives the number of converted files.
        partial: Convert an incomplete archive: files may be missing, and a job that a file holds
            twice is converted once; the provenance reports both.

    Raises:
        ArchiveError: The archive is incomplete, damaged, of another benchmark or of another format.
        BuildError: The database cannot be written.
        OSError: The archive cannot be read.
    """
    archive = NdsArchive(raw)
    if archive.missing and not partial:
        raise WrongFormatError(
            f"{raw.name} lacks {len(archive.missing)} of the {len(FILES)} files of NDS: "
            f"{', '.join(archive.missing)}; fetch them, or convert the others with --partial"
        )
    target = out / f"{Nds.spec.name}.db"
    with (
        identified(archive.path) as source,
        DatabaseBuild(target, Nds, TABLES, VIEWS) as build,
    ):
        conversion = _Conversion(build, partial=partial)
        for done, name in enumerate(archive.present, 1):
            conversion.add(name, archive)
            progress(done, len(archive.present))
        contents = conversion.contents(archive)
        if not contents["runs"]:
            raise WrongFormatError(f"{raw.name} holds no jobs")
        return build.complete(source.result(), contents, synthetic=conversion.synthetic)


class _Conversion:
    """Converts one file after another into rows, and counts them."""

    def __init__(self, build: DatabaseBuild, *, partial: bool) -> None:
        self.synthetic = False
        self._build = build
        self._partial = partial
        self._numbers = _Numbers(build)
        self._architectures = _Architectures()
        self._runs: Counter[str] = Counter()
        self._repeated: Counter[str] = Counter()
        self._unknown_fields: Counter[str] = Counter()
        self._seeds: set[int] = set()
        self._undefined_losses = 0
        self._other_minimum = 0

    def add(self, name: str, archive: NdsArchive) -> None:
        """Convert a file of the archive."""
        file = FILES.index(name.removesuffix(".json"))
        self._build.insert(SourceFile, [(file, name)])
        origin = _origin(name)
        jobs = self._jobs(name, archive)
        while chunk := list(islice(jobs, _JOBS_AT_A_TIME)):
            self._seeds.update(job.seed for _, job in chunk)
            rows = [self._rows(job, origin, file, where) for where, job in chunk]
            self._build.insert(Run, [run for run, _ in rows])
            self._build.insert(Curve, [curve for _, curve in rows])

    def contents(self, archive: NdsArchive) -> dict[str, Any]:
        return {
            **self._numbers.counts(),
            "architectures": len(self._architectures),
            "runs": self._runs.total(),
            "runs_by_file": dict(self._runs),
            "seeds": sorted(self._seeds),
            "files_missing": list(archive.missing),
            "files_ignored": list(archive.ignored[:_NAMES_SHOWN]),
            "fields_ignored": dict(self._unknown_fields.most_common(_NAMES_SHOWN)),
            "repeated_jobs_left_out": dict(self._repeated),
            "runs_with_undefined_losses": self._undefined_losses,
            "runs_with_another_min_test_top1": self._other_minimum,
        }

    def _jobs(self, name: str, archive: NdsArchive) -> Iterator[tuple[str, Job]]:
        """Yield the jobs of a file with their places, without duplicates."""
        seen: dict[bytes, str] = {}
        for where, record in archive.entries(name):
            job = read_job(record, where)
            text = orjson.dumps(record["net"], option=orjson.OPT_SORT_KEYS)
            curves = job.train_error.tobytes() + job.test_error.tobytes() + job.train_loss.tobytes()
            rest = f"{job.seed} {job.base_lr} {job.weight_decay} {job.iter_time}".encode()
            digest = hashlib.blake2b(curves + rest + text, digest_size=_DIGEST_BYTES).digest()
            if seen.setdefault(digest, where) == where:
                yield where, job
            elif self._partial:
                self._repeated[name] += 1
            else:
                raise DamagedArchiveError(
                    f"{where} is {seen[digest]} repeated, to the last digit: download the archive "
                    "again, or convert it without the repetition with --partial"
                )

    def _rows(
        self, job: Job, origin: tuple[str, str, str], file: int, where: str
    ) -> tuple[tuple[Any, ...], tuple[int, bytes]]:
        """Return the row of a run, in the order of the table's fields, and that of its curves."""
        self._count(job, file)
        number = self._runs.total()
        train, test = _accuracies(job.train_error), _accuracies(job.test_error)
        loss = job.train_loss
        architecture, described = self._architectures.read(job.network, where)
        row = (
            number,
            *self._numbers.key(job, origin, architecture),
            file,
            *(job.seed, job.base_lr, job.weight_decay),
            *(float(train[-1]), _recorded(loss[-1]), float(test[-1])),
            *(float(train.max()), _recorded(np.fmin.reduce(loss)), float(test.max())),
            *(job.parameters / _MILLION, job.flops / _MILLION, job.iter_time, job.prec_time),
            *(job.parameters, job.flops),
            *described,
        )
        return row, (number, encode_curves([loss, train, test], job.num_epochs, exact=True))

    def _count(self, job: Job, file: int) -> None:
        self._runs[f"{FILES[file]}.json"] += 1
        self._unknown_fields.update(job.unknown)
        self._undefined_losses += bool(np.isnan(job.train_loss).any())
        recorded = job.smallest_test_error
        self._other_minimum += recorded not in (None, float(job.test_error.min()))
        self.synthetic |= job.synthetic


class _Numbers:
    """Numbers of spaces, configurations and their runs, in the order of their first occurrence."""

    def __init__(self, build: DatabaseBuild) -> None:
        self._build = build
        self._spaces: dict[tuple[Any, ...], int] = {}
        self._configurations: dict[tuple[Any, ...], int] = {}
        self._runs: Counter[int] = Counter()

    def key(self, job: Job, origin: tuple[str, str, str], architecture: int) -> tuple[int, ...]:
        """Return the numbers of space, configuration, run and architecture of a job."""
        names = (job.network.family, *origin, job.num_epochs)
        if names not in self._spaces:
            self._spaces[names] = len(self._spaces)
            self._build.insert(Space, [(self._spaces[names], *names)])
        trained = (self._spaces[names], architecture, job.base_lr, job.weight_decay)
        configuration = self._configurations.setdefault(trained, len(self._configurations))
        run = self._runs[configuration]
        self._runs[configuration] += 1
        return self._spaces[names], configuration, run, architecture

    def counts(self) -> dict[str, int]:
        return {"spaces": len(self._spaces), "configurations": len(self._configurations)}


class _Architectures:
    """Architectures in the form that occurs first, so that all runs of one have the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, _Described]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def read(self, network: Network, where: str) -> tuple[int, _Described]:
        """Return the number of a network's architecture, by first occurrence, and its columns.

        Raises:
            DamagedArchiveError: The specification is malformed.
        """
        genotype = network.genotype
        try:
            model_key = spec_key("model_spec", network.model_spec)
            cell_key = spec_key("cell_spec", {} if genotype is None else cell_spec(genotype))
        except InvalidQuestionError as error:
            raise DamagedArchiveError(f"{where}: {error.field}: {error.message}") from error
        arch = architecture_key(model_key, cell_key)
        if arch not in self._known:
            model = orjson.dumps(network.model_spec).decode()
            cell = None if genotype is None else orjson.dumps(genotype).decode()
            described = (arch, model_key or b"", cell_key, model, cell)
            self._known[arch] = (len(self._known), described)
        return self._known[arch]


def _origin(name: str) -> tuple[str, str, str]:
    """Return the proposer, the generator and the data set of a file's networks, from its name."""
    stem = name.removesuffix(".json")
    proposer, _, rest = stem.partition("_")
    marks = rest.split("_")
    generator = "random"
    if "fix-w-d" in marks:
        generator = "fix_w_d"
    elif "lr-wd" in marks:
        generator = "tune_lr_wd"
    return proposer.lower(), generator, "imagenet" if "in" in marks else "cifar10"


def _accuracies(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 100 minus errors in percent, without binary rounding noise.

    An error of up to ten decimals gives the accuracy of decimal subtraction: 0.1 for 99.9.
    """
    difference = _PERCENT - errors
    decimal = np.round(errors, _DECIMALS) == errors
    return np.where(decimal, np.round(difference, _DECIMALS), difference)


def _recorded(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
