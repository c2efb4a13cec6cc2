"""A Ray cluster as the place where a worker's attempts run: Ray decides on which node.

The table of jobs stays the only truth: the worker claims jobs and renews their leases as ever, and
each attempt is one task that Ray never repeats. A node that is lost is a lost attempt, which the
table gives to the next.

Ray reads what it sends by pickle and knows no users: whoever reaches the cluster can run anything
on it, and on the machine of this worker.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import ray
import structlog
from ray.exceptions import (
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
    TaskCancelledError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from service.jobs.blob_store import BlobStore, IncomingFile
from service.jobs.checkpoint_bundles import newest_checkpoint, pack, unpack
from service.jobs.errors import RefusedResultError, StoreUnavailableError
from service.jobs.records import DeviceState, Failure, Progress
from service.worker.attempt_events import (
    Crashed,
    Event,
    HandedBack,
    Lost,
    Made,
    Payload,
    Started,
    read_event,
    too_much_memory,
)
from service.worker.equipment import DeviceChoice, MissingDeviceError
from service.worker.offers import Offers
from service.worker.places import Places
from service.worker.ray_node import PIECE, Bell, Task, attempt_on_node

__all__ = ["NoClusterError", "RayAttempt", "RayCluster"]

_SECONDS: Final = 5.0
"""For an answer of what listens at the address."""
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""Of a client of HTTP/2, on which Ray's gRPC stands, with an empty frame of settings."""
_FRAME: Final = 9
_SETTINGS: Final = 4
_WAITING_SECONDS: Final = 600.0
"""After which a task that no node has taken is handed back."""
_MESSAGES_AHEAD: Final = 4
"""That wait for the worker; the node's task waits then."""


class NoClusterError(RuntimeError):
    """There is no Ray cluster at the address."""


class RayCluster:
    """A connection with a cluster, of which this machine is a node; `close` ends it.

    Args:
        address: `host:port` of its head, or `auto`: that of this machine.
        checkpoint_seconds: Between two checkpoints that a training sends from its node, at least.

    Raises:
        NoClusterError: It is not there.
    """

    def __init__(self, address: str, *, checkpoint_seconds: float = 10.0) -> None:
        if address != "auto":
            _refuse_silence(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0][:300]
            raise NoClusterError(_remedy(address, reason)) from error
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._checkpoint_seconds = checkpoint_seconds
        self._bell: Any = (
            ray.remote(Bell).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
        )

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        ray.shutdown()

    def places(
        self, choice: DeviceChoice, *, slots: int | None, threads: int | None, share: int
    ) -> Places:
        """Return what a worker may use of the cluster as it is now.

        Args:
            choice: Its GPUs, or else its processors; or one kind alone.
            slots: Attempts at a time; None: as many as its nodes have room for.
            threads: Processor cores of each attempt; None: one.
            share: How many attempts have a GPU at a time.

        Raises:
            MissingDeviceError: GPUs are asked for and there is none.
        """
        has: dict[str, float] = ray.cluster_resources()
        gpus = 0 if choice == "cpu" else int(has.get("GPU", 0))
        if choice == "cuda" and not gpus:
            raise MissingDeviceError(
                "no node of the Ray cluster has a GPU; `--device cpu` does without"
            )
        cores = threads or 1
        room = gpus * share if gpus else int(has.get("CPU", 0)) // cores
        # Ray tells of the memory of nodes, and nothing of that of GPUs.
        device = DeviceState(
            name="cuda:0" if gpus else "cpu",
            kind="cuda" if gpus else "cpu",
            model="Ray",
            memory=int(has.get("memory", 0)),
        )
        start = partial(
            RayAttempt, self._bell, gpus=1 / share if gpus else 0, seconds=self._checkpoint_seconds
        )
        return Places(devices=[device], slots=slots or max(1, room), cores=cores, start=start)


