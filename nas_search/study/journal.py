"""The file of a study: one SQLite database, written by one process and read by any number.

What is committed survives the end of the process at any moment. That of the machine it survives
where trials are dear; where they are only looked up, a few of the last may be lost, and the next
run looks them up again. Nothing is pickled.
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
"""`NBST`: tells the file from other databases."""

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
        path: The file; made with its folder if it is not there.
        spec: What makes problem and strategy.
        safe_from_power_loss: Whether a result waits for the disk.

    Raises:
        StudyInUseError: Another process writes to it.
        StudyFileError: It holds no study, or one of a newer version.
        OtherStudyError: It was begun with another problem or strategy.
        OSError: It cannot be written.
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
            with _told_by(self.path):
                self._database = _connected(f"file:{_quoted(self.path)}?mode=rwc")
                opened.callback(self._database.close)
                if _is_empty(self._database):
                    self._begin(spec)
                _check(self._database, self.path)
                _check_same(read_spec(self._database), spec, self.path)
            # From here on `close` does it.
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def database(self) -> sqlite3.Connection:
        """The open file."""
        return self._database

    def asked(self, trial: Trial) -> None:
        """Write a proposal; it is safe with the next commit."""
        one = trial.candidate
        self._execute(
            _ASKED,
            *(trial.number, one.arch, one.fidelity, one.parent, one.note),
            *(trial.asked, trial.asked_order),
        )

    def assigned(self, trial: Trial) -> None:
        """Write the job of a trial; it is safe with the next commit."""
        self._execute("UPDATE trial SET job = ? WHERE number = ?", trial.job, trial.number)

    def told(self, trial: Trial) -> None:
        """Write a result; it is safe with the next commit."""
        self._execute(
            _TOLD,
            *(trial.state.value, json.dumps(dict(trial.metrics)), trial.violation, trial.cost),
            *(trial.told, trial.told_order, trial.error, trial.number),
            waits=True,
        )

    def event(self, event: Event) -> None:
        """Write an event; it is safe with the next commit."""
        statement = "INSERT INTO event VALUES (?, ?, ?, ?)"
        payload = json.dumps(dict(event.payload))
        self._execute(statement, event.seq, event.time, event.kind, payload)

    def trials(self) -> list[Trial]:
        """Return the trials that were written, in their order.

        Raises:
            StudyFileError: The file is damaged.
        """
        with _told_by(self.path):
            return list(read_trials(self._database))

    def commit(self) -> None:
        """Make all that was written safe, and seen by others."""
        if self._database.in_transaction:
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Commit, and let others write."""
        with suppress(sqlite3.ProgrammingError):
            self.commit()
            self._database.close()
        self._lock.close()

    def _begin(self, spec: Mapping[str, Any]) -> None:
        text = json.dumps(spec, sort_keys=True)
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        self._database.execute("PRAGMA journal_mode = WAL")
        # All at once: a process that ends here leaves no file or a whole one.
        self._database.executescript(
            f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};"
            f"{_SCHEMA}"
        )
        self._execute("INSERT INTO study VALUES (?, ?, ?)", text, digest, time.time())
        self.commit()

    def _execute(self, statement: str, *values: Any, waits: bool = False) -> None:
        if not self._database.in_transaction:
            # What was only proposed is proposed again: the disk need not be waited for.
            level = "FULL" if waits and self._safe_from_power_loss else "NORMAL"
            self._database.execute(f"PRAGMA synchronous = {level}")
            self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(statement, values)


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open the file of a study to read it, whoever writes to it.

    Raises:
        StudyFileError: There is none, it holds no study, or one of a newer version.
    """
    file = Path(path)
    if not file.is_file():
        raise StudyFileError(f"{file} holds no study: there is no such file")
    with _told_by(file):
        database = _connected(f"file:{_quoted(file)}?mode=ro")
        try:
            _check(database, file)
            yield database
        finally:
            database.close()


def read_spec(database: sqlite3.Connection) -> dict[str, Any]:
    """Return what makes problem and strategy."""
    ((text,),) = database.execute("SELECT spec FROM study")
    spec: dict[str, Any] = json.loads(text)
    return spec


def read_trials(database: sqlite3.Connection) -> Iterator[Trial]:
    """Yield the trials, in their order; without scores."""
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
    """Yield the events behind one."""
    statement = "SELECT seq, time, kind, payload FROM event WHERE seq > ? ORDER BY seq"
    for seq, moment, kind, payload in database.execute(statement, (after,)):
        yield Event(seq, moment, kind, json.loads(payload))


def read_notes(database: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Yield what a strategy wants to have back before it is replayed."""
    for (payload,) in database.execute("SELECT payload FROM event WHERE kind = 'notes'"):
        yield json.loads(payload)


def _locked(path: Path) -> IO[str]:
    """Return an open lock file; the lock ends with the process, however it ends."""
    # Not at the top: studies are read where it is missing.
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
    # Transactions are ours to begin and end.
    return sqlite3.connect(
        address, uri=True, isolation_level=None, timeout=30, check_same_thread=False
    )


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextmanager
def _told_by(path: Path) -> Iterator[None]:
    """Name the file where SQLite says what is wrong with it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StudyFileError(f"{path} holds no study, or a damaged one: {error}") from error


def _is_empty(database: sqlite3.Connection) -> bool:
    """Tell whether there is nothing yet, as where a process ended just when it had begun."""
    ((application,),) = database.execute("PRAGMA application_id")
    ((tables,),) = database.execute("SELECT count(*) FROM sqlite_master")
    return not application and not tables


def _check(database: sqlite3.Connection, path: Path) -> None:
    ((application,),) = database.execute("PRAGMA application_id")
    ((version,),) = database.execute("PRAGMA user_version")
    if application != _APPLICATION:
        raise StudyFileError(f"{path} holds no study, but another database")
    if version != _VERSION:
        raise StudyFileError(
            f"{path} is of version {version} of the form; this program reads {_VERSION}"
        )


def _check_same(recorded: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Refuse another problem or strategy than the file was begun with."""
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
