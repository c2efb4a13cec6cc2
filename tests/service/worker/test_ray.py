"""Attempts as tasks of a Ray cluster: a head and nodes that only this machine reaches."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from forked_nbs import nbs
from lab_trainers import install_trainers
from ray.cluster_utils import Cluster
from training_jobs import ARGUMENTS, LONG, RECIPE, SAMPLE, last_epoch, write_images
from waiting import PATIENCE

from bench_client.models import TrainingRequest
from benchmark_db.catalog import Catalog
from nas_search.trainers import trainer_code
from service.jobs.kinds import new_job
from service.jobs.records import Job, JobState

from .conftest import REPOSITORY, WORKER, Lab, open_lab

NODE: dict[str, Any] = {
    # At another address, 127.0.0.2 too, Ray listens on every interface.
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 80 * 2**20,
    "include_dashboard": False,
}
LISTENING = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""As Linux writes them."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    # By default tasks have a niceness of 15, and hardly move beside other tests.
    "RAY_worker_niceness": "0",
    # Else it takes 127.0.0.1 for the address that others reach this machine by.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


class Site(NamedTuple):
    """A lab and a cluster of a head, which runs nothing, and a node of one core."""

    lab: Lab
    cluster: Cluster
    nodes: list[Any]

    def add_node(self) -> None:
        """Add a node of one core."""
        self.nodes.append(self.cluster.add_node(num_cpus=1, **NODE))

    def train(self, **options: Any) -> Job:
        """Submit a training."""
        asked = {
            "network": {"space": "NasBench201", "arguments": ARGUMENTS, "arch": SAMPLE},
            "dataset": "tiny",
            "recipe": RECIPE,
            **options,
        }
        request = TrainingRequest.model_validate(asked)
        new = new_job(request, catalog=Catalog(Path("nowhere")), job_seconds=3600.0)
        job, _ = self.lab.jobs.store.submit(new)
        return job

    def saved(self, job: Job) -> list[str]:
        """Return the names of the checkpoints that came from nodes, in their order."""
        return sorted(
            path.name for path in self.lab.jobs.settings.trainings_dir.glob(f"{job.id}/*/step-*")
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ray")
    write_images(folder / "datasets/tiny")
    # Paths of sockets are short.
    sockets = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    told = {
        **QUIET,
        "NASBENCH_TRAINERS": "quick",
        "PYTHONPATH": str(install_trainers(folder / "site")),
        "RAY_TMPDIR": sockets,
        "NASBENCH_JOBS_DIR": str(folder / "nodes"),
        "NASBENCH_DATASETS_DIR": str(folder / "datasets"),
        "NASBENCH_ZOO_DIR": str(folder / "zoo"),
        "OMP_NUM_THREADS": "1",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in told.items():
            environment.setenv(name, value)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, **NODE},
        )
        try:
            with open_lab(
                folder / "jobs",
                NASBENCH_DATASETS_DIR=str(folder / "datasets"),
                NASBENCH_CHECKPOINT_SECONDS="0",
                NASBENCH_LEASE_SECONDS="600",
            ) as lab:
                site = Site(lab, cluster, [])
                site.add_node()
                yield site
        finally:
            cluster.shutdown()
            shutil.rmtree(sockets, ignore_errors=True)


@pytest.mark.long
def test_jobs_are_done_cancelled_and_handed_back(site: Site) -> None:
    lab = site.lab
    worker = lab.work("--ray", site.cluster.address, NASBENCH_TRAINERS="")
    done = lab.end_of(site.train(weights=True, seed=1))
    assert done.state is JobState.SUCCEEDED, (done, lab.log(worker))
    (artifact,) = done.artifacts
    assert lab.jobs.artifacts.holds(artifact.sha256, artifact.size)
    assert "attempt has a place" in lab.log(worker)
    heard = [one for pid in (os.getpid(), worker.pid) for one in listening(pid)]
    assert len(heard) > 5
    assert set(heard) <= LOOPBACK

    # The node has one core, which the next job needs.
    cancelled = lab.begun(lab.time())
    lab.jobs.store.cancel(cancelled.id)
    assert lab.end_of(cancelled).state is JobState.CANCELLED
    assert lab.end_of(lab.build(seed=1)).state is JobState.SUCCEEDED

    job = site.train(recipe=LONG, save_epochs=10_000)
    site.lab.epoch(job, 1)
    worker.send_signal(signal.SIGUSR1)
    assert worker.wait(PATIENCE) == 0, lab.log(worker)
    now = lab.jobs.store.get(job.id)
    assert (now.state, now.attempts) == (JobState.QUEUED, 0)
    # None was due: it was saved to be handed back, and came from the node.
    assert len(site.saved(job)) == 1
    lab.jobs.store.cancel(job.id)


@pytest.mark.long
def test_a_node_trains_by_the_trainer_that_is_installed_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = site.lab
    monkeypatch.syspath_prepend(os.environ["PYTHONPATH"])
    code = asdict(trainer_code("quick"))
    jobs = [site.train(trainer={**code, "sha256": sha}) for sha in (code["sha256"], "0" * 64)]
    log = lab.jobs.settings.folder / "trainers.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *WORKER, "--ray", site.cluster.address],
            cwd=REPOSITORY,
            env={**os.environ, **lab.environment},
            stderr=output,
        )
    try:
        ended = lab.end_of(jobs[0])
        assert ended.state is JobState.SUCCEEDED, (ended, log.read_text())
        assert ended.result is not None
        assert ended.result["provenance"]["trainer"] == code
        # Of other code it has none: nobody begins it.
        assert lab.jobs.store.get(jobs[1].id).attempts == 0
    finally:
        lab.jobs.store.cancel(jobs[1].id)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0


@pytest.mark.long
def test_a_lost_node_is_a_lost_attempt_and_another_goes_on(site: Site) -> None:
    lab = site.lab
    job = site.train(recipe=LONG, seed=2)
    worker = lab.work("--ray", site.cluster.address, NASBENCH_TRAINERS="")
    lab.until(lambda: len(site.saved(job)) > 0)
    before = site.lab.epoch(job, 2)
    site.add_node()
    site.cluster.remove_node(site.nodes[0], allow_graceful=False)
    again = site.lab.epoch(job, 2, attempts=2)
    later = site.lab.epoch(job, int(max(before["epoch"], again["epoch"])) + 1, attempts=2)
    now = lab.jobs.store.get(job.id)
    assert (now.losses, now.crashes) == (1, 0)
    lab.jobs.store.cancel(job.id)
    whole = lab.end_of(site.train(recipe=LONG, seed=2, epochs=int(later["epoch"])))
    assert last_epoch(whole.result or {}) == last_epoch(later)

    # What was left where tasks were ended the next ones remove.
    seeds = count(10)
    scratch = lab.jobs.settings.folder.parent / "nodes/on-ray/scratch"
    lab.until(lambda: lab.end_of(lab.build(seed=next(seeds))) and not list(scratch.iterdir()))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0


def test_where_no_ray_is_one_line_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        other = f"127.0.0.1:{server.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        for address in (nobody, other, "ray", "ray://127.0.0.1:10001"):
            ended = nbs("worker", "--ray", address, NASBENCH_JOBS_DIR=str(tmp_path))
            (line,) = ended.stderr.splitlines()
            assert ended.returncode == 1
            assert line.startswith(f"nbs: no Ray cluster at {address} (")
            assert "ray start --head" in line


def listening(pid: int) -> list[str]:
    """Return the addresses, as Linux writes them, where a process and those below it listen."""
    sockets = set()
    for each in tree(pid):
        for file in Path(f"/proc/{each}/fd").iterdir():
            with suppress(OSError):
                sockets.add(str(file.readlink()))
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return [
        line[1].partition(":")[0]
        for line in lines
        if line[3] == LISTENING and f"socket:[{line[9]}]" in sockets
    ]


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    below = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            below += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(each for child in below for each in tree(child))]


def _answer(server: socket.socket) -> None:
    """Answer whoever comes as a server of another protocol would."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
