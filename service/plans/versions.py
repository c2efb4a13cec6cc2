"""Versions of a plan's table: immutable databases made from the ledger.

`digits@3.db` is the third version of a plan, and `digits.db` is a link to the same file under the
served name, exchanged atomically. Old versions are deleted, except the last three, sealed ones, and
those that somebody asked to keep.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from peewee import fn

from benchmark_db.provenance import Provenance, ProvenanceRow
from benchmark_db.tabular.benchmark import DeclaredTables
from benchmark_db.tabular.stored_spec import spec_rows
from benchmark_db.tabular.tables import Architecture, AxisName
from benchmark_spec import Listed
from generators.build import BuildError, DatabaseBuild
from generators.source import Source
from nas_search.plans import FIGURES, Cell
from service.jobs import Jobs
from service.jobs.ledger import Entry, EntryStatus
from service.jobs.records import to_json
from service.jobs.tables import PlanRow
from service.plans.errors import PlanConflictError, VersionError
from service.plans.opened import OpenPlan
from service.plans.records import PlanRecord, PlanState
from service.plans.repeats import noise_of, repeated_key
from service.plans.served import is_of_another_plan
from service.plans.store import PlanStore, is_free

__all__ = ["VersionMaker"]

_KEPT: Final = 3
_LEASE_SECONDS: Final = 600.0
_LONGEST_LEASE: Final = 660.0
_RETRY_SECONDS: Final = 60.0
"""Pause after a version that could not be written, as on a full disk."""
_BETWEEN_SECONDS: Final = 900.0
_NEW_SHARE: Final = 0.01
"""Share of new cells below which no version is made on its own."""
_ARCHITECTURES_AT_ONCE: Final = 200
_MILLION: Final = 1e6
_COLUMNS: Final[Mapping[str, str]] = {
    "valid_acc": "accuracy",
    "valid_loss": "loss",
    "train_acc": "train_accuracy",
    "train_loss": "train_loss",
    "training_time": "seconds",
}
"""Columns of the table and the figures of the ledger that they hold."""
_TOLERANCE: Final = 1.0
"""Difference between two results of a cell, in percentage points of accuracy, above which the table
has a warning."""


class VersionMaker:
    """Makes versions of plans."""

    def __init__(self, jobs: Jobs, plans: PlanStore, folder: Path) -> None:
        self._jobs = jobs
        self._database = jobs.database
        self._plans = plans
        self._folder = folder

    def due(self) -> list[str]:
        """Return the plans whose version is requested, or due after a quarter of an hour."""
        now = self._database.read(self._now)
        return [record.name for record, _ in self._plans.all() if _is_due(record, now)]

    def make(self, name: str) -> dict[str, Any] | None:
        """Make a version of a plan and return its record; None: another process makes one.

        After a version that could not be written, none is tried for a minute.

        Raises:
            VersionError: The database cannot be written.
            PlanConflictError: Another table has the name, or the plan has no results.
        """
        if not self._leased(name):
            return None
        wait = 0.0
        try:
            return self._make(name)
        except VersionError:
            wait = _RETRY_SECONDS
            raise
        finally:
            self._release(name, wait)

    def _make(self, name: str) -> dict[str, Any]:
        record, _ = self._plans.get(name)
        opened = self._plans.open(record)
        number = 1 + max((one["version"] for one in record.versions), default=0)
        while self._path(name, number).exists():
            # Published by a process that was killed before recording it: clients may have seen it.
            number += 1
        try:
            provenance, counts = self._build(record, opened, number)
        except BuildError as error:
            raise VersionError(f"version {number} of {name} cannot be made: {error}") from error
        version = {
            "version": number,
            "content_digest": provenance.content_digest,
            "created_at": provenance.created,
            "at": self._database.read(self._now),
            "complete": record.state is PlanState.SEALED,
            "kept": False,
            "noise": provenance.contents["noise"],
            **counts,
        }
        self._publish(name, number)

        def note(now: PlanRecord) -> dict[str, Any]:
            return {
                "versions": json.dumps(_kept([*now.versions, version])),
                # A request or sealing during the build needs another version.
                "version_wanted": now.version_wanted
                and not (record.version_wanted and now.state is record.state),
            }

        noted = self._plans.change(name, note)
        self._remove(name, {one["version"] for one in noted.versions})
        return version

    def _build(
        self, record: PlanRecord, opened: OpenPlan, number: int
    ) -> tuple[Provenance, dict[str, Any]]:
        spec = opened.table
        if is_of_another_plan(self._folder / f"{record.name}.db", record.digest):
            raise PlanConflictError(f"{record.name}.db exists and does not belong to this plan")
        tables = DeclaredTables(spec)
        target = self._path(record.name, number)
        rows = _Rows(record, opened, self._jobs)
        with DatabaseBuild(target, tables, tables.tables, tables.views) as build:
            build.insert(ProvenanceRow, spec_rows(spec))
            build.insert(AxisName, tables.axis_rows())
            for architecture, runs in rows.by_architecture():
                build.insert(Architecture, [architecture])
                build.insert(tables.run, runs)
            if not rows.runs:
                raise PlanConflictError(f"{record.name} has no results yet")
            counts = rows.counts()
            contents = {
                "architectures": rows.architectures,
                "runs": rows.runs,
                "architectures_missing": len(opened.selection) - rows.architectures,
                "plan": record.digest,
                "protocol": opened.plan.protocol_digest,
                "version": number,
                "complete": record.state is PlanState.SEALED,
                "cells": counts,
                "warnings": [*rows.warnings(), *self._difference_warnings(rows.keys)],
                "devices": sorted(rows.devices),
                "noise": self._noise(record, opened),
                "data_sha256": record.data_sha256,
                **opened.trainer,
            }
            source = Source(f"plan {record.name}", rows.entries, rows.digest)
            return build.complete(source, contents, synthetic=False), counts

    def _noise(self, record: PlanRecord, opened: OpenPlan) -> dict[str, Any] | None:
        """Return the differences between the results of cells that were trained twice."""
        numbers = sorted(number for number in opened.repeated if number in record.done)
        keys = [opened.job(opened.cells[number]).key for number in numbers]
        firsts = self._jobs.ledger.of(keys)
        again = self._jobs.ledger.of([repeated_key(key) for key in keys])
        return noise_of(
            (firsts[key], again[repeated_key(key)])
            for key in keys
            if key in firsts and repeated_key(key) in again
        )

    def _difference_warnings(self, keys: Mapping[str, float]) -> list[str]:
        """Return a warning for each cell with two results that differ too much."""
        told = []
        for key, entries in self._jobs.ledger.dropped(keys).items():
            for entry in entries:
                gap = abs(entry.figures.get("accuracy", 0.0) - keys[key])
                if gap > _TOLERANCE:
                    told.append(f"two results of job {entry.job_id} are {gap:.2f} points apart")
        return sorted(told)[:100]

    def _publish(self, name: str, number: int) -> None:
        """Link the served name to a version, atomically."""
        served = self._folder / f"{name}.db"
        link = self._folder / f".{name}.{uuid4().hex}.link"
        try:
            os.link(self._path(name, number), link)
            link.replace(served)
        except OSError as error:
            for path in (link, self._path(name, number)):
                with suppress(OSError):
                    path.unlink()
            raise VersionError(f"{served.name} cannot be replaced: {error.strerror}") from error

    def _remove(self, name: str, kept: set[int]) -> None:
        for path in self._folder.glob(f"{name}@*.db"):
            number = path.stem.rpartition("@")[2]
            if number.isdecimal() and int(number) not in kept:
                with suppress(OSError):
                    path.unlink()

    def _path(self, name: str, number: int) -> Path:
        return self._folder / f"{name}@{number}.db"

    def _leased(self, name: str) -> bool:
        now = self._database.now()
        query = PlanRow.update(built_until=now + _LEASE_SECONDS).where(
            PlanRow.name == name, is_free(PlanRow.built_until, now, _LONGEST_LEASE)
        )
        return bool(self._database.write(lambda: self._database.change(query)))

    def _release(self, name: str, wait: float) -> None:
        until = self._database.now() + wait
        query = PlanRow.update(built_until=until).where(PlanRow.name == name)
        self._database.write(lambda: self._database.change(query))

    def _now(self) -> float:
        query = PlanRow.select(fn.COALESCE(self._database.now(), 0.0).alias("now")).limit(1)
        rows = self._database.rows(query)
        return float(rows[0]["now"]) if rows else 0.0


def _kept(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = versions[-_KEPT:]
    return [one for one in versions if one["complete"] or one["kept"] or one in last]


def _is_due(record: PlanRecord, now: float) -> bool:
    if record.version_wanted:
        return True
    if record.state is PlanState.SEALED:
        return False
    last = record.versions[-1] if record.versions else {"at": 0.0, "there": 0}
    new = record.there - int(last["there"])
    # A last version in the future was made before the clock was set back.
    is_recent = 0 <= now - last["at"] < _BETWEEN_SECONDS
    return new >= max(1, _NEW_SHARE * record.cells) and not is_recent


def _is_timed_beside_others(entry: Entry) -> bool:
    """Tell whether a training shared its device, so that its time does not count."""
    return int(entry.provenance.get("shared") or 1) > 1


class _Rows:
    """The rows of a version, in the order of the table; counts them while yielding."""

    def __init__(self, record: PlanRecord, opened: OpenPlan, jobs: Jobs) -> None:
        self._record = record
        self._opened = opened
        self._ledger = jobs.ledger
        self._sha = hashlib.sha256()
        self._unique = opened.plan.unique
        self.architectures = self.runs = self.entries = self.diverged = self.shared = 0
        self.keys: dict[str, float] = {}
        self.devices: set[str] = set()

    @property
    def digest(self) -> str:
        """SHA-256 of the ledger entries of the rows."""
        return self._sha.hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the numbers of cells by state; call it after the rows have been yielded."""
        return {
            "expected": self._record.cells,
            "there": self.entries,
            "diverged": self.diverged,
            "failed": len(self._record.failed),
            "withdrawn": self._record.withdrawn,
        }

    def warnings(self) -> list[str]:
        """Return the warnings about the rows."""
        if not self.shared:
            return []
        return [f"{self.shared} trainings shared a device; their times are left out"]

    def by_architecture(self) -> Iterator[tuple[tuple[int, str], list[tuple[Any, ...]]]]:
        """Yield index and name of each architecture, with its runs."""
        selection = self._opened.selection
        listed = isinstance(selection.table_space, Listed)
        order = sorted(range(len(selection)), key=lambda place: selection.numbers[place])
        counted: set[int] = set()
        for start in range(0, len(order), _ARCHITECTURES_AT_ONCE):
            places = order[start : start + _ARCHITECTURES_AT_ONCE]
            found = self._entries({selection.stands_for[place] for place in places})
            for place in places:
                trained = selection.stands_for[place]
                entries = found[trained]
                if trained not in counted:
                    counted.add(trained)
                    self._count(entries)
                if entries or listed:
                    self.architectures += 1
                    self.runs += len(entries)
                    number = selection.numbers[place]
                    yield (number, selection.name(place)), self._runs(place, entries)

    def _entries(self, positions: set[int]) -> dict[int, list[tuple[Cell, Entry]]]:
        """Return the ledger entries of some architectures, in the order of the table."""
        plan = self._opened.plan
        cells = {
            self._opened.job(cell).key: cell
            for position in positions
            for cell in (
                Cell(0, position, seed, epochs)
                for epochs in sorted(plan.epochs)
                for seed in sorted(plan.seeds)
            )
        }
        found: dict[int, list[tuple[Cell, Entry]]] = {position: [] for position in positions}
        entries = self._ledger.of(list(cells))
        for key, cell in cells.items():
            entry = entries.get(key)
            if entry is not None and self._is_mine(entry):
                found[cell.position].append((cell, entry))
        return found

    def _is_mine(self, entry: Entry) -> bool:
        digest = entry.provenance.get("dataset_sha256")
        return digest is None or self._record.data_sha256 in {None, digest}

    def _count(self, entries: list[tuple[Cell, Entry]]) -> None:
        for _, entry in entries:
            self.entries += 1
            self.diverged += entry.status is EntryStatus.DIVERGED
            self.shared += _is_timed_beside_others(entry)
            self.keys[entry.key] = entry.figures.get("accuracy", 0.0)
            self.devices.add(str(entry.provenance.get("device") or "unknown"))
            text = json.dumps([entry.key, entry.status, entry.figures, to_json(entry.recorded_at)])
            self._sha.update(f"{text}\n".encode())

    def _runs(self, place: int, entries: list[tuple[Cell, Entry]]) -> list[tuple[Any, ...]]:
        selection = self._opened.selection
        trained = selection.stands_for[place]
        counts = selection.counts(place)
        seeds = Counter(cell.epochs for cell, one in entries if one.status is EntryStatus.DONE)
        rows = []
        for cell, entry in entries:
            figures = entry.figures
            done = entry.status is EntryStatus.DONE
            values = {name: figures.get(key) for name, key in _COLUMNS.items()} if done else {}
            if _is_timed_beside_others(entry):
                values.pop("training_time", None)
            size: Mapping[str, float] = figures if done else {}
            if not done and counts is not None:
                size = {"parameters": counts.parameters, "macs": counts.macs}
            if size:
                values["parameters"] = size["parameters"] / _MILLION
                values["flops"] = size["macs"] / _MILLION
            row: list[Any] = [selection.numbers[place], cell.epochs, cell.seed]
            row += [values.get(name) for name in FIGURES]
            row += [seeds[cell.epochs], figures.get("diverged_at")]
            if self._unique:
                row.append(None if place == trained else selection.numbers[trained])
            rows.append(tuple(row))
        return rows
