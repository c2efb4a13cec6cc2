"""Files of an attempt that outlive it, and the checkpoints that a running training hands over.

A worker without the shared folder keeps them in a private one. While a training runs, the worker
sends its checkpoints to its server, or into the bucket of the artifacts, for the next attempt. A
checkpoint that cannot be sent is skipped.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from service.jobs import JobSettings
from service.jobs.checkpoint_bundles import newest_checkpoint, pack, unpack
from service.jobs.errors import DamagedFileError, LostLeaseError, RefusedResultError
from service.jobs.records import Lease
from service.jobs.training_folders import AttemptFolder

__all__ = ["AttemptPlaces", "CheckpointSaver", "PrivateFiles"]

_LOOK_SECONDS: Final = 0.5
"""Pause between two checks for a new checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptPlaces:
    """The folders of files that outlive an attempt.

    Args:
        kept: The folder of its checkpoints, which the next attempt of the job takes over.
        artifacts: The folder that stores its artifacts.
        checkpoints: The folder of uploaded weights.
    """

    kept: AttemptFolder
    artifacts: Path
    checkpoints: Path


class PrivateFiles:
    """The files of an attempt in a private folder of its worker; `remove` deletes the folder.

    Args:
        lease: The lease of its job.
        scratch: The temporary folder of the worker.
        settings: The limits of the worker.

    Raises:
        OSError: The folder cannot be created.
    """

    def __init__(self, lease: Lease, scratch: Path, settings: JobSettings) -> None:
        self.folder = scratch / f"{lease.job.id}-{lease.token}.files"
        self.folder.mkdir(parents=True)
        self.places = AttemptPlaces(
            kept=AttemptFolder(
                root=self.folder / "trainings",
                job_id=lease.job.id,
                token=lease.token,
                most_bytes=settings.trainings_bytes,
            ),
            artifacts=self.folder / "artifacts",
            checkpoints=self.folder / "checkpoints",
        )
        self._seconds = settings.checkpoint_seconds
        self._saver: CheckpointSaver | None = None

    def fetch_checkpoint(self, fetch: Callable[[Path], bool]) -> None:
        """Fetch the checkpoint of an earlier attempt; an invalid one is ignored.

        Args:
            fetch: Writes the packed checkpoint into a file, and tells whether there is one.
        """
        file = self.folder / "fetched.tar"
        try:
            if fetch(file):
                self.places.kept.keep(unpack, file)
        except (DamagedFileError, RefusedResultError) as error:
            # The training starts from the beginning, which only costs time.
            log = structlog.get_logger().bind(job_id=self.places.kept.job_id)
            log.warning("no checkpoint fetched", reason=str(error))
        finally:
            file.unlink(missing_ok=True)

    def begin_saving(self, hand_on: Callable[[Path], object]) -> None:
        """Start to hand over checkpoints, as `CheckpointSaver` does."""
        file, kept = self.folder / "saved.tar", self.places.kept
        self._saver = CheckpointSaver(hand_on, kept=kept, file=file, seconds=self._seconds)
        self._saver.start()

    def stop_saving(self, *, after_the_newest: bool = False) -> None:
        """Stop handing over checkpoints, at once or after the newest one."""
        if self._saver is not None:
            self._saver.stop()
            if after_the_newest:
                self._saver.save()

    def remove(self) -> None:
        """Stop handing over checkpoints, and delete the folder as far as possible."""
        self.stop_saving()
        shutil.rmtree(self.folder, ignore_errors=True)


class CheckpointSaver(threading.Thread):
    """Repeatedly hands over the newest checkpoint of an attempt.

    Args:
        hand_on: Takes a file with a packed checkpoint. It may raise OSError or RefusedResultError;
            the previous checkpoint then remains. After LostLeaseError it is not called again.
        kept: The folder in which the attempt saves checkpoints.
        file: Path of the packed checkpoint.
        seconds: Least time between two checkpoints.
    """

    def __init__(
        self,
        hand_on: Callable[[Path], object],
        *,
        kept: AttemptFolder,
        file: Path,
        seconds: float,
    ) -> None:
        super().__init__(name=f"checkpoints of {kept.job_id}", daemon=True)
        self._hand_on = hand_on
        self._attempts = kept.root / kept.job_id
        self._file = file
        self._seconds = seconds
        self._stopped = threading.Event()
        found = newest_checkpoint(self._attempts)
        self._saved = found and found.name
        self._log = structlog.get_logger().bind(job_id=kept.job_id)

    def run(self) -> None:
        """Check for new checkpoints until `stop` is called."""
        last = time.monotonic()
        while not self._stopped.wait(_LOOK_SECONDS):
            if time.monotonic() - last >= self._seconds and self.save():
                last = time.monotonic()

    def stop(self) -> None:
        """Stop checking, and wait for the current checkpoint."""
        self._stopped.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()

    def save(self) -> bool:
        """Hand over the newest checkpoint if it is new, and tell whether it was."""
        found = newest_checkpoint(self._attempts)
        if found is None or found.name == self._saved:
            return False
        try:
            pack(found, self._file)
            self._hand_on(self._file)
        except RefusedResultError as error:
            # Not retried: a checkpoint that is too large, for example, stays so.
            self._log.warning("a checkpoint is refused", reason=str(error))
        except OSError as error:
            # Deleted by the training, or the receiver is unavailable: the next check retries.
            self._log.warning("a checkpoint was not handed over", reason=str(error))
            return True
        except LostLeaseError:
            # The supervisor of the attempt learns of it at the next renewal.
            self._stopped.set()
            return False
        finally:
            self._file.unlink(missing_ok=True)
        self._saved = found.name
        return True
