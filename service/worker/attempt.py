"""One attempt of a job: a process of its own, seen from the worker and from inside.

The worker pickles a `Payload` to the process and reads events as JSON from a pipe: whatever the
work does to its process, what the worker reads can run nothing. The process ends with the worker,
because it watches a second pipe that the worker holds open.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from shutil import disk_usage
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import structlog

from bench_client.models import JobKind
from service.jobs.blob_store import NO_ROOM, BlobStore
from service.jobs.records import Artifact, Failure, Progress
from service.jobs.training_folders import AttemptFolder
from service.logs import configure_logs, logs_as_json
from service.worker.os_process import group_takes_more_than, lower_priority
from service.worker.work import Done, HandedBackError, WorkError, Workplace, perform

__all__ = ["Attempt", "Crashed", "Event", "Failed", "HandedBack", "Made", "Payload", "context"]

_PRELOADED: Final = ["service.worker.preloaded"]
"""Loaded once, in the process that all attempts are forked from: PyTorch takes two seconds."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What an attempt is to do, and where.

    Args:
        job_id: The job it is for.
        request_id: The HTTP request that submitted it.
        kind: What to do.
        spec: The canonical request.
        folder: An empty folder for its files.
        kept: What it leaves to the next attempt of the job, and finds of the one before.
        artifacts: The folder that keeps what it makes.
        checkpoints: The folder of uploaded weights.
        device: Where it computes, as PyTorch names it.
        datasets: The data sets of the worker, by name.
        threads: Processor cores it may use.
        memory: Bytes it may take.
        share: How many attempts have the device at a time.
    """

    job_id: str
    request_id: str | None
    kind: JobKind
    spec: dict[str, Any]
    folder: Path
    kept: AttemptFolder
    artifacts: Path
    checkpoints: Path
    device: str
    datasets: dict[str, Path]
    threads: int
    memory: int
    share: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """It is done: what was found, and the files, which are kept already."""

    result: dict[str, Any]
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """What was asked cannot be done."""

    failure: Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Crashed:
    """The attempt failed for a reason that the next one may not meet.

    Args:
        failure: Why.
        sudden: Whether its process ended without a last word.
    """

    failure: Failure
    sudden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedBack:
    """It stopped as it was asked to, where another attempt goes on."""


Event: TypeAlias = Progress | Made | Failed | Crashed | HandedBack


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
        """Return its next event, or None after `seconds` without one.

        A process that ends without a final event has crashed.
        """
        # The end of the process by itself, too: what it has started may keep the pipe open.
        if not wait([self._events, self._process.sentinel], seconds):
            return None
        try:
            if self._events.poll():
                return _read_event(self._events)
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
    lower_priority()
    asked = threading.Event()
    threading.Thread(target=_follow_worker, args=(lifeline, asked), daemon=True).start()
    write_logs = configure_logs(as_json=logs_as_json()).write_out
    log = structlog.get_logger().bind(job_id=payload.job_id, request_id=payload.request_id)
    try:
        _write_event(events, _outcome(payload, _reporter(events), asked.is_set, log))
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
            datasets=payload.datasets,
            checkpoint=weights.path,
            threads=payload.threads,
            kept=payload.kept,
            memory=payload.memory,
            share=payload.share,
            handing_back=handing_back,
        )
        done = perform(payload.kind, payload.spec, workplace)
        report(Progress(stage="keeping"))
        return Made(result=done.result, artifacts=_keep(payload, done))
    except HandedBackError:
        return HandedBack()
    except WorkError as error:
        log.info("job cannot be done", kind=error.kind, reason=error.message)
        return Failed(failure=Failure(kind=error.kind, message=error.message))
    except OSError as error:
        log.exception("attempt ended by the system")
        return Crashed(failure=_system_failure(error))
    except Exception as error:
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
            _write_event(events, progress)

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


def _write_event(connection: Connection, event: Event) -> None:
    """Send an event."""
    named = {"event": type(event).__name__, "fields": asdict(event)}
    connection.send_bytes(json.dumps(named).encode())


def _read_event(connection: Connection) -> Event:
    """Receive an event.

    Raises:
        EOFError: There will be no more.
    """
    named: Mapping[str, Any] = json.loads(connection.recv_bytes())
    fields = named["fields"]
    match named["event"]:
        case "Progress":
            return Progress(**fields)
        case "Made":
            artifacts = tuple(Artifact(**artifact) for artifact in fields["artifacts"])
            return Made(result=fields["result"], artifacts=artifacts)
        case "HandedBack":
            return HandedBack()
        case "Failed":
            return Failed(failure=Failure(**fields["failure"]))
        case _:
            return Crashed(failure=Failure(**fields["failure"]))
