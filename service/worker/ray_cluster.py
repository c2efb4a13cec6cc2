"""Runs the attempts of a worker as tasks of a Ray cluster, which chooses the node.

The job table stays authoritative: the worker claims jobs and renews leases as usual, and each
attempt is one task that Ray never retries. If its node is lost, the attempt is lost and the job is
requeued.

Ray transfers pickles and has no users: anybody with access to the cluster can run code on it and on
the machine of this worker.
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
    Lost,
    Payload,
    Released,
    Started,
    Succeeded,
    decode_event,
    too_much_memory,
)
from service.worker.equipment import DeviceChoice, MissingDeviceError
from service.worker.offers import Offers
from service.worker.places import Places
from service.worker.ray_node import PIECE, ReleaseRequests, Task, attempt_on_node

__all__ = ["NoClusterError", "RayAttempt", "RayCluster"]

_SECONDS: Final = 5.0
"""Timeout of the first response from the address."""
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""HTTP/2 client preface with an empty SETTINGS frame; Ray's gRPC uses HTTP/2."""
_FRAME_HEADER_BYTES: Final = 9
_SETTINGS_FRAME: Final = 4
_WAITING_SECONDS: Final = 600.0
"""Time after which a job whose task no node has started is released."""
_BUFFERED_MESSAGES: Final = 4
"""Messages buffered for the worker, after which the task on the node blocks."""


class NoClusterError(RuntimeError):
    """There is no Ray cluster at an address."""


class RayCluster:
    """A connection to a Ray cluster that includes this machine; `close` ends the connection.

    Args:
        address: `host:port` of the head node, or `auto` for the cluster of this machine.
        checkpoint_seconds: Least time between two checkpoints that a training sends.

    Raises:
        NoClusterError: There is no cluster at the address.
    """

    def __init__(self, address: str, *, checkpoint_seconds: float = 10.0) -> None:
        if address != "auto":
            _check_address(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0][:300]
            raise NoClusterError(_no_cluster(address, reason)) from error
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._checkpoint_seconds = checkpoint_seconds
        self._requests: Any = (
            ray.remote(ReleaseRequests)
            .options(num_cpus=0, max_restarts=-1, scheduling_strategy=here)
            .remote()
        )

    def close(self) -> None:
        """Disconnect from the cluster, which keeps running."""
        ray.shutdown()

    def places(
        self, choice: DeviceChoice, *, slots: int | None, threads: int | None, share: int
    ) -> Places:
        """Return the devices and slots that the cluster has now.

        Args:
            choice: `auto` uses its GPUs if it has any, otherwise its processors.
            slots: Attempts at a time; None: as many as fit on its nodes.
            threads: Number of processor cores per attempt; None: one.
            share: How many attempts share a GPU.

        Raises:
            MissingDeviceError: GPUs are required and there is none.
        """
        has: dict[str, float] = ray.cluster_resources()
        gpus = 0 if choice == "cpu" else int(has.get("GPU", 0))
        if choice == "cuda" and not gpus:
            raise MissingDeviceError(
                "no node of the Ray cluster has a GPU; `--device cpu` uses the processors"
            )
        cores = threads or 1
        room = gpus * share if gpus else int(has.get("CPU", 0)) // cores
        # Ray reports the memory of nodes, but not that of their GPUs.
        device = DeviceState(
            name="cuda:0" if gpus else "cpu",
            kind="cuda" if gpus else "cpu",
            model="Ray",
            memory=int(has.get("memory", 0)),
        )
        start = partial(
            RayAttempt,
            self._requests,
            gpus=1 / share if gpus else 0,
            seconds=self._checkpoint_seconds,
        )
        return Places(devices=[device], slots=slots or max(1, room), cores=cores, start=start)


