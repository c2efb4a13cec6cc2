"""The attempt of a job as a task of a Ray cluster: the part that runs on the node.

A task receives its files in chunks, because nodes need not share a folder with the worker. It
starts an attempt like a worker on this machine: in a process forked from one that has imported
PyTorch and that later tasks of the same Ray process reuse. It yields messages: events, and files in
chunks. If Ray kills its process, the attempt ends with it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

import ray
from ray.exceptions import RayError

from service.jobs import JobSettings
from service.jobs.blob_store import BlobStore
from service.jobs.checkpoint_bundles import newest_checkpoint, pack, unpack
from service.jobs.records import Failure, Progress
from service.worker.attempt import Attempt
from service.worker.attempt_events import (
    Crashed,
    Failed,
    Payload,
    Started,
    Succeeded,
    encode_event,
    too_much_memory,
)
from service.worker.offers import LocalOffers, Offers
from service.worker.os_process import dead_workers, hold_lock, remove_lock

__all__ = ["PIECE", "Message", "ReleaseRequests", "Task", "attempt_on_node"]

PIECE: Final = 4 * 2**20
"""Bytes of a chunk of a file."""

_EVENT_WAIT_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.5
"""Pause between two checks for a new checkpoint, exceeded memory and a release request."""

Message: TypeAlias = tuple[Literal["event", "artifact", "checkpoint", "piece", "end"], bytes]
"""An event as JSON; the start of a file, for artifacts with its digest; a chunk; its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The input of a task; its files are lists of references to their chunks.

    Args:
        name: Unique name of the attempt, for release requests.
        payload: The job; its folders are those of the worker, and its offers are empty.
        weights: The uploaded weights that the job names.
        checkpoint: The newest checkpoint of an earlier attempt, as written by `pack`.
        checkpoint_seconds: Least time between two checkpoints that are sent.
        version: Version of this package on the worker.
    """

    name: str
    payload: Payload
    weights: list[ray.ObjectRef[bytes]] | None
    checkpoint: list[ray.ObjectRef[bytes]] | None
    checkpoint_seconds: float
    version: str


class ReleaseRequests:
    """A Ray actor by which a worker asks the attempts of its tasks to release their jobs."""

    def __init__(self) -> None:
        self._requested: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def request(self, name: str) -> None:
        """Ask an attempt to release its job."""
        self._requested[name].set()

    async def requested(self, name: str) -> None:
        """Return when the attempt is asked to release its job, or is forgotten."""
        await self._requested[name].wait()

    async def forget(self, name: str) -> None:
        """Forget an attempt that has ended."""
        self._requested.pop(name, asyncio.Event()).set()


def attempt_on_node(task: Task, requests: Any) -> Iterator[Message]:
    """Run an attempt and yield its messages; the last one is its final event.

    Raises:
        OSError: The files cannot be stored on the node.
    """
    # Otherwise the processes of attempts would import Ray's main program.
    vars(sys.modules["__main__"]).pop("__file__", None)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if version("nas-bench-service") != task.version:
        yield _crash_message(
            "other-version", f"has another version than the worker's {task.version}"
        )
        return
    settings = JobSettings()
    folder = settings.folder / "on-ray"
    locks, scratch = folder / "attempts", folder / "scratch"
    _remove_stale_files(locks, scratch)
    own = uuid4().hex
    with hold_lock(locks, own):
        (scratch / own).mkdir(parents=True)
        try:
            yield from _run_attempt(task, scratch / own, requests, settings)
        finally:
            shutil.rmtree(scratch / own, ignore_errors=True)
            requests.forget.remote(task.name)


def _remove_stale_files(locks: Path, scratch: Path) -> None:
    """Remove files of tasks whose process was killed.

    An attempt may outlive its task by a moment and write again, so each call removes all files
    without a lock.
    """
    if not scratch.is_dir():
        return
    found = list(scratch.iterdir())
    dead = dead_workers(locks)
    living = {path.name for path in locks.iterdir()}.difference(dead)
    for path in found:
        if path.name not in living:
            shutil.rmtree(path, ignore_errors=True)
    for name in dead:
        remove_lock(locks, name)


def _run_attempt(
    task: Task, folder: Path, requests: Any, settings: JobSettings
) -> Iterator[Message]:
    offers = LocalOffers(settings).current()
    lacking = _missing_offer(task.payload.spec, offers)
    if lacking is not None:
        yield lacking
        return
    yield "event", encode_event(Started(place=platform.node()))
    payload = _local_payload(task.payload, folder, offers, settings)
    payload.folder.mkdir()
    _fetch(task, payload, folder)
    follower = _AttemptMonitor(task, payload, folder, requests.requested.remote(task.name))
    with Attempt(payload) as attempt:
        ended = False
        while not ended:
            event = attempt.next_event(_EVENT_WAIT_SECONDS)
            if follower.is_due():
                if follower.is_asked():
                    attempt.request_release()
                if attempt.takes_more_than(payload.memory):
                    event = Crashed(failure=too_much_memory(payload.memory))
                yield from follower.checkpoint()
            if event is None:
                continue
            if isinstance(event, Succeeded):
                kept = BlobStore(payload.artifacts)
                for sha256 in sorted({artifact.sha256 for artifact in event.artifacts}):
                    yield from _file("artifact", sha256.encode(), kept.path(sha256))
            ended = not isinstance(event, Progress)
            if ended and not isinstance(event, Succeeded | Failed):
                yield from follower.checkpoint(at_last=True)
            yield "event", encode_event(event)


class _AttemptMonitor:
    """Periodic checks while an attempt runs.

    Args:
        task: The task.
        payload: The payload with the folders of this node.
        folder: For temporary files.
        requested: Resolved when the attempt is asked to release its job.
    """

    def __init__(
        self, task: Task, payload: Payload, folder: Path, requested: ray.ObjectRef[None]
    ) -> None:
        self._seconds = task.checkpoint_seconds
        self._trainings = payload.kept.root / payload.job_id
        self._file = folder / "checkpoint.tar"
        self._requested: ray.ObjectRef[None] | None = requested
        self._looked = self._sent_at = time.monotonic()
        found = newest_checkpoint(self._trainings)
        self._sent = found and found.name

    def is_due(self) -> bool:
        """Tell whether the checks are due."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return True

    def is_asked(self) -> bool:
        """Tell, once, that the attempt is to release its job."""
        if self._requested is None or not ray.wait([self._requested], timeout=0)[0]:
            return False
        requested, self._requested = self._requested, None
        try:
            ray.get(requested)
        except RayError:
            # The actor is lost with its node: the task is cancelled when its worker stops.
            return False
        return True

    def checkpoint(self, *, at_last: bool = False) -> Iterator[Message]:
        """Yield the newest checkpoint if it is new, and either due or the last one."""
        if not at_last and time.monotonic() - self._sent_at < self._seconds:
            return
        found = newest_checkpoint(self._trainings)
        if found is None or found.name == self._sent:
            return
        try:
            pack(found, self._file)
        except OSError:
            # Deleted by the training meanwhile; the next check sends the next one.
            self._file.unlink(missing_ok=True)
            return
        yield from _file("checkpoint", b"", self._file)
        self._file.unlink()
        self._sent, self._sent_at = found.name, time.monotonic()


