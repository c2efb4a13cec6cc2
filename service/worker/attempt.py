"""An attempt of a job in a process of its own: the worker's side and the process's side.

The worker sends a pickled `Payload` to the process and reads events as JSON from a pipe, so a
compromised process cannot run code in the worker. The process watches a second pipe that the worker
holds open, and ends when the worker ends.
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
    Payload,
    Released,
    Succeeded,
    decode_event,
    encode_event,
)
from service.worker.os_process import group_takes_more_than, lower_priority
from service.worker.work import ReleasedError, WorkError, Workplace, WorkResult, perform

__all__ = ["Attempt", "context", "system_failure"]

_PRELOADED: Final = ["service.worker.preloaded"]
"""Imported once, in the process that all attempts are forked from: PyTorch takes four seconds."""

_RELEASE: Final = b"release"
_SECONDS_BETWEEN_REPORTS: Final = 1.0
"""Each report is a transaction of the worker, which delays the server's."""

_NO_ROOM_BYTES: Final = 64 * 1024
"""A disk with less free space counts as full: the blocks that did not fit were larger."""
_DISK_FULL: Final = Failure(
    kind="disk-full",
    message="the worker's disk is full: make room in the folder of the jobs, or lower "
    "NASBENCH_ARTIFACT_BYTES",
)


def context() -> multiprocessing.context.ForkServerContext:
    """Return the context that starts processes, with PyTorch imported and no GPU initialised."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(_PRELOADED)
    return made


class Attempt:
    """The process of an attempt; a context manager that kills it with all its descendants.

    Args:
        payload: The job of the attempt.
    """

    def __init__(self, payload: Payload) -> None:
        processes = context()
        self._events, theirs = processes.Pipe(duplex=False)
        far_end, self._lifeline = processes.Pipe(duplex=False)
        # Not a daemon: it may start processes that read images.
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
        """Return the next event, or None after `seconds` without one.

        A process that ends without a final event has crashed.
        """
        # Also wait for the process itself: its descendants may keep the pipe open.
        if not wait([self._events, self._process.sentinel], seconds):
            return None
        try:
            if self._events.poll():
                return decode_event(self._events.recv_bytes())
        except (EOFError, OSError):
            pass
        self._process.join()
        return Crashed(failure=_exit_failure(self._process.exitcode), sudden=True)

    def request_release(self) -> None:
        """Ask the process to stop where another attempt can resume; it may finish first."""
        with suppress(OSError):
            self._lifeline.send_bytes(_RELEASE)

    def takes_more_than(self, memory: int) -> bool:
        """Tell whether its processes together use more than `memory` bytes."""
        return group_takes_more_than(memory, self._process.pid)

    def _end(self) -> None:
        """Kill the process and all its descendants."""
        pid = self._process.pid
        # The process itself is killed below, as it may not have its own group yet.
        with suppress(ProcessLookupError, PermissionError):
            if pid is not None:
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _exit_failure(status: int | None) -> Failure:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return Failure(kind="crash", message=f"the process of the job was ended by {name}{hint}")
    return Failure(
        kind="crash",
        message=f"the process of the job exited with status {status} without reporting a result",
    )


def _run(payload: Payload, events: Connection, lifeline: Connection) -> None:
    """Run the payload in this process, and send events to the worker.

    Args:
        payload: The job.
        events: The pipe for events.
        lifeline: A pipe whose other end is open as long as the worker lives.
    """
    # A process group lets the worker kill all descendants. Not a session: Linux would group its
    # processes for scheduling and give the group a full share, although they are to yield.
    os.setpgid(0, 0)
    # Slurm and others send it to all processes of a job, but only the worker handles it.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if payload.idle_priority:
        lower_priority()
    if payload.visible_gpus is not None:
        # Read when PyTorch initialises the first GPU, which the parent process has not done.
        os.environ["CUDA_VISIBLE_DEVICES"] = payload.visible_gpus
    asked = threading.Event()
    threading.Thread(target=_watch_worker, args=(lifeline, asked), daemon=True).start()
    write_logs = configure_logs(as_json=logs_as_json()).write_out
    log = structlog.get_logger().bind(job_id=payload.job_id, request_id=payload.request_id)
    try:
        outcome = _outcome(payload, _reporter(events), asked.is_set, log)
        events.send_bytes(encode_event(outcome))
    finally:
        write_logs()
        events.close()


def _outcome(
    payload: Payload,
    report: Callable[[Progress], None],
    release_requested: Callable[[], bool],
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
            release_requested=release_requested,
        )
        done = perform(payload.kind, payload.spec, workplace)
        if done.files:
            report(Progress(stage="keeping"))
        return Succeeded(result=done.result, artifacts=_store_files(payload, done))
    except ReleasedError:
        return Released()
    except WorkError as error:
        log.info("job cannot be done", kind=error.kind, reason=error.message)
        return Failed(failure=Failure(kind=error.kind, message=error.message))
    except OSError as error:
        log.exception("attempt ended by the system")
        return Crashed(failure=system_failure(error))
    except Exception as error:  # networks and libraries raise anything
        log.exception("attempt crashed")
        if _is_disk_full(error, payload.folder):
            return Crashed(failure=_DISK_FULL)
        name = type(error).__name__
        message = f"the job failed with {name}; see the log of the worker for this job id"
        return Crashed(failure=Failure(kind="crash", message=message))


def _is_disk_full(error: Exception, folder: Path) -> bool:
    """Tell whether a library failed because the disk is full, whatever its message."""
    full = {os.strerror(number).lower() for number in NO_ROOM}
    text = str(error).lower()
    return any(words in text for words in full) or disk_usage(folder).free < _NO_ROOM_BYTES


def _store_files(payload: Payload, done: WorkResult) -> tuple[Artifact, ...]:
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
    """Return a function that reports progress: each new stage, otherwise once a second."""
    last, stage = 0.0, ""

    def report(progress: Progress) -> None:
        nonlocal last, stage
        now = time.monotonic()
        complete = progress.total is not None and progress.done >= progress.total
        if progress.stage != stage or complete or now - last >= _SECONDS_BETWEEN_REPORTS:
            last, stage = now, progress.stage
            events.send_bytes(encode_event(progress))

    return report


def _watch_worker(lifeline: Connection, asked: threading.Event) -> None:
    """Wait for the end of the worker, and then kill this process group.

    Args:
        lifeline: Open as long as the worker lives; a message asks to release the job.
        asked: Set when that message arrives.
    """
    try:
        while lifeline.recv_bytes():
            asked.set()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
