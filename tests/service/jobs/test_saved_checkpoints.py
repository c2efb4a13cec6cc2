"""Checkpoints of trainings in a bucket: the newest whole one of each, whatever breaks off."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bucket_server import BucketServer

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.errors import (
    DiskFullError,
    LostLeaseError,
    RefusedResultError,
    StoreUnavailableError,
    UnknownCheckpointError,
)
from service.jobs.kinds import spec_key
from service.jobs.records import Capabilities, Failure, Lease, NewJob

CPU = Capabilities(device="cpu")
HOURS = 2 * 3600.0


@pytest.fixture
def url(bucket_server: BucketServer) -> str:
    return bucket_server.fresh_url()


@pytest.fixture
def jobs(
    tmp_path: Path, jobs_url: str | None, bucket_server: BucketServer, url: str
) -> Iterator[Jobs]:
    """Jobs whose files are in the bucket."""
    settings = JobSettings(
        jobs_dir=tmp_path / "jobs", jobs_url=jobs_url, artifacts_url=url, trainings_bytes=10**6
    )
    with bucket_server.told(), open_jobs(settings) as opened:
        yield opened
    bucket_server.gate.reopen()


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint of a step into a file."""

    def write(step: int, weights: bytes = b"weights") -> Path:
        path = tmp_path / f"{step}.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as bundle:
            for name, content in (("state.json", b"{}"), ("weights.safetensors", weights)):
                info = tarfile.TarInfo(f"step-{step:012}/{name}")
                info.size = len(content)
                bundle.addfile(info, io.BytesIO(content))
        return path

    return write


def leased(jobs: Jobs, number: int = 0) -> Lease:
    spec: dict[str, Any] = {"network": {}, "number": number}
    jobs.store.submit(NewJob(kind="training", spec=spec, key=spec_key("training", spec)))
    lease = jobs.leases.acquire("w", CPU)
    assert lease is not None
    return lease


def newest(jobs: Jobs, lease: Lease, tmp_path: Path) -> bytes:
    found = jobs.saved.open(lease.job.id, tmp_path / "beside")
    with closing(found.file) as file:
        content = b"".join(iter(lambda: file.read(2**16), b""))
    assert len(content) == found.size
    return content


def test_the_newest_takes_the_place_of_the_one_before_and_goes_with_its_job(
    jobs: Jobs, bucket_server: BucketServer, url: str, packed: Any, tmp_path: Path
) -> None:
    lease = leased(jobs)
    with pytest.raises(UnknownCheckpointError):
        newest(jobs, lease, tmp_path)
    for step in (1, 2, 2, 3):
        jobs.saved.keep(lease, packed(step))
        assert newest(jobs, lease, tmp_path) == packed(step).read_bytes()
        assert len(bucket_server.keys(url)) == 1
    # It lies there for hours, and is no file that nobody needs.
    jobs.artifact_cache.evict()
    (sha256,) = [key.rpartition("/")[2] for key in bucket_server.keys(url) if "owner" not in key]
    bucket_server.age(url, sha256, HOURS)
    jobs.artifact_cache._swept = float("-inf")
    jobs.artifact_cache.evict()
    assert jobs.saved.forget_ended() == 0
    # Another worker goes on from it, and the first may change nothing any more.
    jobs.leases.release(lease)
    again = jobs.leases.acquire("v", CPU)
    assert again is not None
    assert newest(jobs, again, tmp_path) == packed(3).read_bytes()
    with pytest.raises(LostLeaseError):
        jobs.saved.keep(lease, packed(4))
    assert newest(jobs, again, tmp_path) == packed(3).read_bytes()
    jobs.leases.fail(again, Failure(kind="test", message="it ends"))
    assert jobs.saved.forget_ended() == 1
    assert sha256 not in "".join(bucket_server.keys(url))
    with pytest.raises(UnknownCheckpointError):
        newest(jobs, again, tmp_path)


def test_an_upload_that_breaks_off_leaves_the_last_whole_one(
    jobs: Jobs, bucket_server: BucketServer, url: str, packed: Any, tmp_path: Path
) -> None:
    lease = leased(jobs)
    jobs.saved.keep(lease, packed(1))
    bucket_server.gate.most = 100_000
    with pytest.raises(StoreUnavailableError):
        jobs.saved.keep(lease, packed(2, b"w" * 500_000))
    bucket_server.gate.reopen()
    assert newest(jobs, lease, tmp_path) == packed(1).read_bytes()
    assert len([key for key in bucket_server.keys(url) if "owner" not in key]) == 1
    jobs.saved.keep(lease, packed(3, b"w" * 500_000))
    assert newest(jobs, lease, tmp_path) == (tmp_path / "3.tar").read_bytes()


def test_what_is_no_checkpoint_or_too_much_is_refused(
    jobs: Jobs, bucket_server: BucketServer, url: str, packed: Any, tmp_path: Path
) -> None:
    lease = leased(jobs)
    jobs.saved.keep(lease, packed(1, b"w" * 300_000))
    other = leased(jobs, 1)
    with pytest.raises(DiskFullError):
        jobs.saved.keep(other, packed(2, b"x" * 800_000))
    (tmp_path / "odd").write_bytes(packed(3).read_bytes()[:700])
    with pytest.raises(RefusedResultError):
        jobs.saved.keep(other, tmp_path / "odd")
    assert len([key for key in bucket_server.keys(url) if "owner" not in key]) == 1


@pytest.mark.parametrize("happen", ["removed", "cut"])
def test_one_that_is_gone_or_damaged_is_none(
    jobs: Jobs, bucket_server: BucketServer, url: str, packed: Any, tmp_path: Path, happen: str
) -> None:
    lease = leased(jobs)
    jobs.saved.keep(lease, packed(1))
    (sha256,) = [key.rpartition("/")[2] for key in bucket_server.keys(url)]
    if happen == "removed":
        jobs.artifacts.remove(sha256)
    else:
        bucket_server.change(url, sha256, b"other")
    with pytest.raises(UnknownCheckpointError):
        newest(jobs, lease, tmp_path)


def test_two_jobs_with_the_same_checkpoint_keep_it(
    jobs: Jobs, bucket_server: BucketServer, url: str, packed: Any, tmp_path: Path
) -> None:
    first, second = leased(jobs), leased(jobs, 1)
    for lease in (first, second):
        jobs.saved.keep(lease, packed(1))
    jobs.leases.fail(first, Failure(kind="test", message="it ends"))
    assert jobs.saved.forget_ended() == 1
    assert newest(jobs, second, tmp_path) == packed(1).read_bytes()
    jobs.saved.keep(second, packed(2))
    assert len(bucket_server.keys(url)) == 1
