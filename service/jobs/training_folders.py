"""Checkpoints of running trainings on disk: a folder per job, in it one per attempt.

An attempt writes only into its own folder, which is named by its lease token. The next attempt of
the job moves the files of earlier ones into its own folder, so a worker that has lost its lease
without knowing it can damage nothing. The folder of an ended job is removed at once by the worker
that ended it, or else by the next clean-up of any worker.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.jobs.errors import UnknownJobError
from service.jobs.store import JobStore

__all__ = ["AttemptFolder", "TrainingFolders"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptFolder:
    """The folder of one attempt.

    Args:
        most_bytes: The largest total size of the folders of all trainings.
    """

    root: Path
    job_id: str
    token: int
    most_bytes: int

    def opened(self) -> Path:
        """Create the folder, move the files of earlier attempts into it, and return it.

        Raises:
            OSError: The folder cannot be created.
        """
        mine = self.root / self.job_id / str(self.token)
        mine.mkdir(parents=True, exist_ok=True)
        for earlier in sorted(self._others(mine), key=lambda path: int(path.name), reverse=True):
            for left in sorted(earlier.glob("[!.]*")):
                # A rename is atomic; a file that exists in the target or is gone is skipped.
                with suppress(OSError):
                    left.rename(mine / left.name)
            shutil.rmtree(earlier, ignore_errors=True)
        return mine

    def keep(self, unpack: Callable[[Path, Path], Path], file: Path) -> None:
        """Extract a checkpoint into the folder and remove the older ones there.

        Args:
            unpack: Extracts a file into a folder and returns the folder of the checkpoint.
            file: The packed checkpoint.

        Raises:
            RefusedResultError: The file is not a checkpoint.
            OSError: The checkpoint cannot be written.
        """
        kept = unpack(file, self.root / self.job_id / str(self.token))
        for other in kept.parent.glob("step-*"):
            if other.name < kept.name:
                shutil.rmtree(other, ignore_errors=True)

    def room(self) -> int:
        """Return how many bytes may be added; negative if the folders are too large already."""
        return self.most_bytes - _bytes_in(self.root)

    def _others(self, mine: Path) -> list[Path]:
        folders = mine.parent.iterdir()
        return [path for path in folders if path.name.isdecimal() and path != mine]


class TrainingFolders:
    """The folders of all trainings.

    Methods that ask which jobs have ended raise StoreUnavailableError if the database does not
    answer.

    Args:
        root: The folder of the folders; created when the first training begins.
        store: Tells which jobs have ended.
        most_bytes: The largest total size.
    """

    def __init__(self, root: Path, store: JobStore, *, most_bytes: int) -> None:
        self._root = root
        self._store = store
        self._most_bytes = most_bytes

    def of_attempt(self, job_id: str, token: int) -> AttemptFolder:
        """Return the folder of an attempt, without creating it."""
        return AttemptFolder(
            root=self._root, job_id=job_id, token=token, most_bytes=self._most_bytes
        )

    def clean(self, job_id: str) -> bool:
        """Remove the folder of a job that has ended or is unknown; tell whether there was one."""
        folder = self._root / job_id
        if not folder.is_dir() or not self._has_ended(job_id):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def clean_all(self) -> int:
        """Remove the folders of all jobs that have ended or are unknown; return how many."""
        if not self._root.is_dir():
            return 0
        return sum(self.clean(path.name) for path in list(self._root.iterdir()))

    def _has_ended(self, job_id: str) -> bool:
        try:
            return self._store.get(job_id).is_finished
        except UnknownJobError:
            return True


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            # A file that another attempt deletes meanwhile is not counted.
            with suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total
