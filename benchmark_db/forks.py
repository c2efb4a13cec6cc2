"""Fork safety: a forked child drops inherited connections and locks, and makes its own.

A parent and a child that share a connection receive each other's answers; SQLite forbids a child to
use or close an inherited connection; and a lock held by another thread at the fork would stay held
in the child for ever. A fork therefore waits until no thread is within SQLite or holds one of our
locks; the child then resets its objects before any of its code runs.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Final, Protocol

__all__ = ["FORKS", "Inherited", "watch_forks"]

_FORK_TIMEOUT: Final = 1.0
"""Most seconds that a fork waits; then it proceeds even if a thread is within SQLite."""
_BETWEEN_LOOKS: Final = 0.0005


class Inherited(Protocol):
    """An object with connections or locks that a forked child must not use."""

    def fork_locks(self) -> Sequence[threading.Lock]:
        """Return the locks to acquire before a fork, in the usual order of acquisition."""

    def reset_after_fork(self) -> object:
        """Replace the connections and locks in a child, and return the old ones.

        The old ones must neither be used nor closed. The caller keeps a reference to them, because
        garbage collection would close them.
        """


def watch_forks(one: Inherited) -> None:
    """Call `reset_after_fork` of an object in every forked child.

    Call this when the object has everything that `reset_after_fork` replaces. Only a weak
    reference is kept.
    """
    _living.add(one)


class _Forks:
    """The handlers that run before and after a fork.

    Attributes:
        within: How deep each thread is within SQLite, which has locks of its own. A thread first
            counts itself and then checks whether a fork is under way.
        under_way: Whether a fork is under way; a thread that enters then calls `wait_for_fork`.
    """

    def __init__(self) -> None:
        self.within: dict[int, int] = {}
        self.under_way = False
        self._taken: list[threading.Lock] = []
        self._one_at_a_time = threading.Lock()

    def wait_for_fork(self, thread: int) -> None:
        """Keep a thread that is entering SQLite outside until no fork is under way.

        A fork that has not seen the thread proceeds; one that has seen it would wait for it.
        """
        while self.under_way:
            self.within.pop(thread, None)
            time.sleep(_BETWEEN_LOOKS)
            self.within[thread] = 1

    def before(self) -> None:
        until = time.monotonic() + _FORK_TIMEOUT
        self._take(self._one_at_a_time, until)
        self.under_way = True
        me = threading.get_ident()
        while any(thread != me for thread in list(self.within)) and time.monotonic() < until:
            time.sleep(_BETWEEN_LOOKS)
        for one in list(_living):
            for lock in one.fork_locks():
                self._take(lock, until)

    def after_in_parent(self) -> None:
        self.under_way = False
        while self._taken:
            self._taken.pop().release()

    def after_in_child(self) -> None:
        # The child has none of the other threads; locks that they held belong to the parent.
        self.within.clear()
        self._taken.clear()
        self._one_at_a_time = threading.Lock()
        self.under_way = False
        for one in list(_living):
            _abandoned.append(one.reset_after_fork())

    def _take(self, lock: threading.Lock, until: float) -> None:
        if lock.acquire(timeout=max(0.0, until - time.monotonic())):
            self._taken.append(lock)


_living: Final[weakref.WeakSet[Inherited]] = weakref.WeakSet()
_abandoned: Final[list[object]] = []
FORKS: Final = _Forks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=FORKS.before,
        after_in_parent=FORKS.after_in_parent,
        after_in_child=FORKS.after_in_child,
    )
