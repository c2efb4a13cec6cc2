"""What trainings keep on disk while they run: a folder for each job, in it one for each attempt.

An attempt writes into its own folder only, which is named by the token of its lease. The next
attempt of the job moves what earlier ones left into its own: a worker that has lost its lease and
does not know it yet can damage nothing. When a job ends its folder is removed, at once by the
worker that ended it, else by the next clean-up of any worker.
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
    """The folder of one attempt, and how much there may be in all of them.

    Args:
        most_bytes: What all trainings together may take.
    """

    root: Path
    job_id: str
    token: int
    most_bytes: int

    def opened(self) -> Path:
        """Return the folder, with all that earlier attempts left moved into it.

        Raises:
            OSError: It cannot be made.
        """
        mine = self.root / self.job_id / str(self.token)
        mine.mkdir(parents=True, exist_ok=True)
        for earlier in sorted(self._others(mine), key=lambda path: int(path.name), reverse=True):
            for left in sorted(earlier.glob("[!.]*")):
                # Whole or not at all; what is there already, or was deleted meanwhile, stays away.
                with suppress(OSError):
                    left.rename(mine / left.name)
            shutil.rmtree(earlier, ignore_errors=True)
        return mine

    def keep(self, unpack: Callable[[Path, Path], Path], file: Path) -> None:
        """Put a checkpoint that came in a file into the folder, and remove all older ones there.

        Args:
            unpack: Puts a file into a folder and returns the folder of the checkpoint.
            file: The file.

        Raises:
            RefusedResultError: It is no checkpoint.
            OSError: It cannot be written.
        """
        kept = unpack(file, self.root / self.job_id / str(self.token))
        for other in kept.parent.glob("step-*"):
            if other.name < kept.name:
                shutil.rmtree(other, ignore_errors=True)

    def room(self) -> int:
        """Return how many bytes may be added, which is negative where there are too many."""
        return self.most_bytes - _bytes_in(self.root)

    def _others(self, mine: Path) -> list[Path]:
        folders = mine.parent.iterdir()
        return [path for path in folders if path.name.isdecimal() and path != mine]


class TrainingFolders:
    """The folders of all trainings.

    All methods that ask which jobs have ended raise StoreUnavailableError where the database does
    not answer.

    Args:
        root: Where they are; made when the first training begins.
        store: Tells which jobs have ended.
        most_bytes: What they may take together.
    """

    def __init__(self, root: Path, store: JobStore, *, most_bytes: int) -> None:
        self._root = root
        self._store = store
        self._most_bytes = most_bytes

    def of_attempt(self, job_id: str, token: int) -> AttemptFolder:
        """Return the folder of an attempt, which it makes if it needs one."""
        return AttemptFolder(
            root=self._root, job_id=job_id, token=token, most_bytes=self._most_bytes
        )

    def clean(self, job_id: str) -> bool:
        """Remove the folder of a job that has ended or is unknown; tell whether one was removed."""
        folder = self._root / job_id
        if not folder.is_dir() or not self._has_ended(job_id):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def clean_all(self) -> int:
        """Remove the folders of all jobs that have ended or are unknown, and return how many."""
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
            # One that another attempt deletes meanwhile takes no room.
            with suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total
