"""Servers and workers that share a database and a bucket, and no folder."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer, ending_together
from bucket_server import SECRET, BucketServer
from forked_nbs import ForkedProcess, start_nbs
from training_jobs import ARGUMENTS, LONG, SAMPLE, last_epoch, write_images

from bench_client import BenchClient
from service.jobs.records import Artifact, Job, JobState
from service.jobs.tables import ContentRow, JobRow, SavedRow

from .conftest import NETWORK, WORKER, Lab, open_lab

LEASE: Final = 8.0
HOURS: Final = 3 * 3600.0


@dataclass
class Shared:
    """Two servers and a lab on one database and one bucket, each with a folder of its own."""

    folder: Path
    lab: Lab
    servers: tuple[BenchServer, BenchServer]
    bucket: BucketServer
    url: str

    def file(self, job: Job, server: int = 0, **headers: str) -> httpx.Response:
        """Ask a server for the weights that a job made."""
        address = f"{self.servers[server].url}/v1/jobs/{job.id}/artifacts/network.safetensors"
        return httpx.get(address, headers=headers, timeout=30)

    def worker(self) -> ForkedProcess:
        """Return the worker, which has the database and the bucket; a new one where none lives."""
        alive = [process for process in self.lab.started if process.poll() is None]
        return alive[0] if alive else self.lab.work()

    def end_worker(self) -> ForkedProcess | None:
        """Tell the worker to stop, and return it when it has; None where none lives."""
        for process in self.lab.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
                return process
        return None

    @contextmanager
    def working_over_http(self, folder: Path, **environment: str) -> Iterator[Path]:
        """Have a worker of the second server alone, and tell its log."""
        self.end_worker()
        told = {"NASBENCH_JOBS_DIR": str(folder / "far"), "OMP_NUM_THREADS": "1", **environment}
        log = folder / "worker.log"
        with log.open("wb") as output:
            process = start_nbs(*WORKER, "--server", self.servers[1].url, env=told, stderr=output)
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def wait_for_the_bucket(self, job: Job, log: Path, says: str) -> None:
        """Wait until what was made has waited for longer than a lease, which is renewed."""
        self.lab.until(lambda: says in log.read_text())
        over = self._lease_end(job)
        self.lab.until(lambda: self._lease_end(job) > over + LEASE)
        assert self.lab.jobs.store.get(job.id).state is JobState.RUNNING

    def _lease_end(self, job: Job) -> float:
        query = JobRow.select(JobRow.lease_until).where(JobRow.id == job.id)
        (row,) = self.lab.jobs.database.read(lambda: self.lab.jobs.database.rows(query))
        return float(row["lease_until"] or 0)

    def ask_for(self, seed: int) -> Job:
        """Ask the first server for a network; each seed is a job of its own."""
        network = {"space": "NasBench201", "arch": NETWORK["arch"], "seed": seed}
        body = {"network": network, "formats": ["safetensors", "report"]}
        answer = httpx.post(f"{self.servers[0].url}/v1/models", json=body)
        assert answer.status_code == 202, answer.text
        return self.lab.jobs.store.get(answer.json()["id"])

    def built(self, seed: int) -> Job:
        """Have a network built by whoever works."""
        job = self.lab.end_of(self.ask_for(seed))
        assert job.state is JobState.SUCCEEDED, job
        return job


@pytest.fixture(scope="module")
def lasting(
    directory: Path, tmp_path_factory: pytest.TempPathFactory, running_bucket: BucketServer
) -> Iterator[Shared]:
    url, folder = running_bucket.fresh_url(), tmp_path_factory.mktemp("shared")
    told = {
        "NASBENCH_JOBS_URL": f"sqlite:///{folder / 'jobs.db'}",
        "NASBENCH_ARTIFACTS_URL": url,
        "NASBENCH_LEASE_SECONDS": str(LEASE),
    }
    with (
        running_bucket.told(),
        open_lab(folder / "lab", **told) as lab,
        ending_together() as start,
    ):
        servers = [BenchServer(folder / name, directory, **told) for name in ("one", "two")]
        for server in servers:
            server.folder.mkdir()
            start(server)
        yield Shared(folder, lab, (servers[0], servers[1]), running_bucket, url)


@pytest.fixture
def shared(lasting: Shared) -> Iterator[Shared]:
    """What the tests share, with the bucket in reach."""
    yield lasting
    lasting.bucket.gate.reopen()


def weights(job: Job) -> Artifact:
    found = job.artifact("network.safetensors")
    assert found is not None
    return found


def test_what_any_worker_made_any_server_sends(shared: Shared, tmp_path: Path) -> None:
    worker = shared.worker()
    mine = shared.built(1)
    assert shared.end_worker() is worker
    assert shared.url in shared.lab.log(worker)
    with shared.working_over_http(tmp_path) as log:
        shared.bucket.gate.shut()
        waiting = shared.ask_for(2)
        shared.wait_for_the_bucket(waiting, log, "the store of the artifacts does not answer")
        shared.bucket.gate.reopen()
        theirs = shared.lab.end_of(waiting)
    assert (theirs.state, theirs.attempts) == (JobState.SUCCEEDED, 1)
    for job in (mine, theirs):
        sent = [shared.file(job, server) for server in (0, 1)]
        assert [answer.status_code for answer in sent] == [200, 200]
        assert {hashlib.sha256(answer.content).hexdigest() for answer in sent} == {
            weights(job).sha256
        }
        part = shared.file(job, 1, Range="bytes=5-104")
        assert (part.status_code, part.content) == (206, sent[0].content[5:105])
    there = {key.rpartition("/")[2] for key in shared.bucket.keys(shared.url)}
    assert there - {"owner"} == {made.sha256 for job in (mine, theirs) for made in job.artifacts}
    # Nothing is left where it was made.
    for folder in (tmp_path, shared.folder):
        assert not [path for path in folder.rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)]
        assert not list(folder.glob("**/incoming/*"))


def test_a_bucket_that_is_away_costs_downloads_and_nothing_else(shared: Shared) -> None:
    worker = shared.worker()
    first = shared.built(3)
    shared.bucket.gate.shut()
    answer = shared.file(first)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    problem = answer.json()
    assert problem["type"].endswith(":artifacts-unavailable")
    assert not {"AWS", SECRET, "http:", "s3:"} & set(problem["detail"].split())
    ask = shared.servers[0].url
    assert httpx.get(f"{ask}/v1/nasbench201/computed-stats?arch=0").status_code == 200
    assert httpx.get(f"{ask}/v1/jobs/{first.id}").json()["state"] == "succeeded"
    waiting = shared.ask_for(4)
    number = shared.lab.started.index(worker)
    log = shared.lab.jobs.settings.folder / f"worker-{number}.log"
    shared.wait_for_the_bucket(waiting, log, "did not put a file")
    shared.bucket.gate.reopen()
    ended = shared.lab.end_of(waiting)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    assert hashlib.sha256(shared.file(ended).content).hexdigest() == weights(ended).sha256
    assert shared.file(first).status_code == 200
    assert shared.lab.jobs.store.get(first.id).state is JobState.SUCCEEDED
    # What waits for the bucket may be cancelled.
    shared.bucket.gate.shut()
    before = log.read_text().count("did not put a file")
    unwanted = shared.ask_for(9)
    shared.lab.until(lambda: log.read_text().count("did not put a file") > before)
    assert httpx.post(f"{ask}/v1/jobs/{unwanted.id}/cancel").is_success
    assert shared.lab.end_of(unwanted).state is JobState.CANCELLED


def test_a_bucket_that_stalls_is_503_in_time(shared: Shared) -> None:
    shared.worker()
    job = shared.built(5)
    shared.bucket.gate.stalled = True
    ask = shared.servers[0].url
    with httpx.Client(timeout=30) as client:
        answer = client.get(f"{ask}/v1/jobs/{job.id}/artifacts/network.safetensors")
        assert answer.status_code == 503
        assert answer.elapsed.total_seconds() < 20
        assert client.get(f"{ask}/v1/jobs/{job.id}").status_code == 200


def test_a_training_goes_on_from_the_bucket_on_machines_that_share_no_folder(
    shared: Shared, tmp_path: Path
) -> None:
    shared.end_worker()
    lab = shared.lab
    write_images(tmp_path / "datasets/tiny")
    own = {"NASBENCH_DATASETS_DIR": str(tmp_path / "datasets"), "NASBENCH_CHECKPOINT_SECONDS": "0"}

    def checkpoint(job: Job) -> str | None:
        query = SavedRow.select().where(SavedRow.job_id == job.id)
        rows = lab.jobs.database.read(lambda: lab.jobs.database.rows(query))
        return rows[0]["sha256"] if rows else None

    def reached(job: Job, epoch: float, attempts: int) -> dict[str, float]:
        def far_enough() -> dict[str, float] | None:
            now = lab.jobs.store.get(job.id)
            assert not now.is_finished, now
            told = (now.progress and now.progress.figures) or {}
            return told if now.attempts >= attempts and told.get("epoch", 0) >= epoch else None

        found: dict[str, float] = lab.until(far_enough)
        return found

    def train(bench: BenchClient, **options: Any) -> Any:
        asked = {"dataset": "tiny", "recipe": LONG, "seed": 2, **options}
        return bench.train(space="NasBench201", arguments=ARGUMENTS, arch=SAMPLE, **asked)

    with BenchClient(shared.servers[0].url) as bench:
        first = lab.work(NASBENCH_JOBS_DIR=str(tmp_path / "first"), **own)
        lab.until(bench.datasets)
        job = lab.jobs.store.get(train(bench, wait=False).id)
        saved = lab.until(lambda: checkpoint(job))
        lab.until(lambda: checkpoint(job) != saved)
        first.kill()
        first.wait()
        with shared.working_over_http(tmp_path, **own):
            begun = reached(job, 1, attempts=2)["epoch"]
            assert begun > 1
            # While the bucket takes nothing, the training goes on and the last checkpoint stays.
            shared.bucket.gate.shut()
            kept = checkpoint(job)
            reached(job, begun + 2, attempts=2)
            assert checkpoint(job) == kept
            shared.bucket.gate.reopen()
            lab.until(lambda: checkpoint(job) != kept)
        lab.until(lambda: lab.jobs.store.get(job.id).state is JobState.QUEUED)
        lab.work(NASBENCH_JOBS_DIR=str(tmp_path / "third"), **own)
        again = reached(job, 1, attempts=2)["epoch"]
        assert again > begun
        last = reached(job, again + 1, attempts=2)
        bench.cancel(job.id)
        whole = train(bench, epochs=int(last["epoch"]))
        assert last_epoch(whole.result) == last_epoch(last)
        shared.end_worker()
    for folder in ("first", "far", "third"):
        assert not list((tmp_path / folder).glob("trainings/*"))
    assert not list(shared.folder.glob("*/jobs/trainings/*"))
    lab.jobs.saved.forget_ended()
    assert checkpoint(job) is None


def test_weights_that_one_server_was_given_are_used_wherever_a_job_runs(
    shared: Shared, tmp_path: Path
) -> None:
    shared.worker()
    file = shared.file(shared.built(21)).content
    answer = httpx.post(
        f"{shared.servers[0].url}/v1/checkpoints",
        params={"name": "mine"},
        content=file,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 201, answer.text
    sha256 = answer.json()["sha256"]
    assert list(shared.servers[0].jobs_folder.glob(f"checkpoints/*/{sha256}"))
    assert not list(shared.folder.glob(f"two/jobs/checkpoints/*/{sha256}"))

    def built(*formats: str) -> Job:
        network = {"space": "NasBench201", "arch": NETWORK["arch"], "checkpoint": sha256}
        body = {"network": network, "formats": formats}
        asked = httpx.post(f"{shared.servers[0].url}/v1/models", json=body)
        assert asked.status_code == 202, asked.text
        return shared.lab.end_of(shared.lab.jobs.store.get(asked.json()["id"]))

    near = built("safetensors")
    with shared.working_over_http(tmp_path):
        far = built("safetensors", "report")
    shared.bucket.age(shared.url, sha256, HOURS)
    shared.lab.jobs.artifact_cache.evict()
    assert [job.state for job in (near, far)] == [JobState.SUCCEEDED] * 2, (near, far)
    assert [key for key in shared.bucket.keys(shared.url) if key.endswith(sha256)]


def cut(shared: Shared, sha256: str, content: bytes) -> None:
    shared.bucket.change(shared.url, sha256, content[:-1])


def spoil(shared: Shared, sha256: str, content: bytes) -> None:
    shared.bucket.change(shared.url, sha256, content[:-1] + bytes([content[-1] ^ 1]))


def evict(shared: Shared, sha256: str, content: bytes) -> None:
    shared.bucket.age(shared.url, sha256, HOURS)
    database = shared.lab.jobs.database
    database.write(lambda: database.change(ContentRow.update(used_at=0.0)))
    assert shared.lab.jobs.artifact_cache.evict() > 0
    assert not [key for key in shared.bucket.keys(shared.url) if key.endswith(sha256)]
    assert content


@pytest.mark.parametrize(("seed", "happen"), [(6, cut), (7, spoil), (8, evict)])
def test_what_is_changed_or_gone_is_never_sent_whole_and_made_anew(
    shared: Shared, seed: int, happen: Callable[[Shared, str, bytes], Any]
) -> None:
    shared.worker()
    job = shared.built(seed)
    file, content = weights(job), shared.file(job).content
    happen(shared, file.sha256, content)
    if happen is spoil:
        # Of the right size: found when all of it has been read, before the last piece is sent.
        assert len(content) > 2**18
        with pytest.raises(httpx.RemoteProtocolError):
            shared.file(job)
    assert shared.file(job).status_code == 404
    shared.lab.until(lambda: shared.lab.jobs.store.get(job.id).state is JobState.EXPIRED)
    again = shared.built(seed)
    assert again.id != job.id
    assert shared.file(again, 1).content == content
