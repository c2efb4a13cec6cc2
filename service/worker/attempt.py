"""One attempt of a job, as its worker sees it: a process that tells news, and can be ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import Final, Self

from service.jobs.records import Failure
from service.worker.child import run_payload
from service.worker.group_memory import group_takes_more_than
from service.worker.messages import Crashed, Event, Payload, read_event

__all__ = ["Attempt", "context"]

_PRELOADED: Final = ["service.worker.preloaded"]
"""Loaded once, in the process that all attempts are forked from: PyTorch takes two seconds."""


def context() -> multiprocessing.context.ForkServerContext:
    """Return what starts processes, with PyTorch loaded and no GPU touched."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


class Attempt:
    """A process that does an order; a context manager, at whose end it is gone.

    Args:
        payload: What it is to do.
    """

    def __init__(self, payload: Payload) -> None:
        self._order = payload
        processes = context()
        self._events, theirs = processes.Pipe(duplex=False)
        far_end, self._lifeline = processes.Pipe(duplex=False)
        # No daemon: it may have processes of its own, which read images.
        self._process = processes.Process(
            target=run_payload, args=(payload, theirs, far_end), name=f"job {payload.job_id}"
        )
        self._ends = (theirs, far_end)

    def __enter__(self) -> Self:
        self._process.start()
        for end in self._ends:
            end.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._events.close()
        self._lifeline.close()
        self._process.close()

    def next_event(self, seconds: float) -> Event | None:
        """Return what it has to say, or None when it says nothing for a while.

        A process that ends without a last word has crashed.
        """
        # The end of the process by itself, too: what it has started may keep the pipe open.
        if not wait([self._events, self._process.sentinel], seconds):
            return None
        try:
            if self._events.poll():
                return read_event(self._events)
        except (EOFError, OSError):
            pass
        self._process.join()
        return Crashed(failure=_sudden_end(self._process.exitcode))

    def takes_more_than(self, memory: int) -> bool:
        """Tell whether its processes take more than so many bytes together."""
        return group_takes_more_than(memory, self._process.pid)

    def _end(self) -> None:
        """End it with all processes that it started."""
        pid = self._process.pid
        # Before it has a group of its own, it is ended by itself.
        with suppress(ProcessLookupError, PermissionError):
            if pid is not None:
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _sudden_end(status: int | None) -> Failure:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return Failure(kind="crash", message=f"the process of the job was ended by {name}{hint}")
    return Failure(
        kind="crash",
        message=f"the process of the job ended with status {status} and without a last word",
    )
