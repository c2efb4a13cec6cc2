"""Jobs from a server over HTTP, for a worker without the database and the shared folders.

Files that an attempt needs are downloaded into a folder of the worker, and its artifacts are
uploaded before its result. Checkpoints of a training are uploaded while it runs, so that the next
attempt can resume anywhere. The lease decides whether the worker still holds a job: a worker that
reconnects too late is told that the lease is lost.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from service.jobs import JobSettings
from service.jobs.blob_store import BlobStore
from service.jobs.errors import LostLeaseError, RefusedResultError, StoreUnavailableError
from service.jobs.kinds import KINDS, new_job
from service.jobs.lease_tokens import text_of
from service.jobs.records import Artifact, Capabilities, Failure, Lease, Progress, WorkerState
from service.jobs.worker_wire import (
    ArtifactBody,
    Claim,
    ClaimedLease,
    Ending,
    FailureBody,
    Finish,
    Heartbeat,
    Leave,
    Outcome,
    ProgressBody,
    Renewal,
    RenewalAnswer,
    WorkerSettings,
)
from service.worker.attempt_files import AttemptPlaces, PrivateFiles
from service.worker.server_connection import ServerConnection, file_digest
from service.worker.source import RENEWALS

__all__ = ["HttpSource"]

M = TypeVar("M", bound=BaseModel)

_WAIT_SECONDS: Final = 5.0
"""Time that the server may delay the response to a claim; a stopping worker waits for it."""
_LONGEST_PAUSE: Final = 30.0
_LOOK_SECONDS: Final = 0.5
"""Pause between two checks whether the worker is to stop."""
_LONGEST_MESSAGE: Final = 2000


@dataclass
class _HeldJob:
    """A job that this worker holds.

    Attributes:
        files: The files of its attempt; None before `prepare`.
        renewed_at: When its lease was last renewed.
    """

    lease: Lease
    files: PrivateFiles | None = None
    renewed_at: float = field(default_factory=time.monotonic)


class HttpSource:
    """Jobs of a server.

    Args:
        server: The connection to the server.
        settings: Folders and limits of this worker; the server sets those of leases and attempts.
    """

    report_seconds: Final = 1.0

    def __init__(self, server: ServerConnection, settings: JobSettings) -> None:
        self._server = server
        # A separate folder, as a server on this machine may use the folder of the settings.
        self.settings = settings.model_copy(update={"jobs_dir": settings.folder / "over-http"})
        self._upload_bytes = 0
        # An empty catalog: canonical requests refer to no benchmark.
        self._catalog = Catalog(self.settings.folder / "none")
        self._claiming = threading.Lock()
        self._held: dict[tuple[str, int], _HeldJob] = {}
        self._failures = 0
        self._log = structlog.get_logger()

    def heartbeat(self, state: WorkerState) -> None:
        """Send the state of the worker, and apply the server's limits of leases and attempts."""
        told = asdict(state)
        for unknown in ("started_at", "seen_at", "alive"):
            del told[unknown]
        names = ("devices", "datasets", "trainers", "models", "running")
        lists = {name: list(told[name]) for name in names}
        said = self._server.post("/heartbeat", Heartbeat(**told | lists), WorkerSettings)
        if said is None:
            raise StoreUnavailableError(f"{self._server.shown} answers a heartbeat without content")
        self._upload_bytes = said.upload_bytes
        self.settings = self.settings.model_copy(
            update={"lease_seconds": said.lease_seconds, "job_seconds": said.job_seconds}
        )

    def deregister(self, worker_id: str) -> None:
        """Tell the server that the worker has stopped."""
        self._server.post("/leave", Leave(id=worker_id), Leave)

    def upkeep(self, dead: Collection[str]) -> None:
        """Do nothing: the server requeues lost jobs and stores the files."""

    def acquire(self, worker_id: str, can: Capabilities, until: Callable[[], bool]) -> Lease | None:
        """Ask for a job and wait for it at the server; one executor of the worker at a time."""
        while not self._claiming.acquire(timeout=_LOOK_SECONDS):
            if until():
                return None
        try:
            return None if until() else self._claim(worker_id, can)
        finally:
            self._claiming.release()

    def wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Return at once, as a claim has waited; after failures, back off exponentially."""
        if not self._failures:
            return
        longest = min(_LONGEST_PAUSE, seconds * 2 ** min(self._failures, 10))
        end = time.monotonic() + random.uniform(longest / 2, longest)  # noqa: S311 - spreads workers
        while time.monotonic() < end and not until():
            time.sleep(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))

    def prepare(self, lease: Lease, scratch: Path) -> AttemptPlaces:
        """Download the weights that the job names, and the checkpoint of an earlier attempt.

        Raises:
            OSError: The disk is full.
        """
        held = self._held[_key(lease)]
        held.files = files = PrivateFiles(lease, scratch, self.settings)
        self._fetch_weights(held, files)
        if "save_epochs" in lease.job.spec:
            files.fetch_checkpoint(partial(self._fetch_checkpoint, held))
            files.begin_saving(lambda file: self.upload("/saved", held, file, file_digest(file)))
        return files.places

    def renew(self, lease: Lease, progress: Progress | None) -> bool:
        """Renew a lease at the server; return whether the attempt is to be stopped."""
        told = None if progress is None else _progress_body(progress)
        body = Renewal(token=text_of(lease.token), progress=told)
        said = self._post(lease, "renew", body, RenewalAnswer)
        if held := self._held.get(_key(lease)):
            held.renewed_at = time.monotonic()
        return said is not None and said.cancel

    def succeed(self, lease: Lease, result: dict[str, Any], made: Sequence[Artifact]) -> None:
        """Upload the files and then the result; if the server refuses them, report a crash."""
        held = self._held[_key(lease)]
        assert held.files is not None  # noqa: S101 - an attempt was made there
        made_here = BlobStore(held.files.places.artifacts)
        try:
            held.files.stop_saving()
            for artifact in made:
                file = made_here.path(artifact.sha256)
                self.upload("/artifacts", held, file, artifact.sha256)
            body = Finish(
                token=text_of(lease.token),
                kind=lease.job.kind,
                result=result,
                artifacts=[ArtifactBody(**asdict(artifact)) for artifact in made],
            )
            self._post(lease, "finish", body, Finish)
        except (RefusedResultError, ValidationError) as error:
            self._log.warning("the server refuses a result", job_id=lease.job.id, reason=str(error))
            message = f"the server refuses the result of the worker: {error}"
            self.end(lease, "crashed", Failure(kind="refused-result", message=message))

    def end(self, lease: Lease, outcome: Outcome, failure: Failure | None = None) -> None:
        """End an attempt at the server; if released, upload its newest checkpoint first."""
        held = self._held.get(_key(lease))
        if outcome == "released" and held is not None and held.files is not None:
            held.files.stop_saving(after_the_newest=True)
        told = None
        if failure is not None:
            told = FailureBody(kind=failure.kind, message=failure.message[:_LONGEST_MESSAGE])
        body = Ending(token=text_of(lease.token), outcome=outcome, failure=told)
        self._post(lease, "end", body, Ending)

    def clean(self, lease: Lease) -> None:
        """Delete the folder of the attempt."""
        held = self._held.pop(_key(lease), None)
        if held is not None and held.files is not None:
            held.files.remove()

    def renew_if_due(self, held: _HeldJob) -> None:
        """Renew the lease of a job during a long upload or download."""
        if time.monotonic() - held.renewed_at > self.settings.lease_seconds / RENEWALS:
            held.renewed_at = time.monotonic()
            with suppress(StoreUnavailableError):
                self.renew(held.lease, None)

    def upload(self, path: str, held: _HeldJob, file: Path, sha256: str) -> None:
        """Upload a file of a job.

        Raises:
            RefusedResultError: The file exceeds the server's limit, or the server refuses it.
        """
        if file.stat().st_size > self._upload_bytes:
            raise RefusedResultError("file", f"it is larger than {self._upload_bytes} bytes")
        tick = partial(self.renew_if_due, held)
        self._server.upload(path, held.lease, file, sha256=sha256, tick=tick)

    def _claim(self, worker_id: str, can: Capabilities) -> Lease | None:
        if not self._upload_bytes:
            self._failures += 1
            raise StoreUnavailableError(f"{self._server.shown} has not answered yet")
        body = Claim(
            worker=worker_id,
            device=can.device,
            datasets=sorted(can.datasets),
            trainers=sorted(can.trainers),
            labels=sorted(can.labels),
            own_device=can.own_device,
            held=sorted({job_id for job_id, _ in self._held}),
            wait=_WAIT_SECONDS,
        )
        try:
            said = self._server.post("/claim", body, ClaimedLease)
            if said is None:
                self._failures = 0
                return None
            lease = said.lease(worker_id)
            self._hold(lease)
        except (LostLeaseError, StoreUnavailableError, RefusedResultError) as error:
            self._failures += 1
            raise StoreUnavailableError(str(error)) from error
        self._failures = 0
        return lease

    def _hold(self, lease: Lease) -> None:
        """Record that this worker holds a job.

        Raises:
            RefusedResultError: The worker holds it already, or its request is invalid.
        """
        if _key(lease) in self._held:
            raise RefusedResultError("job", "this worker is running it already")
        self._held[_key(lease)] = _HeldJob(lease)
        self._check_request(lease)

    def _check_request(self, lease: Lease) -> None:
        """Refuse a job whose request a genuine server would not have accepted.

        Raises:
            RefusedResultError: The request is invalid; the server has been told.
        """
        kind = KINDS[lease.job.kind]
        try:
            request = kind.request.model_validate(lease.job.spec)
            new = new_job(request, catalog=self._catalog, job_seconds=float("inf"))
            if new.spec == lease.job.spec:
                return
            reason = "its request is not in canonical form"
        except (ValidationError, InvalidQuestionError) as error:
            reason = str(error)[:_LONGEST_MESSAGE]
        message = f"the worker refuses the request: {reason}"
        try:
            self.end(lease, "crashed", Failure(kind="refused-request", message=message))
        finally:
            self.clean(lease)
        raise RefusedResultError("request", reason)

    def _fetch_weights(self, held: _HeldJob, files: PrivateFiles) -> None:
        digest = held.lease.job.spec["network"].get("checkpoint")
        if digest is None:
            return
        file, most = files.folder / "weights", self.settings.checkpoints_bytes
        # If the weights were deleted, the attempt reports them as missing.
        if self._download(f"/checkpoints/{digest}", held, file, most=most, sha256=digest):
            BlobStore(files.places.checkpoints).add(file)
            file.unlink()

    def _fetch_checkpoint(self, held: _HeldJob, file: Path) -> bool:
        query = f"job_id={held.lease.job.id}&token={text_of(held.lease.token)}"
        return self._download(f"/saved?{query}", held, file, most=self.settings.trainings_bytes)

    def _download(
        self, path: str, held: _HeldJob, file: Path, *, most: int, sha256: str | None = None
    ) -> bool:
        tick = partial(self.renew_if_due, held)
        return self._server.download(path, file, most=most, sha256=sha256, tick=tick)

    def _post(self, lease: Lease, what: str, body: BaseModel, answer: type[M]) -> M | None:
        return self._server.post(f"/jobs/{lease.job.id}/{what}", body, answer, lease)


def _key(lease: Lease) -> tuple[str, int]:
    return lease.job.id, lease.token


def _progress_body(progress: Progress) -> ProgressBody:
    figures = progress.figures
    return ProgressBody(
        stage=progress.stage[:100],
        done=progress.done,
        total=progress.total,
        message=progress.message[:_LONGEST_MESSAGE],
        figures=None if figures is None else {k: float(v) for k, v in figures.items()},
    )
