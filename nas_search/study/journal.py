"""The file of a study: one SQLite database, written by one process and read by any number.

Committed data survives a crash of the process at any moment. It also survives a crash of the
machine, except in studies that only look results up: they may lose the last few trials, which the
next run looks up again. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, Self

from nas_search.contract import Candidate
from nas_search.errors import OtherStudyError, StudyFileError, StudyInUseError
from nas_search.study.events import Event
from nas_search.study.trials import State, Trial

__all__ = ["Journal", "read_events", "read_notes", "read_spec", "read_trials", "reading"]

_VERSION: Final = 1
_APPLICATION: Final = 0x4E425354
"""SQLite's `application_id` of study files: `NBST` in ASCII."""

_SCHEMA: Final = """
CREATE TABLE study (spec TEXT NOT NULL, digest TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE trial (
    number INTEGER PRIMARY KEY, arch TEXT NOT NULL, fidelity INTEGER, parent INTEGER, note TEXT,
    state TEXT NOT NULL, "values" TEXT NOT NULL, bounds REAL NOT NULL, cost REAL NOT NULL,
    job TEXT, asked REAL NOT NULL, told REAL, asked_order INTEGER NOT NULL, told_order INTEGER,
    error TEXT
);
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL
);
"""
_ASKED: Final = """
INSERT INTO trial (number, arch, fidelity, parent, note, state, "values", bounds, cost, asked,
asked_order) VALUES (?, ?, ?, ?, ?, 'running', '{}', 0.0, 0.0, ?, ?)
"""
_TOLD: Final = """
UPDATE trial SET state = ?, "values" = ?, bounds = ?, cost = ?, told = ?, told_order = ?, error = ?
WHERE number = ?
"""


class Journal:
    """Writes a study to its file.

    Args:
        path: The file; created with its folder if missing.
        spec: The problem and the strategy, as JSON.
        safe_from_power_loss: Whether the commit of a result waits until it is on the disk.

    Raises:
        StudyInUseError: Another process writes to the file.
        StudyFileError: The file is no study, or has a newer version.
        OtherStudyError: The file was begun with another problem or strategy.
        OSError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        spec: Mapping[str, Any],
        *,
        safe_from_power_loss: bool = True,
    ) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._safe_from_power_loss = safe_from_power_loss
        self._lock = _locked(self.path)
        with ExitStack() as opened:
            opened.enter_context(self._lock)
            with _as_study_errors(self.path):
                self._database = _connected(f"file:{_quoted(self.path)}?mode=rwc")
                opened.callback(self._database.close)
                if _is_empty(self._database):
                    self._begin(spec)
                _check(self._database, self.path)
                _check_same(read_spec(self._database), spec, self.path)
            # From here on `close` releases both.
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def database(self) -> sqlite3.Connection:
        """The connection to the open file."""
        return self._database

    def asked(self, trial: Trial) -> None:
        """Write a proposal, without committing it."""
        one = trial.candidate
        self._execute(
            _ASKED,
            *(trial.number, one.arch, one.fidelity, one.parent, one.note),
            *(trial.asked, trial.asked_order),
        )

    def assigned(self, trial: Trial) -> None:
        """Write the job of a trial, without committing it."""
        self._execute("UPDATE trial SET job = ? WHERE number = ?", trial.job, trial.number)

    def told(self, trial: Trial) -> None:
        """Write a result, without committing it."""
        self._execute(
            _TOLD,
            *(trial.state.value, json.dumps(dict(trial.metrics)), trial.violation, trial.cost),
            *(trial.told, trial.told_order, trial.error, trial.number),
            waits=True,
        )

    def event(self, event: Event) -> None:
        """Write an event, without committing it."""
        statement = "INSERT INTO event VALUES (?, ?, ?, ?)"
        payload = json.dumps(dict(event.payload))
        self._execute(statement, event.seq, event.time, event.kind, payload)

    def trials(self) -> list[Trial]:
        """Return all trials, by ascending number.

        Raises:
            StudyFileError: The file is damaged.
        """
        with _as_study_errors(self.path):
            return list(read_trials(self._database))

    def commit(self) -> None:
        """Commit everything written, which makes it durable and visible to readers."""
        if self._database.in_transaction:
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Commit, close the file and release its lock."""
        with suppress(sqlite3.ProgrammingError):
            self.commit()
            self._database.close()
        self._lock.close()

    def _begin(self, spec: Mapping[str, Any]) -> None:
        text = json.dumps(spec, sort_keys=True)
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        self._database.execute("PRAGMA journal_mode = WAL")
        # In one transaction: a crash here leaves either no schema or a complete one.
        self._database.executescript(
            f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};"
            f"{_SCHEMA}"
        )
        self._execute("INSERT INTO study VALUES (?, ?, ?)", text, digest, time.time())
        self.commit()

    def _execute(self, statement: str, *values: Any, waits: bool = False) -> None:
        if not self._database.in_transaction:
            # A lost proposal is made again, so only results need wait for the disk.
            level = "FULL" if waits and self._safe_from_power_loss else "NORMAL"
            self._database.execute(f"PRAGMA synchronous = {level}")
            self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(statement, values)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open the file of a study for reading, which is possible while another process writes.

    Raises:
        StudyFileError: The file is missing, is no study, or has a newer version.
    """
    file = Path(path)
    if not file.is_file():
        raise StudyFileError(f"{file}: there is no such file")
    with _as_study_errors(file):
        database = _connected(f"file:{_quoted(file)}?mode=ro")
        try:
            _check(database, file)
            yield database
        finally:
            database.close()


def read_spec(database: sqlite3.Connection) -> dict[str, Any]:
    """Return the problem and the strategy of a study, as JSON."""
    ((text,),) = database.execute("SELECT spec FROM study")
    spec: dict[str, Any] = json.loads(text)
    return spec


def read_trials(database: sqlite3.Connection) -> Iterator[Trial]:
    """Yield the trials by ascending number, without scores."""
    columns = (
        'number, arch, fidelity, parent, note, state, "values", bounds, cost, job, asked, told, '
        "asked_order, told_order, error"
    )
    for row in database.execute(f"SELECT {columns} FROM trial ORDER BY number"):  # noqa: S608 - ours
        number, arch, fidelity, parent, note, state, values, violation, cost, *rest = row
        job, asked, told, asked_order, told_order, error = rest
        yield Trial(
            number=number,
            candidate=Candidate(arch=arch, fidelity=fidelity, parent=parent, note=note),
            state=State(state),
            metrics=json.loads(values),
            violation=violation,
            cost=cost,
            error=error,
            asked=asked,
            told=told,
            asked_order=asked_order,
            told_order=told_order,
            job=job,
        )


def read_events(database: sqlite3.Connection, after: int = 0) -> Iterator[Event]:
    """Yield the events whose number is greater than `after`."""
    statement = "SELECT seq, time, kind, payload FROM event WHERE seq > ? ORDER BY seq"
    for seq, moment, kind, payload in database.execute(statement, (after,)):
        yield Event(seq, moment, kind, json.loads(payload))


def read_notes(database: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Yield the notes of a strategy, which it is given before the replay."""
    for (payload,) in database.execute("SELECT payload FROM event WHERE kind = 'notes'"):
        yield json.loads(payload)


