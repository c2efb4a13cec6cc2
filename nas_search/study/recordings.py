"""Reading of runs to compare from files of recorded runs and of studies."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from nas_search.errors import DamagedRunError
from nas_search.study.history import StudyFile
from nas_search.study.runs import RecordedRun, RunClock

__all__ = ["read_runs"]

_RUN: Final = ".json"
_STUDY: Final = ".study"
_DATABASE: Final = b"SQLite format 3\x00"
"""The first bytes of a study file, by which it is recognised under any name."""


def read_runs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    clock: RunClock = "seconds",
    oracle_of: Callable[[StudyFile], float | None] | None = None,
) -> list[RecordedRun]:
    """Read runs from files and folders.

    From a folder all `.json` files are read or, if it has none, all `.study` files. If studies use
    a strategy with several settings, the settings that differ become part of its name.

    Args:
        paths: Files of recorded runs or of studies, and folders of such files.
        clock: The clock for studies, as for `StudyFile.to_run`; recorded runs have their own.
        oracle_of: Returns the best possible value for a study; None: it is not known.

    Raises:
        DamagedRunError: A file is no recorded run, or a folder has no such file.
        StudyFileError: The file of a study is damaged or has a newer version.
        IncomparableRunsError: No trial of a study took any time.
        TypeError: A single path is given instead of several.
        OSError: A file cannot be read.
    """
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"read_runs takes several paths: read_runs([{os.fspath(paths)!r:.80}])")
    read = [
        StudyFile(file) if _is_study(file) else RecordedRun.read(file)
        for path in map(Path, paths)
        for file in _files(path)
    ]
    names = _names([one.spec["strategy"] for one in read if isinstance(one, StudyFile)])
    return [
        one
        if isinstance(one, RecordedRun)
        else one.to_run(
            clock=clock,
            oracle=None if oracle_of is None else oracle_of(one),
            name=names[_identity(one.spec["strategy"])],
        )
        for one in read
    ]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    for suffix in (_RUN, _STUDY):
        files = sorted(file for file in path.glob(f"*{suffix}") if not file.name.startswith("."))
        if files:
            return files
    raise DamagedRunError(f"{path} holds no recorded run: no file ends in {_RUN} or {_STUDY}")


def _is_study(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_DATABASE)) == _DATABASE


def _names(strategies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a name for each strategy, with the settings that differ among equal names."""
    forms: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for one in strategies:
        forms[one["name"]][_identity(one)] = _settings(one)
    names = {}
    for name, found in forms.items():
        labels = sorted({label for settings in found.values() for label in settings})
        differing = [
            label
            for label in labels
            if len({json.dumps(settings.get(label)) for settings in found.values()}) > 1
        ]
        for identity, settings in found.items():
            told = ", ".join(f"{label} {settings.get(label)}" for label in differing)
            names[identity] = f"{name} ({told})" if told else name
    return names


def _settings(strategy: Mapping[str, Any]) -> dict[str, Any]:
    return {label: value for label, value in strategy["settings"].items() if label != "seed"}


def _identity(strategy: Mapping[str, Any]) -> str:
    return json.dumps([strategy["name"], _settings(strategy)], sort_keys=True)
