"""Paths to values in a record: `a.b[2]`, and `[*]` for one value per run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from benchmark_spec.errors import shown
from safe_pickle import ArchiveError

__all__ = ["EVERY", "steps_of", "value_at"]

EVERY: Final = "*"
"""The step to all values of a list."""

_STEP: Final = re.compile(r"\[(\d+|\*)\]|\.?([^.\[\]]+)")

_ABSENT: Final = object()


@lru_cache(maxsize=1_024)
def steps_of(path: str) -> tuple[str | int, ...]:
    """Return the steps of a path: names, numbers, and `EVERY`.

    Raises:
        ArchiveError: The path is malformed.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ArchiveError(f"{shown(path)} is not a path such as a.b[2] or runs[*].acc")
        place, name = found.groups()
        steps.append(name if place is None else EVERY if place == EVERY else int(place))
        at = found.end()
    return tuple(steps)


def value_at(value: Any, path: str, where: str) -> Any:
    """Return the value at a path; for a path with `[*]` the list of all values.

    Raises:
        ArchiveError: There is no such value.
    """
    found = _followed(value, steps_of(path))
    if found is _ABSENT:
        raise ArchiveError(f"{where}: there is no {path} in {shown(value)}")
    return found


def _followed(value: Any, steps: tuple[str | int, ...]) -> Any:
    for at, step in enumerate(steps):
        if step == EVERY:
            if not isinstance(value, list | tuple):
                return _ABSENT
            every = [_followed(one, steps[at + 1 :]) for one in value]
            return _ABSENT if any(one is _ABSENT for one in every) else every
        if isinstance(step, int):
            if not isinstance(value, list | tuple) or step >= len(value):
                return _ABSENT
            value = value[step]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return _ABSENT
    return value
