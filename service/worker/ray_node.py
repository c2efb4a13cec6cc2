"""The attempt of a job as a task of a Ray cluster, seen from the node that runs it.

A task gets what it needs as pieces of files, because nodes need not share a folder with the worker,
and begins an attempt as a worker on this machine would: in a process forked from one that has
loaded PyTorch, which the next task of the same Ray process finds warm. It yields messages: events,
and files piece by piece. If Ray ends its process, the attempt ends with it.
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
    Made,
    Payload,
    Started,
    too_much_memory,
    written_event,
)
from service.worker.offers import Offers, OffersHere
from service.worker.os_process import dead_workers, hold_lock, remove_lock

__all__ = ["PIECE", "Bell", "Message", "Task", "attempt_on_node"]

PIECE: Final = 4 * 2**20
"""Bytes of a file that are sent at once."""

_LISTEN_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.5
"""Between two looks for a new checkpoint, for memory and for the bell."""

Message: TypeAlias = tuple[Literal["event", "artifact", "checkpoint", "piece", "end"], bytes]
"""An event as JSON; or the beginning of a file, an artifact with its digest; a piece; its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a node needs to make an attempt; files are lists of references to their pieces.

    Args:
        name: Of the attempt, by which the bell calls it.
        payload: What it does; its folders are those of the worker, and it has no offers.
        weights: The uploaded weights that the job names.
        checkpoint: The newest checkpoint of an earlier attempt, as `pack` wrote it.
        checkpoint_seconds: Between two checkpoints that are sent, at least.
        version: Of this program, where the worker runs.
    """

    name: str
    payload: Payload
    weights: list[ray.ObjectRef[bytes]] | None
    checkpoint: list[ray.ObjectRef[bytes]] | None
    checkpoint_seconds: float
    version: str


class Bell:
    """An actor by which a worker asks the attempts of its tasks to hand themselves back."""

    def __init__(self) -> None:
        self._rung: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def ring(self, name: str) -> None:
        """Ask an attempt."""
        self._rung[name].set()

    async def rung(self, name: str) -> None:
        """Return when an attempt is asked, or forgotten."""
        await self._rung[name].wait()

    async def forget(self, name: str) -> None:
        """Forget an attempt that is over."""
        self._rung.pop(name, asyncio.Event()).set()


def attempt_on_node(task: Task, bell: Any) -> Iterator[Message]:
    """Make an attempt and yield its messages, of which the last is the event that ends it.

    Raises:
        OSError: The node cannot keep its files.
    """
    # The processes of attempts would import what Ray runs as its main program.
    vars(sys.modules["__main__"]).pop("__file__", None)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if version("nas-bench-service") != task.version:
        yield _refused("other-version", f"has another version than the worker's {task.version}")
        return
    settings = JobSettings()
    folder = settings.folder / "on-ray"
    locks, scratch = folder / "attempts", folder / "scratch"
    _remove_left(locks, scratch)
    own = uuid4().hex
    with hold_lock(locks, own):
        (scratch / own).mkdir(parents=True)
        try:
            yield from _attempted(task, scratch / own, bell, settings)
        finally:
            shutil.rmtree(scratch / own, ignore_errors=True)
            bell.forget.remote(task.name)


def _remove_left(locks: Path, scratch: Path) -> None:
    """Remove what was left where Ray, or somebody else, ended a process.

    An attempt may outlive its task by a moment and write again, so that what has no lock is removed
    whenever one looks.
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


def _attempted(task: Task, folder: Path, bell: Any, settings: JobSettings) -> Iterator[Message]:
    offers = OffersHere(settings).look()
    lacking = _lacking(task.payload.spec, offers)
    if lacking is not None:
        yield lacking
        return
    yield "event", written_event(Started(place=platform.node()))
    payload = _here(task.payload, folder, offers, settings)
    payload.folder.mkdir()
    _fetch(task, payload, folder)
    follower = _Follower(task, payload, folder, bell.rung.remote(task.name))
    with Attempt(payload) as attempt:
        ended = False
        while not ended:
            event = attempt.next_event(_LISTEN_SECONDS)
            if follower.is_due():
                if follower.is_asked():
                    attempt.hand_back()
                if attempt.takes_more_than(payload.memory):
                    event = Crashed(failure=too_much_memory(payload.memory))
                yield from follower.checkpoint()
            if event is None:
                continue
            if isinstance(event, Made):
                kept = BlobStore(payload.artifacts)
                for sha256 in sorted({artifact.sha256 for artifact in event.artifacts}):
                    yield from _file("artifact", sha256.encode(), kept.path(sha256))
            ended = not isinstance(event, Progress)
            if ended and not isinstance(event, Made | Failed):
                yield from follower.checkpoint(at_last=True)
            yield "event", written_event(event)


class _Follower:
    """What is looked for now and then while an attempt runs.

    Args:
        task: What it does.
        payload: Where it does it.
        folder: For files on their way.
        rung: Answered when it is asked to hand itself back.
    """

    def __init__(
        self, task: Task, payload: Payload, folder: Path, rung: ray.ObjectRef[None]
    ) -> None:
        self._seconds = task.checkpoint_seconds
        self._trainings = payload.kept.root / payload.job_id
        self._file = folder / "checkpoint.tar"
        self._rung: ray.ObjectRef[None] | None = rung
        self._looked = self._sent_at = time.monotonic()
        found = newest_checkpoint(self._trainings)
        self._sent = found and found.name

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return True

    def is_asked(self) -> bool:
        """Tell, once, that the attempt is to hand itself back."""
        if self._rung is None or not ray.wait([self._rung], timeout=0)[0]:
            return False
        rung, self._rung = self._rung, None
        try:
            ray.get(rung)
        except RayError:
            # The bell is lost with its node: the attempt is ended when the worker has to end.
            return False
        return True

    def checkpoint(self, *, at_last: bool = False) -> Iterator[Message]:
        """Yield the newest checkpoint if it is new, and due or the last."""
        if not at_last and time.monotonic() - self._sent_at < self._seconds:
            return
        found = newest_checkpoint(self._trainings)
        if found is None or found.name == self._sent:
            return
        try:
            pack(found, self._file)
        except OSError:
            # Deleted meanwhile by the training: the next one.
            self._file.unlink(missing_ok=True)
            return
        yield from _file("checkpoint", b"", self._file)
        self._file.unlink()
        self._sent, self._sent_at = found.name, time.monotonic()


def _lacking(spec: Mapping[str, Any], offers: Offers) -> Message | None:
    """Return what to say where this node lacks what a job needs by name; None: it has all."""
    wanted = spec.get("dataset")
    if wanted is not None and wanted not in offers.datasets:
        return _refused("no-dataset", f"lacks the data set {wanted} in NASBENCH_DATASETS_DIR")
    trainer = spec.get("trainer")
    if trainer is not None and trainer["name"] not in offers.trainers:
        return _refused("no-trainer", f"lacks the trainer {trainer['name']} in NASBENCH_TRAINERS")
    return None


def _here(payload: Payload, folder: Path, offers: Offers, settings: JobSettings) -> Payload:
    """Return the payload of a worker with the folders, offers, priority and GPUs of this node."""
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
    """Write what came with the task to where the attempt finds it.

    Raises:
        OSError: It cannot be written.
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


def _refused(kind: str, reason: str) -> Message:
    failure = Failure(kind=kind, message=f"the Ray node {platform.node()} {reason}")
    return "event", written_event(Crashed(failure=failure))
