"""Background threads that verify databases while they are served, and reload replaced files.

Both use a quarter of a core. Every worker process has its own threads, because each has opened the
files itself; processes may reload at different moments.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Self

import structlog
from starlette.datastructures import State

from benchmark_db.catalog import Catalog
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.installed_dataset import InstalledDataset
from service.http.fast_path import ServedRoutes

__all__ = ["DatabaseVerifier", "FolderWatch"]

_PAUSE_PER_WORK_SECOND: Final = 3.0
"""Seconds of sleep per second of work: a quarter of a core, so that requests are not delayed. A
lower thread priority would be worse, as a thread that holds the GIL must not be preempted."""

_CHECK_SECONDS: Final = 2.0
"""Pause between two checks of the folder; a check only stats its files."""


class _BackgroundThread(ABC):
    """A background thread, as a context manager around the serving."""

    name: str

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A running step ends within milliseconds.
        self._stopped.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...

    def _should_run(self) -> bool:
        return not self._stopped.is_set()


class DatabaseVerifier(_BackgroundThread):
    """Verifies the checksums of every database, at once and then periodically.

    A database that fails is no longer queried: its catalog lists it as unusable.

    Args:
        state: The application state; its `catalog` is served.
        seconds: Pause between two verifications; 0: none at all.
    """

    name = "verify"

    def __init__(self, state: State, seconds: float) -> None:
        super().__init__()
        self._state = state
        self._seconds = seconds

    def _run(self) -> None:
        while self._seconds > 0 and self._should_run():
            catalog: Catalog = self._state.catalog
            with catalog.held():
                self._verify(catalog)
            self._stopped.wait(self._seconds)

    def _verify(self, catalog: Catalog) -> None:
        for name, installed in catalog.installed.items():
            # A database that is replaced meanwhile is about to be closed; the new one was verified.
            served = partial(self._is_served, name, installed)
            if not served():
                continue
            try:
                installed.database.verify(rest=_PAUSE_PER_WORK_SECOND, should_run=served)
            except UnusableDatabaseError as error:
                log = structlog.get_logger()
                log.error("database failed its check", benchmark=name, reason=str(error))  # noqa: TRY400

    def _is_served(self, name: str, installed: InstalledDataset) -> bool:
        return self._should_run() and self._state.catalog.opened.get(name) is installed


class FolderWatch(_BackgroundThread):
    """Checks every two seconds whether databases were replaced, added or removed, and reloads.

    New files are opened and verified in this thread. The event loop then exchanges catalog and
    routes in one step, so that every request sees one state of both. Requests that are in progress
    use the old files, which are closed when no request holds their catalog any more.

    Args:
        state: The application state; its `catalog` is exchanged.
        routes: The served routes; those of declared tables come and go with their files.
    """

    name = "watch databases"

    def __init__(self, state: State, routes: ServedRoutes) -> None:
        super().__init__()
        self._state = state
        self._routes = routes
        self._loop = asyncio.get_running_loop()
        self._replaced: list[Catalog] = []
        self._log = structlog.get_logger()

    def _run(self) -> None:
        while not self._stopped.wait(_CHECK_SECONDS):
            try:
                self._reload_if_changed()
            except Exception:  # noqa: BLE001 - serving continues, and the next check may succeed
                self._log.exception("databases could not be looked at")

    def _reload_if_changed(self) -> None:
        # At each check, even if files are replaced more often than that.
        if self._replaced:
            self._run_on_event_loop(self._close_unused)
        served: Catalog = self._state.catalog
        new = served.renewed(rest=_PAUSE_PER_WORK_SECOND, should_run=self._should_run)
        if new is None:
            return
        try:
            exchange = self._routes.exchange_for(new.declared)
        except BaseException:
            new.close(keeping=(served,))
            raise

        def exchange_catalog() -> None:
            self._state.catalog = new
            exchange()
            self._replaced.append(served)

        self._run_on_event_loop(exchange_catalog)
        self._log_changes(served, new)

    def _close_unused(self) -> None:
        """Close replaced catalogs without requests; on the event loop, where requests begin."""
        held = [catalog for catalog in self._replaced if catalog.in_use]
        for catalog in self._replaced:
            if catalog not in held:
                catalog.close(keeping=(self._state.catalog, *held))
        self._replaced = held

    def _run_on_event_loop(self, act: Callable[[], Any]) -> None:
        """Run a function on the event loop, and wait until it is done or the server stops."""
        done = threading.Event()

        def called() -> None:
            try:
                act()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(called)
        while self._should_run() and not done.wait(0.05):
            pass

    def _log_changes(self, old: Catalog, new: Catalog) -> None:
        for name, installed in new.opened.items():
            before = old.opened.get(name)
            if installed is not before:
                digest = installed.provenance.content_digest
                what = "database added" if before is None else "database replaced"
                self._log.info(what, benchmark=name, content_digest=digest)
        for name in old.opened.keys() - new.opened.keys():
            self._log.info("database removed", benchmark=name)
        told = {**old.unusable, **old.refused_replacements}
        for name, reason in {**new.unusable, **new.refused_replacements}.items():
            if told.get(name) != reason:
                self._log.error("database not served", benchmark=name, reason=reason)

    def close(self) -> None:
        """Close the replaced catalogs that are still open, after serving has ended."""
        for catalog in self._replaced:
            catalog.close(keeping=(self._state.catalog,))
