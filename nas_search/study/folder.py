"""A folder of recorded searches, read while they grow.

The files in the folder itself form the study `main`; each subfolder is a study of its own name.
Names from requests are compared with the listing of the folder and never made into paths. Links are
not followed. Files that are damaged, foreign or too large are skipped and reported.
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
"""The name of the study of the files in the folder itself."""
MOST_STUDIES: Final = 200
MOST_FILES: Final = 200
LARGEST_FILE: Final = 32 * 2**20
_LARGEST_STUDY: Final = 128 * 2**20
"""The most bytes that are read for all files of a study."""
_MOST_TRIALS: Final = 100_000
_MOST_LISTED: Final = 10_000
"""The most entries of a folder that are examined."""
_MOST_STEPS: Final = 50_000
"""The most thousands of SQLite instructions for one file: a few seconds."""
_GROWING_SECONDS: Final = 60.0
_SUFFIXES: Final = (".study", ".json")
_WAL: Final = "-wal"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_MOST_POINTS: Final = 1_000
"""The most points of a front that are returned."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was skipped.

    Attributes:
        name: Its name.
        reason: Why it was skipped, without its path.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Front:
    """The Pareto front of a search of several objectives.

    Attributes:
        objectives: For each objective its metric, and whether larger values are better.
        points: Values of the objectives and the architecture, the best first objective first.
    """

    objectives: list[tuple[str, bool]]
    points: list[tuple[list[float], str]]


@dataclass(frozen=True, slots=True)
class ReadSearch:
    """A search read from a file.

    Attributes:
        name: The name of the file.
        run: The recorded run; without a simulated clock, its times count evaluations.
        timed: Whether it has a simulated clock.
        trials: The number of finished evaluations.
        growing: Whether the file was written to within the last minute.
        front: The front, if there are several objectives.
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
        path: The folder; None or a missing folder has no studies.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def names(self) -> list[str]:
        """Return the names of the studies, sorted, at most `MOST_STUDIES`."""
        found = {entry.name for entry in self._entries() if entry.is_dir(follow_symlinks=False)}
        names = sorted(name for name in found if _NAME.fullmatch(name) and name != MAIN)
        main = [MAIN] if any(_is_search(entry) for entry in self._entries()) else []
        return (main + names)[:MOST_STUDIES]

    def files(self, name: str) -> list[Path] | None:
        """Return the files of a study, sorted, at most `MOST_FILES`; None for an unknown study."""
        if self._path is None or name not in self.names():
            return None
        folder = self._path
        if name != MAIN:
            (folder,) = (Path(entry.path) for entry in self._entries() if entry.name == name)
        files = sorted(entry.path for entry in _listed(folder) if _is_search(entry))
        return [Path(path) for path in files[:MOST_FILES]]

    def fingerprint(self, name: str) -> str:
        """Return a digest that changes when a file of the study changes."""
        seen = []
        for path in self.files(name) or ():
            for one in (path, path.with_name(path.name + _WAL)):
                try:
                    state = one.stat(follow_symlinks=False)
                except OSError:
                    continue
                if state.st_size:  # readers create an empty WAL beside the file
                    seen.append((one.name, state.st_size, state.st_mtime_ns, state.st_ino))
        return hashlib.blake2b(json.dumps(seen).encode(), digest_size=16).hexdigest()

    def read(self, name: str) -> tuple[list[ReadSearch], list[Skipped]]:
        """Return the searches of a study, and the files that were skipped.

        A search in two files, such as a study and the run made from it, counts once.
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
    """Read a search from a file, either a study or a recorded run as JSON.

    Raises:
        StudyError: The file is neither, or is damaged.
        OSError: The file cannot be read.
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
        raise DamagedRunError(f"its description of the search is damaged: {error!s:.80}") from error
    return ReadSearch(
        path.name, run, timed=timed, trials=len(history.trials), growing=growing, front=front
    )


def _history(path: Path) -> History:
    with reading(path) as database:
        # A crafted file could have a view as its table of trials that never ends.
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
            raise DamagedRunError(f"it is no study, or is damaged: {error!s:.80}") from error
    return history


def _counted(history: History) -> RecordedRun:
    """Return a search without a simulated clock as a run whose times count evaluations."""
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
    """Return why a file was skipped, without its path."""
    if isinstance(error, OSError):
        return "it cannot be read"
    return str(error).replace(f"{path} ", "").replace(str(path), path.name)[:200]
