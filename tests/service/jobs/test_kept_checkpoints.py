from __future__ import annotations

import pytest

from service.jobs import Jobs
from service.jobs.errors import CheckpointInUseError, UnknownCheckpointError
from service.jobs.records import Checkpoint, NewJob


def keep(jobs: Jobs, content: bytes) -> Checkpoint:
    with jobs.checkpoints.receive(len(content)) as incoming:
        incoming.write(content)
        incoming.finish()
        checkpoint, _ = jobs.checkpoints.add(incoming, name="mine", tensors=1)
    return checkpoint


def naming(checkpoint: str | None, *, arch: str = "1") -> NewJob:
    spec = {"network": {"arch": arch, "checkpoint": checkpoint}}
    return NewJob(kind="model", spec=spec, key=f"{checkpoint}{arch}"[-64:])


def test_a_checkpoint_that_a_job_waits_for_stays_and_goes_once_it_does_not(jobs: Jobs) -> None:
    kept = keep(jobs, b"weights").sha256
    job, _ = jobs.store.submit(naming(kept))
    with pytest.raises(CheckpointInUseError, match=job.id):
        jobs.checkpoints.remove(kept)
    assert jobs.weights.path(kept).read_bytes() == b"weights"
    jobs.store.cancel(job.id)
    jobs.checkpoints.remove(kept)
    assert not jobs.weights.path(kept).exists()
    with pytest.raises(UnknownCheckpointError):
        jobs.checkpoints.remove(kept)
    with pytest.raises(UnknownCheckpointError):
        jobs.store.submit(naming(kept))


def test_a_digest_elsewhere_in_a_request_keeps_no_checkpoint(jobs: Jobs) -> None:
    kept = keep(jobs, b"weights").sha256
    jobs.store.submit(naming(None, arch=kept))
    jobs.checkpoints.remove(kept)
    assert jobs.checkpoints.page() == ([], None)


def test_a_file_that_no_row_lists_can_be_deleted(jobs: Jobs) -> None:
    with jobs.checkpoints.receive(None) as incoming:
        incoming.write(b"never listed")
        digest = incoming.keep()
    jobs.checkpoints.remove(digest)
    assert not list(jobs.weights.digests())
