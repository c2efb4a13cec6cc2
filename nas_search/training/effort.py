"""What a training took of the processor in all attempts, and how often it was resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Effort"]


class Effort:
    """The processor time of a training, and how often it went on from a checkpoint.

    It is saved with each checkpoint, so that it tells of all attempts as far as they count: what
    was done after the last checkpoint, and done again, is in it once.

    Args:
        kept: What `state` returned for the checkpoint; None: the training begins.
        after: The epoch after which it goes on.

    Attributes:
        resumed: How often it went on from a checkpoint.
        resumed_after: After which epoch, the last time; None: never.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None, *, after: int = 0) -> None:
        self._before = 0.0 if kept is None else float(kept["processor_seconds"])
        self._begun: float | None = None
        self.resumed = 0 if kept is None else int(kept["resumed"]) + 1
        self.resumed_after = None if kept is None else after

    @property
    def processor_seconds(self) -> float:
        """Of all threads of this process while it trained, and of attempts before."""
        now = 0.0 if self._begun is None else time.process_time() - self._begun
        return self._before + now

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is done in the context as training."""
        self._begun = time.process_time()
        try:
            yield
        finally:
            self._before, self._begun = self.processor_seconds, None

    def state(self) -> dict[str, Any]:
        """Return it as JSON, for a checkpoint."""
        return {"processor_seconds": self.processor_seconds, "resumed": self.resumed}
