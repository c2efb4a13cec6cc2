"""Hands the checkpoints of a training on while it runs, to where the next attempt finds them.

A worker that shares no folder with others does so: over HTTP to its server, or into the bucket of
the artifacts. What cannot be handed on is left out, and the next one tried.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from service.jobs.checkpoint_bundles import newest_checkpoint, pack
from service.jobs.errors import LostLeaseError, RefusedResultError
from service.jobs.training_folders import AttemptFolder

__all__ = ["CheckpointSaver"]

_LOOK_SECONDS: Final = 0.5
"""Between two looks for a new checkpoint of a training."""


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
