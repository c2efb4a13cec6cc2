"""Catalog of a data folder: opens the databases of the benchmarks and cost tables found in it.

A catalog never changes its contents: `renewed` returns a new one after a file was replaced, added
or removed. An answer computed from one catalog therefore uses one version of every table, including
joined tables.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

from benchmark_db.benchmark import Benchmark
from benchmark_db.database import ReadOnlyDatabase, file_identity
from benchmark_db.errors import (
    BenchmarkDataError,
    UnknownBenchmarkError,
    UnusableDatabaseError,
)
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.metrics import Metric
from benchmark_db.questions import near_and_known
from benchmark_db.registry import BENCHMARKS, INSTALLABLE, METRICS
from benchmark_db.tabular.benchmark import Tabular
from benchmark_db.tabular.stored_spec import database_files, is_declared_table, version_of
from benchmark_spec import BenchmarkSpec
from benchmark_spec.declaration import shipped_declarations

__all__ = ["Catalog"]

_Opener: TypeAlias = Callable[[Path], InstalledDataset]
_Identity: TypeAlias = tuple[int, ...]
_Entry = TypeVar("_Entry")


class Catalog:
    """The installed databases of a folder, opened once.

    A database that fails a check while it is open counts as unusable from then on.

    Args:
        directory: The folder; `NAME.db` is the database of NAME, and `NAME@3.db` its version 3,
            where old versions are kept.
        connections: Connections reserved per database, so that as many threads can query at once.
    """

    def __init__(self, directory: Path, *, connections: int = 1) -> None:
        self._directory = directory
        self._connections = connections
        self._opened: dict[str, InstalledDataset] = {}
        self._refused: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._seen = _files_of(directory)
        self._begin()
        for name, kind in self._kinds(self._seen).items():
            self._take(name, kind)
        self._name_metrics()

    def renewed(
        self, *, rest: float = 0.0, should_run: Callable[[], bool] = lambda: True
    ) -> Catalog | None:
        """Return a new catalog if files in the folder have changed, else None.

        Unchanged databases are reused without being opened again. A new file is verified against
        its checksum before it is served; if that fails, the file that it replaces stays in use. A
        database is dropped only if its file is missing in two consecutive scans, because a file
        that is being replaced may be missing briefly. An unreadable folder counts as unchanged.

        Only one thread may call this at a time. This catalog stays open: see `close`.

        Args:
            rest: Seconds to pause per second of reading.
            should_run: Called repeatedly; the scan is abandoned once it returns False.
        """
        # A folder that cannot be listed or searched would look empty.
        if not os.access(self._directory, os.R_OK | os.X_OK) or not self._directory.is_dir():
            return None
        found = _files_of(self._directory)
        missing = self._seen.keys() - found.keys()
        gone, self._unseen = missing & self._unseen, missing
        changed = {
            name: identity
            for name, identity in found.items()
            if identity[: len(self._seen.get(name, ()))] != self._seen.get(name)
        }
        if not gone and not changed:
            return None
        new, check = (
            copy.copy(self),
            partial(ReadOnlyDatabase.verify, rest=rest, should_run=should_run),
        )
        try:
            new._renew(gone, changed, check)  # noqa: SLF001 - a constructor
        except BaseException:
            new.close(keeping=(self,))
            raise
        if should_run():
            return new
        new.close(keeping=(self,))
        return None

    def _renew(
        self,
        gone: AbstractSet[str],
        changed: Mapping[str, _Identity],
        check: Callable[[ReadOnlyDatabase], None],
    ) -> None:
        """Update this copy of a catalog to the present files of the folder."""
        self._begin()
        self._opened, self._refused = _without(self._opened, gone), _without(self._refused, gone)
        self._seen = {**_without(self._seen, gone), **changed}
        for name, kind in self._kinds(changed).items():
            self._refused.pop(name, None)
            self._take(name, kind, check)
        self._opened = dict(sorted(self._opened.items(), key=lambda item: _place(item[0])))
        self._name_metrics()

    @property
    def opened(self) -> Mapping[str, InstalledDataset]:
        """All open databases by name, including those that failed a check, and kept versions."""
        return self._opened

    @property
    def installed(self) -> dict[str, InstalledDataset]:
        """All installed data sets that can be queried, by name."""
        return {
            name: installed
            for name, installed in self._opened.items()
            if installed.database.failure is None and not version_of(name)
        }

    @property
    def benchmarks(self) -> dict[str, Benchmark]:
        """The installed benchmarks, which can be queried for runs."""
        return {
            name: installed
            for name, installed in self.installed.items()
            if isinstance(installed, Benchmark)
        }

    @property
    def declared(self) -> list[BenchmarkSpec]:
        """The descriptions of the declared tables, including one that failed a check."""
        return [
            installed.spec
            for name, installed in self._opened.items()
            if installed.is_declared and not version_of(name)
        ]

    def versions(self, name: str) -> dict[int, InstalledDataset]:
        """Return the versions of a table that can be queried, by number, ascending.

        They are the versions built from the same plan as the served table, itself included. A
        benchmark that was not built from a plan has none.
        """
        served = self._opened.get(name)
        if served is None or not served.provenance.is_of_a_plan:
            return {}
        stated = served.provenance.contents
        found = {int(stated["version"]): served}
        for other, installed in self._opened.items():
            table, number = version_of(other) or ("", 0)
            if table == name and installed.provenance.contents["plan"] == stated["plan"]:
                found.setdefault(number, installed)
        return dict(sorted(found.items()))

    def at_version(self, name: str, version: int) -> Catalog:
        """Return this catalog with another version of a table in place of the served one.

        The result is a view: it is held, changed and closed together with this catalog.

        Raises:
            UnknownBenchmarkError: The version is not kept.
        """
        kept = self.versions(name)
        if version not in kept:
            raise _no_version(name, version, kept)
        view = copy.copy(self)
        view._opened = {**self._opened, name: kept[version]}  # noqa: SLF001 - a constructor
        return view

    @property
    def unusable(self) -> dict[str, str]:
        """Reasons why databases in the folder cannot be served, by name."""
        failed = {name: installed.database.failure for name, installed in self._opened.items()}
        return {
            **{name: why for name, why in self._refused.items() if name not in self._opened},
            **{name: why for name, why in failed.items() if why is not None},
        }

    @property
    def refused_replacements(self) -> dict[str, str]:
        """Reasons why a new file is not served, by the name of the database that stays in use."""
        return {name: why for name, why in self._refused.items() if name in self.installed}

    def __getitem__(self, name: str) -> Benchmark:
        """Return an installed benchmark.

        Raises:
            UnknownBenchmarkError: There is no such benchmark, or it is not installed.
            UnusableDatabaseError: The database has failed a check since it was opened.
        """
        found = self._opened.get(name)
        if isinstance(found, Benchmark) and found.database.failure is None:
            return found
        raise self._missing(name, BENCHMARKS)

    def entry(self, name: str) -> InstalledDataset:
        """Return the data set installed under a name, benchmark or not.

        Raises:
            UnknownBenchmarkError: There is no such data set, or it is not installed.
            UnusableDatabaseError: The database has failed a check since it was opened.
        """
        found = self._opened.get(name)
        if found is not None and found.database.failure is None:
            return found
        raise self._missing(name, INSTALLABLE)

    def metrics(self, name: str) -> Mapping[str, Metric]:
        """Return the metrics of a benchmark by name, including those of tables joined to it.

        The metrics of built-in benchmarks are returned even if they are not installed.

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
            UnknownBenchmarkError: The costs are not installed.
            UnusableDatabaseError: The database has failed a check since it was opened.
        """
        return cast("HwNasBench", self.entry(HwNasBench.spec.name))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the databases open within the block; `in_use` is true meanwhile."""
        with self._lock:
            self._holders[0] += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders[0] -= 1

    @property
    def in_use(self) -> bool:
        """Whether any thread is within `held`."""
        return self._holders[0] > 0

    def close(self, *, keeping: Iterable[Catalog] = ()) -> None:
        """Close every database.

        Args:
            keeping: Catalogs whose databases are not closed.
        """
        kept = {id(installed) for other in keeping for installed in other.opened.values()}
        for installed in self._opened.values():
            if id(installed) not in kept:
                installed.close()

    def _begin(self) -> None:
        self._holders = [0]  # a number that the views of versions share
        self._lock = threading.Lock()

    def _kinds(self, names: Iterable[str]) -> dict[str, _Opener]:
        """Return how to open the files of these names, without files of other programs."""
        kinds: dict[str, _Opener] = {}
        for name in sorted(names, key=_place):
            known = INSTALLABLE.get(name)
            if known is not None:
                kinds[name] = known
            elif name in self._opened or is_declared_table(self._directory / f"{name}.db"):
                kinds[name] = Tabular if version_of(name) is None else _opened_version
        return kinds

    def _take(
        self, name: str, kind: _Opener, check: Callable[[ReadOnlyDatabase], None] | None = None
    ) -> None:
        """Open and check the file of a name, or record why it cannot be served."""
        try:
            opened = _opened_as(name, kind, self._directory / f"{name}.db")
            try:
                opened.database.reserve(self._connections)
                if check is not None:
                    check(opened.database)
            except BaseException:
                opened.close()
                raise
        except UnusableDatabaseError as error:
            self._refused[name] = str(error)
        else:
            self._opened[name] = opened
            # Of the opened file: another one may have replaced it since the folder was listed.
            self._seen[name] = opened.database.identity

    def _name_metrics(self) -> None:
        named = (name for name in self._opened if not version_of(name))
        self._metrics = {name: self._metrics_of(name) for name in (*BENCHMARKS, *named)}

    def _metrics_of(self, name: str) -> Mapping[str, Metric]:
        opened = self._opened.get(name)
        own = opened.metrics() if isinstance(opened, Benchmark) else {}
        joined = [other for other in self._opened.values() if other.joined_to == name]
        added = {key: metric for other in joined for key, metric in other.joined_metrics().items()}
        return {**METRICS.get(name, own), **added}

    def _missing(self, name: str, known: Iterable[str]) -> BenchmarkDataError:
        known = dict.fromkeys((*known, *self._opened, *self._refused))
        if name not in known and name not in shipped_declarations():
            table, number = version_of(name) or ("", 0)
            if kept := self.versions(table):
                return _no_version(table, number, kept)
            # Kept versions are requested by the name of their table and a number.
            tables = [one for one in known if not version_of(one)]
            return UnknownBenchmarkError(
                f"there is no benchmark {name!r:.80}; {near_and_known(name, tables)}"
            )
        if name in self._opened:
            return UnusableDatabaseError(
                f"the database of {name} failed a check and is not used: {self.unusable[name]}"
            )
        if name in self._refused:
            return UnknownBenchmarkError(
                f"the database of {name} cannot be served: {self._refused[name]}"
            )
        return UnknownBenchmarkError(
            f"{name} is not installed: make its database with `nbs generate {name} RAW`, RAW being "
            "the raw archive (a server notices it within seconds)"
        )