def _locked(path: Path) -> IO[str]:
    """Return the open and locked lock file; the lock ends with the process in any case."""
    # Imported here: Windows has no fcntl, and reading a study does not need it.
    import fcntl  # noqa: PLC0415

    file = path.with_name(f"{path.name}.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StudyInUseError(f"{path} is written to by process {holder}") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _connected(address: str) -> sqlite3.Connection:
    # Without isolation level: this module begins and commits transactions itself.
    return sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=30, check_same_thread=False
    )


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextmanager
def _as_study_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into a StudyFileError that names the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StudyFileError(f"{path} is no study, or is damaged: {error}") from error


def _is_empty(database: sqlite3.Connection) -> bool:
    """Return whether the file has no tables yet, as after a crash just after its creation."""
    ((application,),) = database.execute("PRAGMA application_id")
    ((tables,),) = database.execute("SELECT count(*) FROM sqlite_master")
    return not application and not tables


def _check(database: sqlite3.Connection, path: Path) -> None:
    ((application,),) = database.execute("PRAGMA application_id")
    ((version,),) = database.execute("PRAGMA user_version")
    if application != _APPLICATION:
        raise StudyFileError(f"{path} is no study, but another SQLite database")
    if version != _VERSION:
        raise StudyFileError(
            f"{path} has format version {version}; this program reads version {_VERSION}"
        )


def _check_same(recorded: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Raise if the file was begun with another problem or strategy."""
    for part in ("problem", "strategy"):
        mine = json.loads(json.dumps(given[part]))
        difference = _first_difference(recorded[part], mine, part)
        if difference is not None:
            place, theirs, ours = difference
            raise OtherStudyError(
                f"{path} was begun with another {part}: {place} is {theirs!r:.80} there and "
                f"{ours!r:.80} here"
            )


def _first_difference(first: Any, second: Any, place: str) -> tuple[str, Any, Any] | None:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in sorted({*first, *second}):
            missing = "nothing"
            found = _first_difference(
                first.get(name, missing), second.get(name, missing), f"{place}.{name}"
            )
            if found is not None:
                return found
        return None
    return None if first == second else (place, first, second)