def _missing_offer(spec: Mapping[str, Any], offers: Offers) -> Message | None:
    """Return a crash message if this node lacks the data set or trainer of a job; else None."""
    wanted = spec.get("dataset")
    if wanted is not None and wanted not in offers.datasets:
        return _crash_message("no-dataset", f"lacks the data set {wanted} in NASBENCH_DATASETS_DIR")
    trainer = spec.get("trainer")
    if trainer is not None and trainer["name"] not in offers.trainers:
        return _crash_message(
            "no-trainer", f"lacks the trainer {trainer['name']} in NASBENCH_TRAINERS"
        )
    return None


def _local_payload(
    payload: Payload, folder: Path, offers: Offers, settings: JobSettings
) -> Payload:
    """Return a worker's payload with the folders, offers, priority and GPUs of this node."""
    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return replace(
        payload,
        folder=folder / "files",
        kept=replace(payload.kept, root=folder / "trainings"),
        artifacts=folder / "artifacts",
        checkpoints=folder / "checkpoints",
        offers=offers,
        idle_priority=settings.attempt_priority == "idle",
        visible_gpus=",".join(gpus),
    )


def _fetch(task: Task, payload: Payload, folder: Path) -> None:
    """Write the files of a task to the folders of the attempt.

    Raises:
        OSError: A file cannot be written.
    """
    file = folder / "fetched"
    if task.weights is not None:
        _write(file, task.weights)
        BlobStore(payload.checkpoints).add(file)
    if task.checkpoint is not None:
        _write(file, task.checkpoint)
        payload.kept.keep(unpack, file)
    file.unlink(missing_ok=True)


def _write(path: Path, pieces: list[ray.ObjectRef[bytes]]) -> None:
    with path.open("wb") as file:
        for piece in pieces:
            file.write(ray.get(piece))


def _file(kind: Literal["artifact", "checkpoint"], said: bytes, path: Path) -> Iterator[Message]:
    yield kind, said
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield "piece", piece
    yield "end", b""


def _crash_message(kind: str, reason: str) -> Message:
    failure = Failure(kind=kind, message=f"the Ray node {platform.node()} {reason}")
    return "event", encode_event(Crashed(failure=failure))
