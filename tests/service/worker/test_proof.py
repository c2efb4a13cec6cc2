"""The whole of it: a client without PyTorch asks a server, which has none, and workers do it.

With SQLite alone, then with Redis, PostgreSQL and two workers: the published checkpoint has 148 of
the 250 images right each time.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_servers import PostgresServer, RedisServer

from model_hub import zoo

from .conftest import REPOSITORY, Lab, open_lab

MODEL = "proxyless-w0.3-r176"
WITHOUT_TORCH = """
import json, sys
for name in ("torch", "model_hub", "fastapi", "peewee"):
    sys.modules[name] = None
from bench_client import BenchClient
"""
EVALUATE = f"""
with BenchClient() as bench:
    seen = []
    job = bench.evaluate(
        model="{MODEL}", dataset="imagenet-val", batch_size=50, priority=int(sys.argv[1]),
        progress=lambda job: seen.append(job.progress.stage if job.progress else job.state),
    )
    print(json.dumps({{"result": job.result, "worker": job.worker, "seen": seen}}))
"""
EXAMPLE = next(
    example
    for example in re.findall(
        r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL
    )
    if "materialize" in example
)


@dataclass
class Site:
    """A server and its jobs."""

    url: str
    lab: Lab

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a client's program."""
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=REPOSITORY,
            env={"NASBENCH_URL": self.url, "PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
            check=False,
            capture_output=True,
            text=True,
        )


def prepared(folder: Path, shared: Path) -> None:
    """Give workers the published checkpoint and the 250 images."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NASBENCH_ZOO_DIR", str(folder / "zoo"))
        zoo.convert(shared / "data/zoo/proxyless-w0.3-r176_imagenet.pth", MODEL)
    (folder / "datasets").mkdir(parents=True)
    (folder / "datasets/imagenet-val").symlink_to(shared / "data/imagenet-sample")


Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def alone(
    shared: Path, directory: Path, serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server with SQLite and nothing else, and one worker."""
    jobs = tmp_path_factory.mktemp("alone")
    prepared(jobs, shared)
    with open_lab(jobs) as lab, serving(directory, NASBENCH_JOBS_DIR=str(jobs)) as url:
        lab.work()
        lab.until(lab.jobs.workers.all)
        yield Site(url, lab)


@pytest.fixture
def cluster(
    tmp_path: Path,
    shared: Path,
    directory: Path,
    serving: Serving,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
) -> Iterator[Site]:
    """A server with Redis and PostgreSQL, and two workers."""
    prepared(tmp_path / "jobs", shared)
    parts = {
        "NASBENCH_JOBS_URL": postgres_server.url,
        "NASBENCH_REDIS_URL": redis_server.url,
    }
    with (
        open_lab(tmp_path / "jobs", **parts) as lab,
        serving(directory, NASBENCH_JOBS_DIR=str(tmp_path / "jobs"), **parts) as url,
    ):
        lab.work()
        lab.work()
        lab.until(lambda: len(lab.jobs.workers.all()) == 2)
        yield Site(url, lab)


def test_a_client_without_torch_has_the_checkpoint_evaluated(alone: Site) -> None:
    ended = alone.run(WITHOUT_TORCH + EVALUATE, "0")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert (answer["result"]["right"], answer["result"]["count"]) == (148, 250)
    assert "evaluating" in answer["seen"]


@pytest.mark.usefixtures("unmeasured")
def test_two_workers_with_redis_and_postgresql_evaluate_alike(cluster: Site) -> None:
    for priority in ("0", "5"):
        ended = cluster.run(WITHOUT_TORCH + EVALUATE, priority)
        assert ended.returncode == 0, ended.stderr
        answer = json.loads(ended.stdout)
        assert (answer["result"]["right"], answer["result"]["count"]) == (148, 250)
    # The second question is the first one's: one job, and one result.
    assert len(cluster.lab.jobs.store.page()[0]) == 1


def test_the_example_of_the_readme_runs(alone: Site) -> None:
    ended = alone.run(EXAMPLE.replace("proxyless-mobile", MODEL))
    assert ended.returncode == 0, ended.stderr
    top1, digest = ended.stdout.splitlines()[0].split()
    assert float(top1) == pytest.approx(59.2)
    assert len(digest) == 64
