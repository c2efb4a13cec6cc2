"""What a worker asks of Linux: priorities, memory of process groups, and locks that show life.

A worker holds a lock in the folder of workers for as long as it lives, and the system releases it
when it dies. So another worker on the machine frees its jobs within a second, where an expired
lease takes half a minute; between machines that share no folder, the lease is what remains. A lock
that wrongly counts as free makes work be done twice and nothing worse: lease tokens see to that.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["dead_workers", "group_takes_more_than", "hold_lock", "lower_priority", "remove_lock"]

_NICENESS: Final = 19
_KIBIBYTE: Final = 1024


def lower_priority() -> None:
    """Give this process the lowest priority; called before it has threads.

    Niceness alone is too little: a thread that wakes up keeps its core for a slice, some 3 ms,
    however nice it is, and the threads of a network wake up for every layer. Those of the idle
    class are driven off by whatever else wakes up.
    """
    os.nice(_NICENESS)
    # Forbidden in some containers, where the shares of the container decide.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@contextmanager
def hold_lock(folder: Path, worker_id: str) -> Iterator[None]:
    """Hold the lock of a worker."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / worker_id
    with ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another one may have found it free just before, and removed it.
            with suppress(FileNotFoundError):
                if path.samefile(f"/proc/self/fd/{file.fileno()}"):
                    break
        yield
        path.unlink(missing_ok=True)


def dead_workers(folder: Path) -> list[str]:
    """Return the workers that left a lock which nobody holds."""
    if not folder.is_dir():
        return []
    return [path.name for path in folder.iterdir() if _is_free(path)]


def remove_lock(folder: Path, worker_id: str) -> None:
    """Remove the lock of a dead worker, of which nothing is left to do."""
    (folder / worker_id).unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
