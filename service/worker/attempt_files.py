"""The files of an attempt that outlive it: where they lie, and how they come there and go on.

A worker that shares no folder with others has them in a folder of its own. While a training runs
it hands checkpoints on to where the next attempt finds them: over HTTP to its server, or into the
bucket of the artifacts. What cannot be handed on is left out, and the next one tried.
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

__all__ = ["AttemptPlaces", "CheckpointSaver", "OwnFiles"]

_LOOK_SECONDS: Final = 0.5
"""Between two looks for a new checkpoint of a training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptPlaces:
    """Where an attempt finds and leaves what outlives it.

    Args:
        kept: What it leaves to the next attempt of the job, and finds of the one before.
        artifacts: The folder that keeps what it makes.
        checkpoints: The folder of uploaded weights.
    """

    kept: AttemptFolder
    artifacts: Path
    checkpoints: Path


class OwnFiles:
    """The files of an attempt in a folder of its worker; `remove` removes it.

    Args:
        lease: Of its job.
        scratch: The folder of the worker for files on their way.
        settings: Bounds of the worker.

    Raises:
        OSError: The folder cannot be made.
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
        """Find the checkpoint of an earlier attempt; one that is no good is left.

        Args:
            fetch: Writes it, packed, into a file, and tells whether there is one.
        """
        file = self.folder / "fetched.tar"
        try:
            if fetch(file):
                self.places.kept.keep(unpack, file)
        except (DamagedFileError, RefusedResultError) as error:
            # The training begins anew, which costs time and nothing else.
            log = structlog.get_logger().bind(job_id=self.places.kept.job_id)
            log.warning("no checkpoint fetched", reason=str(error))
        finally:
            file.unlink(missing_ok=True)

    def begin_saving(self, hand_on: Callable[[Path], object]) -> None:
        """Hand on checkpoints from now on, as `CheckpointSaver` does."""
        file, kept = self.folder / "saved.tar", self.places.kept
        self._saver = CheckpointSaver(hand_on, kept=kept, file=file, seconds=self._seconds)
        self._saver.start()

    def stop_saving(self, *, after_the_newest: bool = False) -> None:
        """Hand on no more checkpoints, or only the newest one."""
        if self._saver is not None:
            self._saver.stop()
            if after_the_newest:
                self._saver.save()

    def remove(self) -> None:
        """Stop, and remove the folder as far as that is possible."""
        self.stop_saving()
        shutil.rmtree(self.folder, ignore_errors=True)


class CheckpointSaver(threading.Thread):
    """Hands on the newest checkpoint of an attempt, again and again.

    Args:
        hand_on: Takes a file into which a checkpoint is packed. It may raise OSError or
            RefusedResultError, after which the checkpoint before stays, and LostLeaseError, after
            which it is not called again.
        kept: Where the attempt leaves them.
        file: Where one is packed.
        seconds: Between two of them, at least.
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
        """Look for new checkpoints until `stop`."""
        last = time.monotonic()
        while not self._stopped.wait(_LOOK_SECONDS):
            if time.monotonic() - last >= self._seconds and self.save():
                last = time.monotonic()

    def stop(self) -> None:
        """Stop looking, and wait for what is on its way."""
        self._stopped.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()

    def save(self) -> bool:
        """Hand on the newest checkpoint if it is new, and tell whether it was."""
        found = newest_checkpoint(self._attempts)
        if found is None or found.name == self._saved:
            return False
        try:
            pack(found, self._file)
            self._hand_on(self._file)
        except RefusedResultError as error:
            # Too large, for one: the next time it would be, too.
            self._log.warning("a checkpoint is refused", reason=str(error))
        except OSError as error:
            # Deleted meanwhile by the training, or nobody takes it now: the next one.
            self._log.warning("a checkpoint was not handed over", reason=str(error))
            return True
        except LostLeaseError:
            # Who follows the attempt learns it at the next renewal.
            self._stopped.set()
            return False
        finally:
            self._file.unlink(missing_ok=True)
        self._saved = found.name
        return True
