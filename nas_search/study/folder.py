"""A folder of recorded searches, read while they grow.

What lies in the folder itself is one study, called `main`; each folder in it is another, called as
it is. Files are found by looking at what there is: a name from outside is compared, and never made
into a path. Links are not followed. What is damaged, foreign or too large is told and left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from nas_search.errors import DamagedRunError, StudyError
from nas_search.study.history import History
from nas_search.study.journal import read_spec, read_trials, reading
from nas_search.study.runs import RecordedPoint, RecordedRun
from nas_search.study.trials import State

__all__ = ["LARGEST_FILE", "MAIN", "MOST_FILES", "MOST_STUDIES", "Front", "ReadSearch"]
__all__ += ["Skipped", "StudyFolder", "read_search"]

MAIN: Final = "main"
"""The study of the files that lie in the folder itself."""
MOST_STUDIES: Final = 200
MOST_FILES: Final = 200
LARGEST_FILE: Final = 32 * 2**20
_LARGEST_STUDY: Final = 128 * 2**20
"""Bytes of all files of a study that are read."""
_MOST_TRIALS: Final = 100_000
_MOST_LISTED: Final = 10_000
"""Entries of a folder that are looked at."""
_MOST_STEPS: Final = 50_000
"""Thousands of instructions that SQLite may take for one file: some seconds."""
_GROWING_SECONDS: Final = 60.0
_SUFFIXES: Final = (".study", ".json")
_WAL: Final = "-wal"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_MOST_POINTS: Final = 1_000
"""Points of a front that are told."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out.

    Attributes:
        name: Its name.
        reason: Why, in words that tell nothing of where it lies.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Front:
    """The best trade-offs that a search of several objectives has found.

    Attributes:
        objectives: Metric and whether its larger values are better, for each.
        points: A value of each objective, and the architecture; the best by the first comes first.
    """

    objectives: list[tuple[str, bool]]
    points: list[tuple[list[float], str]]


@dataclass(frozen=True, slots=True)
class ReadSearch:
    """A search that a file holds.

    Attributes:
        name: Of the file.
        run: Its record; of a search without a simulated clock, times count evaluations.
        timed: Whether it has a simulated clock.
        trials: Evaluations that were told.
        growing: Whether it was written to within the last minute.
        front: Of several objectives.
    """

    name: str
    run: RecordedRun
    timed: bool
    trials: int
    growing: bool
    front: Front | None


class StudyFolder:
    """The studies of a folder.

    Args:
        path: The folder; None, or one that is not there, has none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of the studies, in order, at most `MOST_STUDIES`."""
        found = {entry.name for entry in self._entries() if entry.is_dir(follow_symlinks=False)}
        names = sorted(name for name in found if _NAME.fullmatch(name) and name != MAIN)
        main = [MAIN] if any(_is_search(entry) for entry in self._entries()) else []
        return (main + names)[:MOST_STUDIES]

    def files(self, name: str) -> list[Path] | None:
        """Return the files of a study by name, at most `MOST_FILES`; None if there is no study."""
        if self._path is None or name not in self.names():
            return None
        folder = self._path
        if name != MAIN:
            (folder,) = (Path(entry.path) for entry in self._entries() if entry.name == name)
        files = sorted(entry.path for entry in _listed(folder) if _is_search(entry))
        return [Path(path) for path in files[:MOST_FILES]]

    def fingerprint(self, name: str) -> str:
        """Return a digest that changes when a file of a study does."""
        seen = []
        for path in self.files(name) or ():
            for one in (path, path.with_name(path.name + _WAL)):
                try:
                    state = one.stat(follow_symlinks=False)
                except OSError:
                    continue
                if state.st_size:  # a reader makes an empty log beside the file
                    seen.append((one.name, state.st_size, state.st_mtime_ns, state.st_ino))
        return hashlib.blake2b(json.dumps(seen).encode(), digest_size=16).hexdigest()

    def read(self, name: str) -> tuple[list[ReadSearch], list[Skipped]]:
        """Return the searches of a study, and the files that were left out.

        A search that two files hold, such as a study and the run that was made of it, counts once.
        """
        found: dict[tuple[Any, ...], ReadSearch] = {}
        skipped, taken = [], 0
        for path in self.files(name) or ():
            try:
                size = path.stat(follow_symlinks=False).st_size
                taken += size
                if size > LARGEST_FILE or taken > _LARGEST_STUDY:
                    skipped.append(Skipped(path.name, f"too large: {size} bytes"))
                    continue
                search = read_search(path)
            except (StudyError, OSError) as error:
                skipped.append(Skipped(path.name, _told(error, path)))
                continue
            run = search.run
            key = (run.strategy, run.seed, run.run_seed, run.benchmark, run.dataset, run.metric)
            other = found.setdefault(key, search)
            if other is not search:
                fewer, more = sorted((other, search), key=lambda one: one.trials)
                found[key] = more
                skipped.append(Skipped(fewer.name, f"the same search as {more.name}"))
        return list(found.values()), skipped

    def _entries(self) -> list[os.DirEntry[str]]:
        return [] if self._path is None else _listed(self._path)


