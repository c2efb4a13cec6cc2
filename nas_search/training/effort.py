"""The CPU time of a training over all attempts, and the number of times it was resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Effort"]


class Effort:
    """CPU time of a training over all attempts, and how often it was resumed from a checkpoint.

    It is saved with each checkpoint. Work after the last checkpoint of an attempt, which is
    repeated by the next one, is counted once.

    Args:
        kept: The result of `state` in the checkpoint; None: the training begins.
        after: The epoch after which it is resumed.

    Attributes:
        resumed: How often it was resumed from a checkpoint.
        resumed_after: The epoch after which it was last resumed; None: never.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None, *, after: int = 0) -> None:
        self._before = 0.0 if kept is None else float(kept["processor_seconds"])
        self._begun: float | None = None
        self.resumed = 0 if kept is None else int(kept["resumed"]) + 1
        self.resumed_after = None if kept is None else after

    @property
    def processor_seconds(self) -> float:
        """CPU seconds of all threads of this process while training, and of earlier attempts."""
        now = 0.0 if self._begun is None else time.process_time() - self._begun
        return self._before + now

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the CPU time of the context as training."""
        self._begun = time.process_time()
        try:
            yield
        finally:
            self._before, self._begun = self.processor_seconds, None

    def state(self) -> dict[str, Any]:
        """Return the counters as JSON, for a checkpoint."""
        return {"processor_seconds": self.processor_seconds, "resumed": self.resumed}
