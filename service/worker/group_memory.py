"""How much memory the processes of a job take together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["group_takes_more_than"]

_KIBIBYTE: Final = 1024


def group_takes_more_than(memory: int, group: int | None) -> bool:
    """Tell whether the processes of a group take more than so many bytes.

    Pages of files and libraries are not theirs.

    Args:
        memory: Bytes.
        group: The id of the group; None: it has no processes yet.
    """
    ids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - each second
    members = [pid for pid in ids if _group(pid) == group]
    # At first what several share is counted for each of them: to divide it takes long.
    return all(sum(map(each, members)) > memory for each in (_whole, _divided))


def _group(pid: int) -> int | None:
    """Return the process group that a process belongs to."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _whole(pid: int) -> int:
    """Return what a process takes, other than pages of files and libraries."""
    return _stated(pid, "status", ("RssAnon:", "RssShmem:"))


def _divided(pid: int) -> int:
    """Return the same, with each page divided among the processes that share it."""
    return _stated(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:"))


def _stated(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIBIBYTE for line in lines if line.startswith(names))