def _no_version(name: str, version: int, kept: Iterable[int]) -> UnknownBenchmarkError:
    known = ", ".join(map(str, kept)) or "none"
    return UnknownBenchmarkError(
        f"version {version} of {name!r:.80} is not kept; kept are: {known}"
    )


def _files_of(directory: Path) -> dict[str, _Identity]:
    """Return the identity of each database file, by the name of the database.

    The identity is the inode, the size, and the times of the last write and of the last change of
    attributes: a change of permissions may make a file readable that could not be opened before.
    """
    found: dict[str, _Identity] = {}
    for path in database_files(directory, versions=True):
        with suppress(OSError):
            is_now = path.stat()
            found[path.stem] = (*file_identity(is_now), is_now.st_ctime_ns)
    return found


def _place(name: str) -> tuple[int, str]:
    """Return the sort key of a name in lists: built-in benchmarks first, then declared tables."""
    return (list(INSTALLABLE).index(name) if name in INSTALLABLE else len(INSTALLABLE), name)


def _without(entries: Mapping[str, _Entry], names: AbstractSet[str]) -> dict[str, _Entry]:
    return {name: entry for name, entry in entries.items() if name not in names}


def _opened_as(
    name: str, installed: Callable[[Path], InstalledDataset], path: Path
) -> InstalledDataset:
    """Open a database file, which must be named after its data set."""
    found = installed(path)
    if found.spec.name != name.partition("@")[0]:
        found.close()
        raise UnusableDatabaseError(
            f"{path.name} holds {found.spec.name}: call it {found.spec.name}.db"
        )
    return found


def _opened_version(path: Path) -> InstalledDataset:
    """Open the file of a kept version of a plan's table."""
    found = Tabular(path)
    name, number = version_of(path.stem) or ("", 0)
    contents = found.provenance.contents
    if not found.provenance.is_of_a_plan or contents["version"] != number:
        found.close()
        raise UnusableDatabaseError(f"{path.name} does not hold version {number} of {name}")
    return found
