"""Databases while they are served: checked again and again, and exchanged when files are replaced.

Both are done by threads beside the requests, at a quarter of a core, and by each worker process for
itself: each has read the files for itself, so that several may go over at different moments.
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

_REST: Final = 3.0
"""Seconds of rest for each second of work: a quarter of a core, so that questions do not wait. A
lower priority would be worse: who holds Python's lock must not be kept from the processor."""

_SECONDS_BETWEEN_LOOKS: Final = 2.0
"""A look takes as long as asking for the state of each file."""


class _Beside(ABC):
    """A thread beside the requests, as a context manager around the serving."""

    name: str

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Whatever is under way ends within some milliseconds.
        self._stopped.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None: ...

    def _goes_on(self) -> bool:
        return not self._stopped.is_set()


class DatabaseVerifier(_Beside):
    """Checks the bytes of every database, at once and then again and again.

    A database that fails is not asked any more: its catalog counts it among the unusable ones.

    Args:
        state: Of the application; its `catalog` is the one that is served.
        seconds: From the end of a check to the next; 0: no checks.
    """

    name = "verify"

    def __init__(self, state: State, seconds: float) -> None:
        super().__init__()
        self._state = state
        self._seconds = seconds

    def _run(self) -> None:
        while self._seconds > 0 and self._goes_on():
            catalog: Catalog = self._state.catalog
            with catalog.held():
                self._verify(catalog)
            self._stopped.wait(self._seconds)

    def _verify(self, catalog: Catalog) -> None:
        for name, installed in catalog.installed.items():
            # One that is replaced meanwhile was checked before it was served, and is to be closed.
            served = partial(self._is_served, name, installed)
            if not served():
                continue
            try:
                installed.database.verify(rest=_REST, going_on=served)
            except UnusableDatabaseError as error:
                log = structlog.get_logger()
                log.error("database failed its check", benchmark=name, reason=str(error))  # noqa: TRY400

    def _is_served(self, name: str, installed: InstalledDataset) -> bool:
        return self._goes_on() and self._state.catalog.opened.get(name) is installed


class FolderWatch(_Beside):
    """Looks every two seconds whether a database was replaced, added or removed, and goes over.

    The new files are opened and checked here. Then the event loop exchanges catalog and routes
    between two steps of its tasks, so that every request meets one state of both. What was begun
    before is answered from the old files, which are closed once nobody holds their catalog.

    Args:
        state: Of the application; its `catalog` is exchanged.
        routes: What is served; declared tables come and go with their files.
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
        while not self._stopped.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                self._look()
            except Exception:  # noqa: BLE001 - serving goes on, and the next look may do better
                self._log.exception("databases could not be looked at")

    def _look(self) -> None:
        # At each look, also where files are replaced faster than it looks.
        if self._replaced:
            self._on_the_loop(self._close_unused)
        served: Catalog = self._state.catalog
        new = served.renewed(rest=_REST, going_on=self._goes_on)
        if new is None:
            return
        try:
            exchange = self._routes.exchange_for(new.declared)
        except BaseException:
            new.close(keeping=(served,))
            raise

        def go_over() -> None:
            self._state.catalog = new
            exchange()
            self._replaced.append(served)

        self._on_the_loop(go_over)
        self._tell(served, new)

    def _close_unused(self) -> None:
        """Close what was replaced and is asked by nobody; on the loop, where questions begin."""
        held = [catalog for catalog in self._replaced if catalog.in_use]
        for catalog in self._replaced:
            if catalog not in held:
                catalog.close(keeping=(self._state.catalog, *held))
        self._replaced = held

    def _on_the_loop(self, act: Callable[[], Any]) -> None:
        """Let the event loop do something, and wait until it is done or the server stops."""
        done = threading.Event()

        def called() -> None:
            try:
                act()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(called)
        while self._goes_on() and not done.wait(0.05):
            pass

    def _tell(self, old: Catalog, new: Catalog) -> None:
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
        """Close what was replaced and not closed yet, when nothing is served any more."""
        for catalog in self._replaced:
            catalog.close(keeping=(self._state.catalog,))
