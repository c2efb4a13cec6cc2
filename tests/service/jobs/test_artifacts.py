"""Files by content: whole or not there, kept within bounds, never gone while they are needed."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest
from job_requests import RunProgram

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.blob_store import BlobStore
from service.jobs.errors import UnknownArtifactError
from service.jobs.kinds import spec_key
from service.jobs.records import Artifact, Capabilities, Job, JobState, NewJob
from service.jobs.tables import ContentRow

CPU = Capabilities(device="cpu")
HOURS = 2 * 3600.0

FILL = """
import resource
from pathlib import Path
from service.jobs.blob_store import BlobStore
# Python ignores SIGXFSZ, so that a write beyond the limit fails as on a full disk.
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    BlobStore(Path(FOLDER)).add(Path(FILE))
except OSError as error:
    print(type(error).__name__)
"""
KILLED = """
import os, signal
from pathlib import Path
from service.jobs.blob_store import BlobStore
with BlobStore(Path(FOLDER)).receive() as incoming:
    incoming.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def made(jobs: Jobs, number: int, content: bytes, tmp_path: Path, *, old: bool = True) -> Job:
    """Return a job that succeeded with a file of that content, made hours ago if old."""
    spec = {"number": number}
    new = NewJob(kind="model", spec=spec, key=spec_key("model", spec))
    job, _ = jobs.store.submit(new)
    claim = jobs.leases.acquire("w", CPU)
    assert claim is not None
    file = tmp_path / "file"
    file.write_bytes(content)
    sha256, size = jobs.artifacts.add(file)
    if old:
        aged(jobs.artifact_folder.path(sha256))
    artifact = Artifact(name="f", media_type="text/plain", size=size, sha256=sha256)
    jobs.leases.succeed(claim, {}, [artifact])
    return jobs.store.get(job.id)


def aged(path: Path) -> None:
    then = time.time() - HOURS
    os.utime(path, (then, then))


def unused_for(jobs: Jobs, job: Job, days: float) -> None:
    """Let the files of a job have been used so long ago."""
    digests = [artifact.sha256 for artifact in job.artifacts]
    database = jobs.store._database
    query = ContentRow.update(used_at=database.now() - days * 86400)
    database.write(lambda: database.change(query.where(ContentRow.sha256.in_(digests))))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_gets_the_name_of_its_content_once(tmp_path: Path) -> None:
    folder = BlobStore(tmp_path / "contents")
    (tmp_path / "a").write_bytes(b"same")
    assert folder.add(tmp_path / "a") == folder.add(tmp_path / "a") == (digest(b"same"), 4)
    assert list(folder.digests()) == [digest(b"same")]
    assert list(folder.incomplete()) == []


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "/etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"]
)
def test_what_is_no_digest_is_never_joined_into_a_path(tmp_path: Path, name: str) -> None:
    folder = BlobStore(tmp_path)
    with pytest.raises(UnknownArtifactError):
        folder.path(name)
    with pytest.raises(UnknownArtifactError):
        folder.remove(name)


def test_a_file_that_does_not_fit_leaves_nothing(tmp_path: Path, run_program: RunProgram) -> None:
    (tmp_path / "large").write_bytes(bytes(3 * 2**20))
    bounded = run_program(FILL, FOLDER=str(tmp_path / "contents"), FILE=str(tmp_path / "large"))
    assert (bounded.stdout, bounded.returncode) == ("OSError\n", 0)
    assert [path for path in (tmp_path / "contents").rglob("*") if path.is_file()] == []


def test_what_a_killed_process_began_is_swept_after_an_hour(
    jobs: Jobs, run_program: RunProgram
) -> None:
    killed = run_program(KILLED, FOLDER=str(jobs.settings.artifacts_dir))
    assert killed.returncode == -signal.SIGKILL
    (begun,) = jobs.artifact_folder.incomplete()
    jobs.artifact_cache.evict()
    assert begun.exists()
    aged(begun)
    jobs.artifact_cache.evict()
    assert not begun.exists()


