"""Real workers, as processes, on a real table of jobs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import ForkedProcess, start_nbs
from waiting import until

import bench_client
import model_hub
from bench_client.models import JobKind
from service.jobs import Jobs, JobSettings, open_jobs
from service.jobs.kinds import spec_key
from service.jobs.records import Job, NewJob

REPOSITORY = Path(__file__).resolve().parents[3]
ENDLESS = 1_000_000
# Threads of several processes that wait for each other on two cores take ten times as long.
WORKER = ("worker", "--threads", "1")
NETWORK = {
    "model": None,
    "space": "NasBench201",
    "arguments": {"num_labels": 10},
    "arch": dict(model_hub.space("NasBench201").choices.default),
    "checkpoint": None,
    "seed": 0,
}


@dataclass
class Lab:
    """Jobs in a folder, and the workers that do them.

    Attributes:
        jobs: The open jobs.
        environment: What workers are told beside it.
    """

    jobs: Jobs
    environment: dict[str, str]
    started: list[ForkedProcess] = field(default_factory=list)
    starting: threading.Lock = field(default_factory=threading.Lock)

    def work(self, *arguments: str, **environment: str) -> ForkedProcess:
        """Start a worker."""
        with self.starting:
            log = self.jobs.settings.folder / f"worker-{len(self.started)}.log"
            with log.open("wb") as output:
                process = start_nbs(
                    *WORKER,
                    *arguments,
                    env={**os.environ, **self.environment, **environment},
                    stderr=output,
                )
            self.started.append(process)
        return process

    def log(self, process: ForkedProcess) -> str:
        """Return what a worker has logged."""
        number = self.started.index(process)
        return (self.jobs.settings.folder / f"worker-{number}.log").read_text()

    def end_workers(self) -> None:
        """Kill all workers."""
        for process in self.started:
            process.kill()
            process.wait()

    def build(self, seed: int = 0, **options: Any) -> Job:
        """Submit the building of a small network; each seed is a job of its own."""
        spec = {"network": {**NETWORK, "seed": seed}, "formats": ["safetensors", "report"]}
        return self.submit("model", spec, **options)

    def time(self, repeats: int = ENDLESS, **options: Any) -> Job:
        """Submit the timing of a small network: about a millisecond a pass, for ever by default."""
        spec = {
            "network": NETWORK,
            "device": "cpu",
            "precision": "float32",
            "channels_last": None,
            "compile": False,
            "batch_size": 1,
            "warmup": 10,
            "repeats": repeats,
        }
        return self.submit("latency", spec, **options)

    def submit(self, kind: JobKind, spec: dict[str, Any], **options: Any) -> Job:
        """Submit a canonical request and notify workers."""
        new = NewJob(kind=kind, spec=spec, key=spec_key(kind, spec), **options)
        job, _ = self.jobs.store.submit(new)
        self.jobs.notifier.notify(job.id)
        return job

    def until(
        self,
        look: Callable[[], Any],
        holds: Callable[[Any], object] = bool,
        *,
        what: str = "a state of jobs or workers",
        pause: float = 0.02,
    ) -> Any:
        """Wait as `waiting.until` does, and return what is seen then.

        Raises:
            AssertionError: With what was seen last and the logs of the last workers.
        """
        try:
            return until(look, holds, what=what, pause=pause)
        except AssertionError as failed:
            for process in self.started[-3:]:
                failed.add_note(self.log(process)[-3000:])
            raise

    def end_of(self, job: Job) -> Job:
        """Wait for the end of a job and return it."""
        found: Job = self.until(
            lambda: self.jobs.store.get(job.id),
            lambda now: now.is_finished,
            what="the end of a job",
        )
        return found

    def epoch(self, job: Job | bench_client.Job, number: int, *, attempts: int = 1) -> Any:
        """Wait until so many epochs of a job are done; return the figures of the last."""

        def figures(now: Job) -> Mapping[str, Any]:
            return (now.progress and now.progress.figures) or {}

        def far_enough(now: Job) -> bool:
            assert not now.is_finished, now
            return now.attempts >= attempts and figures(now).get("epoch", 0) >= number

        what = f"epoch {number} of attempt {attempts}"
        return figures(self.until(lambda: self.jobs.store.get(job.id), far_enough, what=what))

    def begun(self, job: Job) -> Job:
        """Wait until a job runs and its process has spoken."""

        def running(now: Job) -> bool:
            assert not now.is_finished, now
            return now.progress is not None and now.progress.stage != "starting"

        found: Job = self.until(
            lambda: self.jobs.store.get(job.id), running, what="a job that has begun"
        )
        return found


@contextmanager
def open_lab(folder: Path, **environment: str) -> Iterator[Lab]:
    """Open jobs in a folder; at the end no worker is left."""
    told = {
        "NASBENCH_JOBS_DIR": str(folder),
        "NASBENCH_DATASETS_DIR": str(folder / "datasets"),
        "NASBENCH_ZOO_DIR": str(folder / "zoo"),
        "NASBENCH_RETRY_SECONDS": "0.1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    settings = {
        name.removeprefix("NASBENCH_").lower(): value
        for name, value in told.items()
        if name.removeprefix("NASBENCH_").lower() in JobSettings.model_fields
    }
    with open_jobs(JobSettings(**settings)) as jobs:  # type: ignore[arg-type]  # read as texts
        lab = Lab(jobs=jobs, environment=told)
        try:
            yield lab
        finally:
            lab.end_workers()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Jobs of a test's own, without a worker yet."""
    with open_lab(tmp_path / "jobs") as opened:
        yield opened


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute as the worker does."""
    import torch  # noqa: PLC0415 - few tests compute

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def attempt_of(worker: int) -> int:
    """Return the process of the attempt that a worker has begun: a group of its own."""

    def leader() -> int | None:
        parents = {}
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                try:
                    parents[int(path.name)] = int(
                        (path / "stat").read_text().rpartition(")")[2].split()[1]
                    )
                except OSError:
                    continue
        below = {worker}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        with suppress(ProcessLookupError):
            return next((pid for pid in below - {worker} if os.getpgid(pid) == pid), None)
        return None

    pid = until(leader, what="an attempt of the worker")
    assert pid is not None
    return pid