class RayAttempt:
    """An attempt as a task of the cluster.

    Args:
        bell: Asks it to hand itself back.
        payload: What it does; its folders are those of the worker.
        gpus: How many, or which part of one, it needs.
        seconds: Between two of its checkpoints, at least.
    """

    def __init__(self, bell: Any, payload: Payload, *, gpus: float, seconds: float) -> None:
        self._bell = bell
        self._payload = payload
        self._gpus = gpus
        self._seconds = seconds
        self._name = uuid4().hex
        self._messages: Any = None
        self._asked_at = 0.0
        self._has_begun = self._has_ended = self._is_back = False
        self._artifacts = BlobStore(payload.artifacts)
        self._incoming: IncomingFile | None = None
        self._digest = ""

    def __enter__(self) -> Self:
        """Give it to the cluster.

        Raises:
            OSError: A file it needs cannot be read.
            StoreUnavailableError: The cluster does not take it.
        """
        options = {
            "num_cpus": self._payload.threads,
            "num_gpus": self._gpus,
            "max_retries": 0,
            "num_returns": "streaming",
            "name": f"job {self._payload.job_id}",
            "_generator_backpressure_num_objects": _MESSAGES_AHEAD,
        }
        try:
            task = ray.remote(attempt_on_node).options(**options)
            self._messages = task.remote(self._task(), self._bell)
        except RayError as error:
            raise StoreUnavailableError(f"the Ray cluster takes no task: {error}") from error
        self._asked_at = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """End the task, with its process, unless it has ended."""
        self._drop()
        if not self._has_ended:
            with suppress(RayError):
                ray.cancel(self._messages, force=True)
            with suppress(RayError):
                self._bell.forget.remote(self._name)

    def next_event(self, seconds: float) -> Event | None:
        """Return its next event, or None after some seconds without one, or at a piece of a file.

        Raises:
            OSError: A file cannot be kept.
        """
        if self._is_back:
            return HandedBack()
        try:
            ready, _ = ray.wait([self._messages], timeout=seconds, fetch_local=False)
            if not ready:
                self._is_back = (
                    not self._has_begun and time.monotonic() - self._asked_at > _WAITING_SECONDS
                )
                return None
            kind, content = ray.get(next(self._messages))
        except StopIteration:
            self._has_ended = True
            return _crashed("the task of the job ended without a last word")
        except RayError as error:
            self._has_ended = True
            return self._end_by(error)
        try:
            return self._taken(kind, content)
        except RefusedResultError as error:
            return _crashed(f"what the node sent is not what it said: {error}")

    def hand_back(self) -> None:
        """Ask it to stop where another attempt can go on; one that waits is back at once."""
        if not self._has_begun:
            self._is_back = True
            return
        with suppress(RayError):
            self._bell.ring.remote(self._name)

    def takes_more_than(self, memory: int) -> bool:  # noqa: ARG002 - of another machine
        """Tell that it takes nothing of this machine; its node sees to its memory."""
        return False

    def _end_by(self, error: RayError) -> Event:
        """Return the end of a task that Ray tells of."""
        if isinstance(error, OutOfMemoryError):
            return Crashed(failure=too_much_memory(self._payload.memory))
        if isinstance(error, RayTaskError | RaySystemError):
            log = structlog.get_logger().bind(job_id=self._payload.job_id)
            log.error("the task of an attempt failed", reason=str(error))
            return _crashed(
                "the task of the job failed on its Ray node, whose environment may lack "
                "nas-bench-service[ray]; the log of the worker has more under this job's id"
            )
        if isinstance(error, TaskCancelledError):
            return HandedBack()
        return Lost(reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")

    def _taken(self, kind: str, content: bytes) -> Event | None:
        """Take a message.

        Raises:
            RefusedResultError: A file is not what it was said to be, or did not come.
            OSError: It cannot be written.
        """
        match kind:
            case "event":
                event = read_event(content)
                self._has_begun = True
                self._has_ended = not isinstance(event, Started | Progress)
                if isinstance(event, Made):
                    self._refuse_missing(event)
                return event
            case "piece" if self._incoming is not None:
                self._incoming.write(content)
            case "end" if self._incoming is not None:
                self._keep(self._incoming)
                self._drop()
            case "artifact" | "checkpoint":
                self._drop()
                self._incoming = self._artifacts.receive()
                self._digest = content.decode()
            case _:
                raise RefusedResultError("file", "a piece comes without a beginning")
        return None

    def _keep(self, incoming: IncomingFile) -> None:
        """Keep a file: an artifact by its digest, else the checkpoint of a training."""
        if self._digest:
            if incoming.sha256 != self._digest:
                raise RefusedResultError("artifact", "it has another digest")
            incoming.keep()
        elif self._payload.kept.room() < incoming.size:
            log = structlog.get_logger().bind(job_id=self._payload.job_id)
            log.warning("a checkpoint does not fit", bytes=incoming.size)
        else:
            incoming.finish()
            self._payload.kept.keep(unpack, incoming.path)

    def _refuse_missing(self, made: Made) -> None:
        for one in made.artifacts:
            if not self._artifacts.holds(one.sha256, one.size):
                raise RefusedResultError("artifacts", f"{one.name} did not come")

    def _drop(self) -> None:
        """Close the file that is on its way, and remove what was not kept of it."""
        if self._incoming is not None:
            with self._incoming:
                self._incoming = None

    def _task(self) -> Task:
        """Return what the node needs, with its files in the cluster.

        Raises:
            OSError: A file cannot be read.
        """
        payload = self._payload
        digest = payload.spec["network"].get("checkpoint")
        weights = None if digest is None else BlobStore(payload.checkpoints).path(digest)
        checkpoint = None
        newest = newest_checkpoint(payload.kept.root / payload.job_id)
        if newest is not None:
            file = payload.folder / "checkpoint.tar"
            pack(newest, file)
            checkpoint = _pieces(file)
            file.unlink()
        return Task(
            name=self._name,
            payload=replace(payload, offers=Offers()),
            # Of weights that were deleted the attempt says that they are missing.
            weights=_pieces(weights) if weights is not None and weights.is_file() else None,
            checkpoint=checkpoint,
            checkpoint_seconds=self._seconds,
            version=version("nas-bench-service"),
        )


def _pieces(path: Path) -> list[ray.ObjectRef[bytes]]:
    """Put a file into the cluster, piece by piece.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE), b"")]


def _crashed(message: str) -> Crashed:
    return Crashed(failure=Failure(kind="crash", message=message))


def _refuse_silence(address: str) -> None:
    """Refuse an address where nothing listens that could be Ray, which itself asks for minutes.

    Raises:
        NoClusterError: It is one.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise NoClusterError(_remedy(address, "it is not host:port"))
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_PREFACE)
            answer = connection.makefile("rb").read(_FRAME)
    except (OSError, OverflowError) as error:
        raise NoClusterError(_remedy(address, str(error))) from error
    if len(answer) < _FRAME or answer[3] != _SETTINGS:
        raise NoClusterError(_remedy(address, "what listens there is no Ray"))


def _remedy(address: str, reason: str) -> str:
    return (
        f"no Ray cluster at {address} ({reason}); start one with `ray start --head`, make this "
        "machine a node of it with `ray start --address HOST:6379`, and give HOST:6379 to --ray"
    )