def test_a_file_of_a_try_that_came_to_nothing_is_swept_after_an_hour(
    jobs: Jobs, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"of a lost try")
    sha256, _ = jobs.artifacts.add(tmp_path / "file")
    kept = made(jobs, 0, b"of a job", tmp_path)
    jobs.artifact_cache.evict()
    assert jobs.artifact_folder.path(sha256).exists()
    aged(jobs.artifact_folder.path(sha256))
    jobs.artifact_cache.evict()
    assert list(jobs.artifacts.digests()) == [kept.artifacts[0].sha256]


def test_too_much_makes_the_files_go_that_were_used_longest_ago(
    job_settings: JobSettings, tmp_path: Path
) -> None:
    with open_jobs(job_settings.model_copy(update={"artifact_bytes": 25})) as jobs:
        ended = [made(jobs, number, b"%010d" % number, tmp_path) for number in range(3)]
        jobs.artifact_cache.touch(ended[0].artifacts[0].sha256)
        assert jobs.artifact_cache.evict() == 1
        states = [jobs.store.get(job.id).state for job in ended]
        assert states == [JobState.SUCCEEDED, JobState.EXPIRED, JobState.SUCCEEDED]
        there = [jobs.artifact_folder.path(job.artifacts[0].sha256).exists() for job in ended]
        assert there == [True, False, True]
        assert jobs.store.get(ended[1].id).artifacts == ()
        assert jobs.artifact_cache.evict() == 0


def test_an_expired_job_answers_no_more_and_may_be_asked_for_again(
    job_settings: JobSettings, tmp_path: Path
) -> None:
    with open_jobs(job_settings.model_copy(update={"artifact_days": 1e-9})) as jobs:
        first = made(jobs, 0, b"old", tmp_path)
        time.sleep(0.01)
        jobs.artifact_cache.evict()
        assert jobs.store.get(first.id).state is JobState.EXPIRED
        assert made(jobs, 0, b"old", tmp_path).id != first.id


def test_what_was_not_used_for_so_many_days_goes_and_what_was_used_stays(
    job_settings: JobSettings, tmp_path: Path
) -> None:
    with open_jobs(job_settings.model_copy(update={"artifact_days": 3})) as jobs:
        ended = [made(jobs, number, b"%d" % number, tmp_path) for number in range(3)]
        for job, days in zip(ended, (4, 2, 4), strict=True):
            unused_for(jobs, job, days)
        jobs.artifact_cache.touch(ended[2].artifacts[0].sha256)
        assert jobs.artifact_cache.evict() == 1
        states = [jobs.store.get(job.id).state for job in ended]
        assert states == [JobState.EXPIRED, JobState.SUCCEEDED, JobState.SUCCEEDED]


def test_content_of_two_jobs_is_kept_once_and_its_end_expires_both(
    job_settings: JobSettings, tmp_path: Path
) -> None:
    with open_jobs(job_settings.model_copy(update={"artifact_bytes": 9})) as jobs:
        ended = [made(jobs, number, b"0123456789", tmp_path) for number in range(2)]
        assert ended[0].artifacts == ended[1].artifacts
        assert jobs.artifact_cache.evict() == 1
        assert {jobs.store.get(job.id).state for job in ended} == {JobState.EXPIRED}


def test_a_file_that_a_job_is_about_to_list_outlives_the_eviction_of_its_content(
    job_settings: JobSettings, tmp_path: Path
) -> None:
    with open_jobs(job_settings.model_copy(update={"artifact_bytes": 5})) as jobs:
        old = made(jobs, 0, b"0123456789", tmp_path)
        # Another job has just made the same file and not yet ended.
        (tmp_path / "file").write_bytes(b"0123456789")
        sha256, _ = jobs.artifacts.add(tmp_path / "file")
        assert jobs.artifact_cache.evict() == 1
        assert jobs.store.get(old.id).state is JobState.EXPIRED
        assert jobs.artifact_folder.path(sha256).read_bytes() == b"0123456789"
