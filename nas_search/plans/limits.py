"""Limits of a plan: the workers that may train its cells, and the hours at which cells start."""

from __future__ import annotations

import re
from typing import Final

from benchmark_spec.errors import shown
from benchmark_spec.toml_table import TomlTable

__all__ = ["read_daily", "read_label", "time_of_day"]

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def read_label(table: TomlTable) -> str | None:
    """Take and return the label that workers must have; None: any worker.

    Raises:
        SpecError: It is no valid label.
    """
    found = table.find("label", str)
    if found is not None and not _LABEL.fullmatch(found):
        raise table.error(f"{shown(found)} is no label of workers", "label")
    return found


def read_daily(table: TomlTable) -> tuple[int, int] | None:
    """Take the hours of the day, such as `["20:00", "06:00"]`, and return them in minutes.

    Raises:
        SpecError: They are not two different times of the day.
    """
    found = table.find("daily", list)
    if found is None:
        return None
    times = [_TIME.fullmatch(one) if isinstance(one, str) else None for one in found]
    minutes = [60 * int(time[1]) + int(time[2]) for time in times if time]
    if len(found) != 2 or len(set(minutes)) != 2:  # noqa: PLR2004 - from and until
        raise table.error(
            f'{shown(found)} are no two times of the day (UTC), such as ["20:00", "06:00"]', "daily"
        )
    return minutes[0], minutes[1]


def time_of_day(minutes: int) -> str:
    """Return minutes after midnight as `HH:MM`, the form of plan files."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