def read_search(path: Path) -> ReadSearch:
    """Return the search in a file: a study, or a recorded run as JSON.

    Raises:
        StudyError: It holds none, or one that is damaged.
        OSError: It cannot be read.
    """
    growing = time.time() - _latest(path) < _GROWING_SECONDS
    if path.suffix == ".json":
        run = RecordedRun.read(path)
        told = len(run.trajectory)
        return ReadSearch(
            path.name, run, timed=run.clock == "seconds", trials=told, growing=growing, front=None
        )
    history = _history(path)
    try:
        timed = history.spec["problem"]["kind"] == "table"
        run = history.to_run() if timed else _counted(history)
        front = _front(history) if len(history.goals.objectives) > 1 else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedRunError(f"it says of its search what is none: {error!s:.80}") from error
    return ReadSearch(
        path.name, run, timed=timed, trials=len(history.trials), growing=growing, front=front
    )


def _history(path: Path) -> History:
    with reading(path) as database:
        # A view that calls itself a table of trials could take for ever.
        steps = iter(range(_MOST_STEPS))
        database.set_progress_handler(lambda: next(steps, None) is None, 1_000)
        try:
            trials = list(islice(read_trials(database), _MOST_TRIALS + 1))
            if len(trials) > _MOST_TRIALS:
                raise DamagedRunError(f"more than {_MOST_TRIALS} trials")
            history = History(read_spec(database), trials)
            for trial in trials:
                trial.rate(history.goals)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise DamagedRunError(f"it holds what is no study: {error!s:.80}") from error
    return history


def _counted(history: History) -> RecordedRun:
    """Return the record of a search without a simulated clock: its times count evaluations."""
    problem, strategy = history.spec["problem"], history.spec["strategy"]
    goal = history.goals.objectives[0]
    better = max if goal.maximise else min
    best: float | None = None
    points = []
    done = sorted(history.trials, key=lambda one: one.told_order or 0)
    for number, trial in enumerate(done, 1):
        if trial.state is not State.OK:
            continue
        value = trial.metrics[goal.metric]
        best = value if best is None else better(best, value)
        point = RecordedPoint(
            arch=trial.arch, num_epochs=0, epoch=0, time=float(number), value=value, best=best
        )
        points.append(point)
    return RecordedRun.model_construct(
        strategy=str(strategy["name"]),
        seed=int(strategy["settings"].get("seed", 0)),
        benchmark=str(problem.get("name") or problem["kind"]),
        dataset=None,
        num_epochs=0,
        metric=goal.metric,
        larger_is_better=goal.maximise,
        budget=float(max(len(done), 1)),
        run_seed=None,
        continue_training=False,
        free_repeats=False,
        evaluation_time=False,
        oracle=None,
        trajectory=tuple(points),
    )


def _front(history: History) -> Front:
    goals = history.goals.objectives
    return Front(
        objectives=[(goal.metric, goal.maximise) for goal in goals],
        points=[
            ([float(trial.metrics[goal.metric]) for goal in goals], trial.arch)
            for trial in history.front[:_MOST_POINTS]
        ],
    )


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, _MOST_LISTED))
    except OSError:
        return []


def _is_search(entry: os.DirEntry[str]) -> bool:
    named = _NAME.fullmatch(entry.name) is not None and entry.name.endswith(_SUFFIXES)
    return named and entry.is_file(follow_symlinks=False)


def _latest(path: Path) -> float:
    def moments() -> Iterator[float]:
        for one in (path, path.with_name(path.name + _WAL)):
            if one.exists():
                yield one.stat().st_mtime

    return max(moments(), default=0.0)


def _told(error: Exception, path: Path) -> str:
    """Return why a file was left out, without its path."""
    if isinstance(error, OSError):
        return "it cannot be read"
    return str(error).replace(f"{path} ", "").replace(str(path), path.name)[:200]