class RayAttempt:
    """An attempt as a task of a Ray cluster.

    Args:
        requests: The actor that passes release requests to the task.
        payload: The job; its folders are those of the worker.
        gpus: Number of GPUs it needs, or the fraction of one.
        seconds: Least time between two of its checkpoints.
    """

    def __init__(self, requests: Any, payload: Payload, *, gpus: float, seconds: float) -> None:
        self._requests = requests
        self._payload = payload
        self._gpus = gpus
        self._seconds = seconds
        self._name = uuid4().hex
        self._messages: Any = None
        self._submitted_at = 0.0
        self._has_begun = self._has_ended = self._is_released = False
        self._artifacts = BlobStore(payload.artifacts)
        self._incoming: IncomingFile | None = None
        self._digest = ""

    def __enter__(self) -> Self:
        """Submit the task.

        Raises:
            OSError: A file of the payload cannot be read.
            StoreUnavailableError: The cluster refuses the task.
        """
        options = {
            "num_cpus": self._payload.threads,
            "num_gpus": self._gpus,
            "max_retries": 0,
            "num_returns": "streaming",
            "name": f"job {self._payload.job_id}",
            "_generator_backpressure_num_objects": _BUFFERED_MESSAGES,
        }
        try:
            task = ray.remote(attempt_on_node).options(**options)
            self._messages = task.remote(self._task(), self._requests)
        except RayError as error:
            raise StoreUnavailableError(f"the Ray cluster refuses the task: {error}") from error
        self._submitted_at = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel the task and its process, unless it has ended."""
        self._discard_incoming()
        if not self._has_ended:
            with suppress(RayError):
                ray.cancel(self._messages, force=True)
            with suppress(RayError):
                self._requests.forget.remote(self._name)

    def next_event(self, seconds: float) -> Event | None:
        """Return the next event, or None after `seconds` without one or at a chunk of a file.

        Raises:
            OSError: A file cannot be stored.
        """
        if self._is_released:
            return Released()
        try:
            ready, _ = ray.wait([self._messages], timeout=seconds, fetch_local=False)
            if not ready:
                self._is_released = (
                    not self._has_begun and time.monotonic() - self._submitted_at > _WAITING_SECONDS
                )
                return None
            kind, content = ray.get(next(self._messages))
        except StopIteration:
            self._has_ended = True
            return _crashed("the task of the job ended without reporting a result")
        except RayError as error:
            self._has_ended = True
            return self._event_for_error(error)
        try:
            return self._handle_message(kind, content)
        except RefusedResultError as error:
            return _crashed(f"the node sent an invalid file: {error}")

    def request_release(self) -> None:
        """Ask the task to stop where another attempt can resume; a waiting one ends at once."""
        if not self._has_begun:
            self._is_released = True
            return
        with suppress(RayError):
            self._requests.request.remote(self._name)

    def takes_more_than(self, memory: int) -> bool:  # noqa: ARG002 - of another machine
        """Return False: the memory of another machine is checked there."""
        return False

    def _event_for_error(self, error: RayError) -> Event:
        """Return the final event for an error of the task that Ray reports."""
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
            return Released()
        return Lost(reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")

    def _handle_message(self, kind: str, content: bytes) -> Event | None:
        """Handle a message of the task and return its event, if it is one.

        Raises:
            RefusedResultError: A file has another digest or is missing.
            OSError: A file cannot be written.
        """
        match kind:
            case "event":
                event = decode_event(content)
                self._has_begun = True
                self._has_ended = not isinstance(event, Started | Progress)
                if isinstance(event, Succeeded):
                    self._refuse_missing(event)
                return event
            case "piece" if self._incoming is not None:
                self._incoming.write(content)
            case "end" if self._incoming is not None:
                self._keep(self._incoming)
                self._discard_incoming()
            case "artifact" | "checkpoint":
                self._discard_incoming()
                self._incoming = self._artifacts.receive()
                self._digest = content.decode()
            case _:
                raise RefusedResultError("file", "a chunk comes before the start of its file")
        return None

    def _keep(self, incoming: IncomingFile) -> None:
        """Store a received file: an artifact if it has a digest, else a checkpoint."""
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

    def _refuse_missing(self, made: Succeeded) -> None:
        for one in made.artifacts:
            if not self._artifacts.holds(one.sha256, one.size):
                raise RefusedResultError("artifacts", f"{one.name} was not sent")

    def _discard_incoming(self) -> None:
        """Close and delete the file that is being received, unless it was stored."""
        if self._incoming is not None:
            with self._incoming:
                self._incoming = None

    def _task(self) -> Task:
        """Return the task for the node, with its files in Ray's object store.

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
            # If the weights were deleted, the attempt reports them as missing.
            weights=_pieces(weights) if weights is not None and weights.is_file() else None,
            checkpoint=checkpoint,
            checkpoint_seconds=self._seconds,
            version=version("nas-bench-service"),
        )


def _pieces(path: Path) -> list[ray.ObjectRef[bytes]]:
    """Put a file into Ray's object store in chunks.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE), b"")]


def _crashed(message: str) -> Crashed:
    return Crashed(failure=Failure(kind="crash", message=message))


def _check_address(address: str) -> None:
    """Raise if no HTTP/2 server listens at an address, where Ray itself would wait for minutes.

    Raises:
        NoClusterError: The address is malformed, or no such server listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise NoClusterError(_no_cluster(address, "it is not host:port"))
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_HTTP2_PREFACE)
            answer = connection.makefile("rb").read(_FRAME_HEADER_BYTES)
    except (OSError, OverflowError) as error:
        raise NoClusterError(_no_cluster(address, str(error))) from error
    if len(answer) < _FRAME_HEADER_BYTES or answer[3] != _SETTINGS_FRAME:
        raise NoClusterError(_no_cluster(address, "another program than Ray listens there"))


def _no_cluster(address: str, reason: str) -> str:
    return (
        f"no Ray cluster at {address} ({reason}); start one with `ray start --head`, make this "
        "machine a node of it with `ray start --address HOST:6379`, and give HOST:6379 to --ray"
    )
