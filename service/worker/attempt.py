"""One attempt of a job: a process of its own, seen from the worker and from inside.

The worker pickles a `Payload` to the process and reads events as JSON from a pipe: whatever the
work does to its process, what the worker reads can run nothing. The process ends with the worker,
because it watches a second pipe that the worker holds open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from shutil import disk_usage
from typing import Final, Self

import structlog

from service.jobs.blob_store import NO_ROOM, BlobStore
from service.jobs.records import Artifact, Failure, Progress
from service.logs import configure_logs, logs_as_json
from service.worker.attempt_events import (
    Crashed,
    Event,
    Failed,
    HandedBack,
    Made,
    Payload,
    read_event,
    written_event,
)
from service.worker.os_process import group_takes_more_than, lower_priority
from service.worker.work import Done, HandedBackError, WorkError, Workplace, perform

__all__ = ["Attempt", "context", "system_failure"]

_PRELOADED: Final = ["service.worker.preloaded"]
"""Loaded once, in the process that all attempts are forked from: PyTorch takes four seconds."""

_HAND_BACK: Final = b"hand back"
_SECONDS_BETWEEN_REPORTS: Final = 1.0
"""Each is a transaction of the worker, whose time the server beside it lacks."""

_NO_ROOM_BYTES: Final = 64 * 1024
"""A disk with less is as good as full: what did not fit had larger blocks."""
_DISK_FULL: Final = Failure(
    kind="disk-full",
    message="the worker's disk is full: make room in the folder of the jobs, or lower "
    "NASBENCH_ARTIFACT_BYTES",
)


def context() -> multiprocessing.context.ForkServerContext:
    """Return what starts processes, with PyTorch loaded and no GPU touched."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


class Attempt:
    """The process of an attempt; a context manager that ends it, with all that it started.

    Args:
        payload: What it does.
    """

    def __init__(self, payload: Payload) -> None:
        processes = context()
        self._events, theirs = processes.Pipe(duplex=False)
        far_end, self._lifeline = processes.Pipe(duplex=False)
        # No daemon: it may have processes of its own, which read images.
        self._process = processes.Process(
            target=_run, args=(payload, theirs, far_end), name=f"job {payload.job_id}"
        )
        self._ends = (theirs, far_end)

    def __enter__(self) -> Self:
        self._process.start()
        for end in self._ends:
            end.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._events.close()
        self._lifeline.close()
        self._process.close()

    def next_event(self, seconds: float) -> Event | None:
        """Return its next event, or None after `seconds` without one.

        A process that ends without a final event has crashed.
        """
        # The end of the process by itself, too: what it has started may keep the pipe open.
        if not wait([self._events, self._process.sentinel], seconds):
            return None
        try:
            if self._events.poll():
                return read_event(self._events.recv_bytes())
        except (EOFError, OSError):
            pass
        self._process.join()
        return Crashed(failure=_sudden_end(self._process.exitcode), sudden=True)

    def hand_back(self) -> None:
        """Ask it to stop where another attempt can go on; it may end before."""
        with suppress(OSError):
            self._lifeline.send_bytes(_HAND_BACK)

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


def _run(payload: Payload, events: Connection, lifeline: Connection) -> None:
    """Do the payload in this process, and send events to the worker.

    Args:
        payload: What to do.
        events: Where events are sent.
        lifeline: Its other end is open for as long as the worker lives.
    """
    # A group of its own: it ends with all processes that the work may start. No session, which
    # Linux would give as much time as all of those it is to let go first.
    os.setpgid(0, 0)
    # Slurm and others send it to all processes of a job, of which the worker alone handles it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if payload.idle_priority:
        lower_priority()
    if payload.visible_gpus is not None:
        # Read when PyTorch touches the first GPU, which no process that was forked from has done.
        os.environ["CUDA_VISIBLE_DEVICES"] = payload.visible_gpus
    asked = threading.Event()
    threading.Thread(target=_follow_worker, args=(lifeline, asked), daemon=True).start()
    write_logs = configure_logs(as_json=logs_as_json()).write_out
    log = structlog.get_logger().bind(job_id=payload.job_id, request_id=payload.request_id)
    try:
        outcome = _outcome(payload, _reporter(events), asked.is_set, log)
        events.send_bytes(written_event(outcome))
    finally:
        write_logs()
        events.close()


def _outcome(
    payload: Payload,
    report: Callable[[Progress], None],
    handing_back: Callable[[], bool],
    log: structlog.BoundLogger,
) -> Event:
    try:
        weights = BlobStore(payload.checkpoints)
        workplace = Workplace(
            folder=payload.folder,
            device=payload.device,
            report=report,
            offers=payload.offers,
            dataset_sha256=payload.dataset_sha256,
            checkpoint=weights.path,
            threads=payload.threads,
            kept=payload.kept,
            memory=payload.memory,
            share=payload.share,
            handing_back=handing_back,
        )
        done = perform(payload.kind, payload.spec, workplace)
        if done.files:
            report(Progress(stage="keeping"))
        return Made(result=done.result, artifacts=_keep(payload, done))
    except HandedBackError:
        return HandedBack()
    except WorkError as error:
        log.info("job cannot be done", kind=error.kind, reason=error.message)
        return Failed(failure=Failure(kind=error.kind, message=error.message))
    except OSError as error:
        log.exception("attempt ended by the system")
        return Crashed(failure=system_failure(error))
    except Exception as error:  # whatever the code of a network or a library raises
        log.exception("attempt crashed")
        if _is_for_want_of_room(error, payload.folder):
            return Crashed(failure=_DISK_FULL)
        name = type(error).__name__
        message = f"the work ended in {name}; the log of the worker has more under this job's id"
        return Crashed(failure=Failure(kind="crash", message=message))


def _is_for_want_of_room(error: Exception, folder: Path) -> bool:
    """Tell whether a library failed because the disk is full, whatever its message."""
    full = {os.strerror(number).lower() for number in NO_ROOM}
    text = str(error).lower()
    return any(words in text for words in full) or disk_usage(folder).free < _NO_ROOM_BYTES


def _keep(payload: Payload, done: Done) -> tuple[Artifact, ...]:
    kept = BlobStore(payload.artifacts)
    artifacts = []
    for file in done.files:
        sha256, size = kept.add(file.path)
        artifacts.append(
            Artifact(name=file.name, media_type=file.media_type, size=size, sha256=sha256)
        )
    return tuple(artifacts)


def system_failure(error: OSError) -> Failure:
    """Return the failure of an attempt that an error of the operating system ended."""
    if error.errno in NO_ROOM:
        return _DISK_FULL
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return Failure(kind="system", message=f"the worker's system refused: {reason}")


def _reporter(events: Connection) -> Callable[[Progress], None]:
    """Return what reports progress: each new stage, and else once a second at most."""
    last, stage = 0.0, ""

    def report(progress: Progress) -> None:
        nonlocal last, stage
        now = time.monotonic()
        complete = progress.total is not None and progress.done >= progress.total
        if progress.stage != stage or complete or now - last >= _SECONDS_BETWEEN_REPORTS:
            last, stage = now, progress.stage
            events.send_bytes(written_event(progress))

    return report


def _follow_worker(lifeline: Connection, asked: threading.Event) -> None:
    """Wait for the worker's end, which may be a sudden one, and follow it.

    Args:
        lifeline: Open as long as it lives; a message asks to hand the job back.
        asked: Set then.
    """
    try:
        while lifeline.recv_bytes():
            asked.set()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
