"""Which workers of this machine live: each holds a lock that the system takes when it dies.

A lease tells after half a minute that a worker is gone; a lock that nobody holds tells it at once.
Where locks do not reach, between machines that share no folder, the lease is what remains. A lock
that wrongly counts as free makes work be done twice and nothing worse: tokens see to that.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["buried", "dead_workers", "living"]


@contextmanager
def living(folder: Path, worker_id: str) -> Iterator[None]:
    """Hold the lock of a worker."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / worker_id
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        path.unlink(missing_ok=True)


def dead_workers(folder: Path) -> list[str]:
    """Return the workers that left a lock which nobody holds."""
    if not folder.is_dir():
        return []
    return [path.name for path in folder.iterdir() if _is_free(path)]


def buried(folder: Path, worker_id: str) -> None:
    """Remove the lock of a dead worker, of which nothing is left to do."""
    (folder / worker_id).unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
