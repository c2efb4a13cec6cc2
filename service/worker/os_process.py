"""Linux process features of a worker: priority, memory of process groups, and liveness locks.

A worker holds a lock on a file in the folder of workers, which the system releases when it dies. So
another worker on the machine requeues its jobs within a second, instead of half a minute until a
lease expires. Machines without a shared folder rely on leases. If a lock wrongly counts as free,
work is done twice but nothing worse happens, because of lease tokens.
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
    """Give this process the lowest priority; must be called before it starts threads.

    Niceness is not enough: a thread that wakes up keeps its core for a time slice of some 3 ms,
    however nice it is, and the threads of a network wake up for every layer. Threads of the idle
    class are preempted by any other thread that wakes up.
    """
    os.nice(_NICENESS)
    # Forbidden in some containers; the CPU shares of the container then decide.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@contextmanager
def hold_lock(folder: Path, worker_id: str) -> Iterator[None]:
    """Hold the lock file of a worker."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / worker_id
    with ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another worker may have found the lock free just before and removed the file.
            with suppress(FileNotFoundError):
                if path.samefile(f"/proc/self/fd/{file.fileno()}"):
                    break
        yield
        path.unlink(missing_ok=True)


def dead_workers(folder: Path) -> list[str]:
    """Return the ids of workers whose lock file is not locked."""
    if not folder.is_dir():
        return []
    return [path.name for path in folder.iterdir() if _is_free(path)]


def remove_lock(folder: Path, worker_id: str) -> None:
    """Remove the lock file of a dead worker."""
    (folder / worker_id).unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def group_takes_more_than(memory: int, group: int | None) -> bool:
    """Tell whether the processes of a group use more than some bytes of memory.

    Pages of files and libraries are not counted.

    Args:
        memory: Bytes.
        group: The id of the group; None: it has no processes yet.
    """
    ids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - each second
    members = [pid for pid in ids if _group(pid) == group]
    # Shared pages are counted once per process first, as dividing them among processes is slow.
    return all(sum(map(each, members)) > memory for each in (_resident_bytes, _proportional_bytes))


def _group(pid: int) -> int | None:
    """Return the process group that a process belongs to."""
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process, without pages of files and libraries."""
    return _proc_bytes(pid, "status", ("RssAnon:", "RssShmem:"))


def _proportional_bytes(pid: int) -> int:
    """Return the same, with shared pages divided among the processes that map them."""
    return _proc_bytes(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:"))


def _proc_bytes(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIBIBYTE for line in lines if line.startswith(names))
