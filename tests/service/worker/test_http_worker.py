"""Workers over HTTP: a real server with keys, real workers that have neither its files nor its
database, and results as if they had.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bench_server import BenchServer, ending_together
from forked_nbs import ForkedProcess, nbs, start_nbs
from training_jobs import ARGUMENTS, LONG, RECIPE, SAMPLE, last_epoch, write_images
from waiting import PATIENCE

from bench_client import BenchClient, Job, JobStoppedError
from service.access.keys import KeyFile, KeyScope

from .conftest import REPOSITORY, WORKER, Lab, open_lab


class Cluster(NamedTuple):
    """A server with keys, a client of it, and a place where workers start that share nothing."""

    lab: Lab
    server: BenchServer
    bench: BenchClient
    keys: dict[str, str]
    folder: Path

    def work(self, name: str, *arguments: str, scope: str = "worker") -> ForkedProcess:
        """Start a worker of another machine, as far as its folders tell."""
        own = self.folder / name
        images = own / "datasets/tiny"
        if not images.exists():
            write_images(images)
        environment = {
            **{key: text for key, text in os.environ.items() if not key.startswith("NASBENCH_")},
            "NASBENCH_JOBS_DIR": str(own / "jobs"),
            "NASBENCH_DATASETS_DIR": str(own / "datasets"),
            "NASBENCH_ZOO_DIR": str(own / "zoo"),
            "NASBENCH_CHECKPOINT_SECONDS": "0",
            "NASBENCH_API_KEY": self.keys[scope],
            "OMP_NUM_THREADS": "1",
        }
        with (self.lab.jobs.settings.folder / f"worker-{len(self.lab.started)}.log").open(
            "wb"
        ) as log:
            worker = start_nbs(
                *WORKER, "--server", self.server.url, *arguments, env=environment, stderr=log
            )
        self.lab.started.append(worker)
        return worker

    def train(self, **options: Any) -> Job:
        """Train a small network."""
        asked = {"dataset": "tiny", "recipe": RECIPE, **options}
        return self.bench.train(space="NasBench201", arguments=ARGUMENTS, arch=SAMPLE, **asked)

    def saved(self, job: Job) -> list[str]:
        """Return the names of the checkpoints of a job that the server has, in their order."""
        folder = self.lab.jobs.settings.trainings_dir / job.id
        return sorted(path.name for path in folder.glob("*/step-*"))


@pytest.fixture(scope="module")
def cluster(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    file = KeyFile(folder / "keys.json")
    keys = {scope.value: file.create(scope.value, scope) for scope in KeyScope}
    server = BenchServer(
        folder,
        directory,
        NASBENCH_KEYS_FILE=str(file.path),
        NASBENCH_LEASE_SECONDS="6",
        NASBENCH_RETRY_SECONDS="0.1",
    )
    with ending_together() as start, open_lab(folder / "jobs") as lab:
        start(server)
        with BenchClient(server.url, api_key=keys["jobs"]) as bench:
            yield Cluster(lab, server, bench, keys, folder)


def test_a_job_is_done_without_the_servers_files(cluster: Cluster) -> None:
    worker = cluster.work("one")
    cluster.lab.until(cluster.bench.datasets)
    job = cluster.train(weights=True, seed=1)
    assert job.result is not None
    out = cluster.folder / "out"
    assert [path.name for path in cluster.bench.download(job, out).values()]
    (artifact,) = job.artifacts
    assert cluster.lab.jobs.artifacts.holds(artifact.sha256, artifact.size)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    own = cluster.folder / "one/jobs"
    assert [path for path in own.rglob("*") if path.is_file()] == []
    assert cluster.lab.jobs.workers.all() == []


def test_a_training_that_is_stopped_ends_with_its_last_figures(cluster: Cluster) -> None:
    worker = cluster.work("one")
    cluster.lab.until(cluster.bench.datasets)
    job = cluster.train(recipe=LONG, seed=9, wait=False)
    before = cluster.lab.epoch(job, 2)
    assert cluster.bench.stop(job).cancel_requested
    with pytest.raises(JobStoppedError, match="stopped early") as caught:
        cluster.bench.wait(job)
    ended = caught.value.job
    assert (ended.state, ended.result, ended.artifacts) == ("stopped", None, [])
    assert ended.progress is not None
    assert ended.progress.figures is not None
    assert ended.progress.figures["epoch"] >= before["epoch"]
    assert cluster.bench.stop(job).revision == ended.revision
    again = cluster.train(recipe=LONG, seed=9, epochs=1)
    assert again.id != job.id
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0


def test_a_killed_training_goes_on_elsewhere_with_the_same_figures(cluster: Cluster) -> None:
    first = cluster.work("one")
    cluster.lab.until(cluster.bench.datasets)
    job = cluster.train(recipe=LONG, seed=2, wait=False)
    saved = cluster.lab.until(lambda: cluster.saved(job))
    cluster.lab.until(lambda: cluster.saved(job) > saved)
    first.kill()
    first.wait()
    cluster.work("two")
    again = cluster.lab.epoch(job, 1, attempts=2)
    assert again["epoch"] > 1
    later = cluster.lab.epoch(job, int(again["epoch"]) + 1, attempts=2)
    cluster.bench.cancel(job)
    whole = cluster.train(recipe=LONG, seed=2, epochs=int(later["epoch"]))
    assert whole.result is not None
    assert last_epoch(whole.result) == last_epoch(later)
    cluster.lab.until(lambda: not cluster.saved(job) + cluster.saved(whole))


def test_a_worker_outlives_its_server_and_keeps_its_job(cluster: Cluster) -> None:
    cluster.lab.end_workers()
    # Longer than any server takes to come back.
    cluster.server.options["env"]["NASBENCH_LEASE_SECONDS"] = "600"
    cluster.server.kill()
    cluster.server.start()
    cluster.work("one")
    job = cluster.train(seed=3, recipe=LONG, wait=False)
    before = cluster.lab.epoch(job, 1)
    cluster.server.kill()
    cluster.server.start()
    cluster.lab.epoch(job, int(before["epoch"]) + 1)
    cluster.bench.cancel(job)
    assert cluster.train(seed=3).attempts == 1
    assert cluster.bench.job(job.id).attempts == 1


def test_a_key_of_another_scope_is_told_at_once(cluster: Cluster) -> None:
    worker = cluster.work("three", scope="jobs")
    assert worker.wait(PATIENCE) == 1
    assert "key of scope worker" in cluster.lab.log(worker)
    ended = nbs("worker", "--server", "ftp://x", **cluster.lab.environment)
    assert ended.returncode == 2
    empty = cluster.folder / "empty"
    empty.touch()
    ended = nbs("worker", "--key-file", str(empty), "--server", "http://x")
    assert (ended.returncode, "it is empty" in ended.stderr) == (2, True)


def test_the_script_for_slurm_hands_signals_on(cluster: Cluster) -> None:
    cluster.lab.end_workers()
    key = cluster.folder / "key"
    key.write_text(cluster.keys["worker"] + "\n")
    write_images(cluster.folder / "node/tiny")
    told = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "1",
        "TMPDIR": str(cluster.folder),
        "NASBENCH_SERVER": cluster.server.url,
        "NASBENCH_KEY": str(key),
        "NASBENCH_DATASETS_DIR": str(cluster.folder / "node"),
        "OMP_NUM_THREADS": "1",
    }
    script = [REPOSITORY / "docker/slurm-worker.sh", "--threads", "1"]
    with subprocess.Popen(script, env=told, cwd=REPOSITORY) as pilot, ExitStack() as stack:
        stack.callback(pilot.terminate)
        cluster.lab.until(cluster.bench.datasets)
        job = cluster.train(seed=4, recipe=LONG, wait=False)
        cluster.lab.epoch(job, 1)
        pilot.send_signal(signal.SIGUSR1)
        assert pilot.wait(PATIENCE) == 0
    now = cluster.bench.job(job.id)
    assert (now.state, now.attempts) == ("queued", 0)
    assert cluster.saved(job)
    assert not (cluster.folder / "nbs-1").exists()
    cluster.bench.cancel(job)
