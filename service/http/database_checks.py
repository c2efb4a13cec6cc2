"""The databases are read whole and compared with their checksums while they are served."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self

import structlog

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError

__all__ = ["Verifier"]

_REST: Final = 3.0
"""Seconds of rest for each second of work: a quarter of a core, so that questions do not wait. A
lower priority would be worse: who holds Python's lock must not be kept from the processor."""


class Verifier:
    """A thread that checks every database, at once and then again and again.

    Used as a context manager around the serving. A database that fails is not asked any more: its
    catalog counts it among the unusable ones. Each worker checks for itself, since each has read
    the file for itself.

    Args:
        catalog: The databases.
        seconds: From the end of a check to the next; 0: no checks.
    """

    def __init__(self, catalog: Catalog, seconds: float) -> None:
        self._catalog = catalog
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verify", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds > 0:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A check that is under way ends within some milliseconds.
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for name, installed in self._catalog.installed.items():
                try:
                    installed.database.verify(rest=_REST, going_on=self._goes_on)
                except UnusableDatabaseError as error:
                    log = structlog.get_logger()
                    log.error("database failed its check", benchmark=name, reason=str(error))  # noqa: TRY400
            self._stopped.wait(self._seconds)

    def _goes_on(self) -> bool:
        return not self._stopped.is_set()
