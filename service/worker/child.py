"""The process that does one attempt of a job, and ends with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import disk_usage
from typing import Final

import structlog

from service.jobs.blob_store import NO_ROOM, BlobStore
from service.jobs.records import Artifact, Failure, Progress
from service.logs import configure_logs, logs_as_json
from service.worker.giving_way import give_way
from service.worker.messages import Crashed, Event, Failed, Made, Payload, write_event
from service.worker.work import Done, WorkError, Workplace

__all__ = ["run_payload"]

_SECONDS_BETWEEN_REPORTS: Final = 1.0
"""What each costs the worker, a transaction, is taken from the server beside it."""

_NO_ROOM_BYTES: Final = 64 * 1024
"""A disk with less is as good as full: what did not fit had larger blocks."""
_DISK_FULL: Final = Failure(
    kind="disk-full",
    message="the worker's disk is full: make room in the folder of the jobs, or lower "
    "NASBENCH_ARTIFACT_BYTES",
)


def run_payload(payload: Payload, events: Connection, lifeline: Connection) -> None:
    """Do what is ordered and tell the worker how it goes.

    Args:
        payload: What to do.
        events: Where to tell.
        lifeline: Its other end is open for as long as the worker lives.
    """
    # A group of its own: it ends with all processes that the work may start. No session, which
    # Linux would give as much time as all of those it is to let go first.
    os.setpgid(0, 0)
    give_way()
    threading.Thread(target=_die_with_worker, args=(lifeline,), daemon=True).start()
    write_logs = configure_logs(as_json=logs_as_json()).write_out
    log = structlog.get_logger().bind(job_id=payload.job_id, request_id=payload.request_id)
    try:
        write_event(events, _outcome(payload, _reporter(events), log))
    finally:
        write_logs()
        events.close()


def _outcome(
    payload: Payload, report: Callable[[Progress], None], log: structlog.BoundLogger
) -> Event:
    try:
        # Loads PyTorch, which the process this one was forked from has done already.
        from service.worker.perform import perform  # noqa: PLC0415

        weights = BlobStore(payload.checkpoints)
        workplace = Workplace(
            folder=payload.folder,
            device=payload.device,
            report=report,
            datasets=payload.datasets,
            checkpoint=weights.path,
            threads=payload.threads,
        )
        done = perform(payload.kind, payload.spec, workplace)
        report(Progress(stage="keeping"))
        return Made(result=done.result, artifacts=_keep(payload, done))
    except WorkError as error:
        log.info("job cannot be done", kind=error.kind, reason=error.message)
        return Failed(failure=Failure(kind=error.kind, message=error.message))
    except OSError as error:
        log.exception("try ended by the system")
        return Crashed(failure=_system_failure(error))
    except Exception as error:
        log.exception("try crashed")
        if _is_for_want_of_room(error, payload.folder):
            return Crashed(failure=_DISK_FULL)
        name = type(error).__name__
        message = f"the work ended in {name}; the log of the worker has more under this job's id"
        return Crashed(failure=Failure(kind="crash", message=message))


def _is_for_want_of_room(error: Exception, folder: Path) -> bool:
    """Tell whether a library failed because the disk is full, in whatever words of its own."""
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


def _system_failure(error: OSError) -> Failure:
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
            write_event(events, progress)

    return report


def _die_with_worker(lifeline: Connection) -> None:
    """Wait for the worker's end, which may be a sudden one, and follow it."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
