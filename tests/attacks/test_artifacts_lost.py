"""Artifacts that are thrown away, cut, deleted or damaged while somebody reads them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import pytest
from bench_server import BenchServer

from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.records import Artifact, Capabilities, Job

NETWORK: Final = {"benchmark": "nasbench201", "dataset": "cifar10"}
SIZE: Final = 24 * 2**20
"""More than sockets hold: whoever reads a part of it keeps the server sending."""
HOURS_AGO: Final = 3 * 3600.0
CAN: Final = Capabilities(device="cpu")


@pytest.fixture(scope="module")
def server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchServer]:
    server = BenchServer(tmp_path_factory.mktemp("artifacts"), directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def jobs(server: BenchServer) -> Iterator[Jobs]:
    with open_jobs(JobSettings(jobs_dir=server.jobs_folder)) as opened:
        yield opened


@pytest.fixture
def content() -> bytes:
    return os.urandom(2**20) * (SIZE // 2**20)


@pytest.fixture
def made(server: BenchServer, jobs: Jobs, content: bytes, tmp_path: Path) -> Job:
    """A job that made a file, hours ago."""
    return make(server, jobs, content, tmp_path)


def make(server: BenchServer, jobs: Jobs, content: bytes, folder: Path, *, arch: int = 1) -> Job:
    network = NETWORK | {"arch": arch}
    answer = httpx.post(f"{server.url}/v1/models", json={"network": network})
    assert answer.status_code == 202, answer.text
    claim = jobs.leases.acquire("hand", CAN)
    assert claim is not None
    file = folder / "made"
    file.write_bytes(content)
    sha256, size = jobs.artifacts.add(file)
    artifact = Artifact(name="report.json", media_type="text/json", size=size, sha256=sha256)
    jobs.leases.succeed(claim, {}, [artifact])
    then = time.time() - HOURS_AGO
    os.utime(jobs.artifact_folder.path(sha256), (then, then))
    return jobs.store.get(claim.job.id)


def file_of(jobs: Jobs, job: Job) -> Path:
    return jobs.artifact_folder.path(job.artifacts[0].sha256)


def address(server: BenchServer, job: Job) -> str:
    return f"{server.url}/v1/jobs/{job.id}/artifacts/report.json"


def evict_all(server: BenchServer) -> None:
    """Throw all artifacts away, as a worker does."""
    settings = JobSettings(jobs_dir=server.jobs_folder, artifact_bytes=1)
    with open_jobs(settings) as other:
        other.artifact_cache.evict()


def assert_expired(server: BenchServer, jobs: Jobs, job: Job, **headers: str) -> None:
    answer = httpx.get(address(server, job), headers=headers, timeout=30)
    assert answer.status_code == 404
    assert answer.json()["type"].endswith(":unknown-artifact")
    assert jobs.store.get(job.id).state == "expired"


def test_a_file_that_is_thrown_away_while_it_is_sent_is_sent_to_its_end(
    server: BenchServer, jobs: Jobs, made: Job, content: bytes
) -> None:
    with httpx.stream("GET", address(server, made), timeout=30) as answer:
        pieces = answer.iter_bytes(2**20)
        begun = next(pieces)
        evict_all(server)
        assert not file_of(jobs, made).exists()
        found = begun + b"".join(pieces)
    assert found == content
    assert_expired(server, jobs, made)
    # The rest of a download that was broken off is no part of something else.
    tag = f'"{made.artifacts[0].sha256}"'
    assert_expired(server, jobs, made, **{"Range": "bytes=100-", "If-Range": tag})


def test_a_file_that_is_cut_while_it_is_sent_ends_the_connection(
    server: BenchServer, jobs: Jobs, made: Job, content: bytes, tmp_path: Path
) -> None:
    with httpx.stream("GET", address(server, made), timeout=30) as answer:
        pieces = answer.iter_bytes(2**20)
        got = [next(pieces)]
        os.truncate(file_of(jobs, made), SIZE // 2)
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(pieces)
    assert content.startswith(b"".join(got))
    assert_expired(server, jobs, made)
    again = make(server, jobs, content, tmp_path)
    assert httpx.get(address(server, again), timeout=30).content == content
    evict_all(server)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, SIZE - 1),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: shutil.rmtree(path.parent),
    ],
    ids=["deleted", "emptied", "cut", "longer", "folder deleted"],
)
def test_a_file_that_is_gone_or_damaged_is_404_and_made_anew_when_it_is_asked_for(
    server: BenchServer,
    jobs: Jobs,
    made: Job,
    content: bytes,
    tmp_path: Path,
    damage: Callable[[Path], object],
) -> None:
    damage(file_of(jobs, made))
    assert httpx.get(address(server, made), timeout=30).status_code == 404
    assert_expired(server, jobs, made)
    again = make(server, jobs, content, tmp_path)
    assert again.id != made.id
    assert httpx.get(address(server, again), timeout=30).content == content
    evict_all(server)


@pytest.mark.parametrize("in_the_way", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_cannot_be_read_is_503_and_the_job_keeps_it(
    server: BenchServer, jobs: Jobs, made: Job, in_the_way: Callable[[Path], object]
) -> None:
    file = file_of(jobs, made)
    aside = file.rename(file.with_name("aside"))
    in_the_way(file)
    try:
        answer = httpx.get(address(server, made), timeout=30)
        # A folder has a size of its own, which is not that of the file.
        assert answer.status_code == 503
        assert jobs.store.get(made.id).state == "succeeded"
    finally:
        file.rmdir() if file.is_dir() else file.unlink()
        aside.rename(file)
    assert httpx.get(address(server, made), timeout=30).status_code == 200
    evict_all(server)


def test_a_folder_that_is_away_for_a_while_expires_nothing(server: BenchServer, made: Job) -> None:
    folder = server.jobs_folder / "artifacts"
    away = folder.rename(folder.with_name("away"))
    assert httpx.get(address(server, made), timeout=30).status_code == 404
    away.rename(folder)
    assert httpx.get(address(server, made), timeout=30).status_code == 200
    evict_all(server)


def test_a_download_does_not_wait_for_a_database_that_is_locked(
    server: BenchServer, made: Job, content: bytes
) -> None:
    with closing(sqlite3.connect(server.jobs_folder / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        assert httpx.get(address(server, made), timeout=30).content == content
        assert time.monotonic() - begun < 10
    evict_all(server)


def is_whole_or_gone(answer: httpx.Response) -> bool:
    digest = hashlib.sha256(answer.content).hexdigest()
    return answer.status_code == 404 or answer.headers.get("ETag") == f'"{digest}"'


def test_evictions_at_once_and_readers_beside_them_never_meet_half_a_file(
    server: BenchServer, jobs: Jobs, tmp_path: Path
) -> None:
    stop = threading.Event()
    wrong: list[httpx.Response] = []

    def read_again_and_again() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                for job in jobs.store.page(limit=3)[0]:
                    answer = client.get(address(server, job))
                    if not is_whole_or_gone(answer):
                        wrong.append(answer)

    def evict_again_and_again() -> None:
        while not stop.is_set():
            evict_all(server)

    threads = [threading.Thread(target=evict_again_and_again) for _ in range(2)]
    threads += [threading.Thread(target=read_again_and_again) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for arch in range(10):  # what the last one made may not have been thrown away yet
            make(server, jobs, os.urandom(2**18), tmp_path, arch=arch)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    evict_all(server)
    assert wrong == []
    assert {job.state for job in jobs.store.page()[0]} == {"expired"}
    assert list(jobs.artifact_folder.incomplete()) == []
    assert list(jobs.artifacts.digests()) == []
