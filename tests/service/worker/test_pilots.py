"""Workers that are started for a while: they end when idle, drain before a limit, and hand back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import nbs
from training_jobs import ARGUMENTS, RECIPE, SAMPLE, figures, write_images

from bench_client.models import TrainingRequest
from benchmark_db.catalog import Catalog
from service.jobs.kinds import new_job
from service.jobs.records import Job, JobState

from .conftest import Lab, open_lab


@pytest.fixture(scope="module")
def pilots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("pilots")
    write_images(folder / "jobs/datasets/tiny")
    with open_lab(folder / "jobs") as lab:
        yield lab


@pytest.fixture(autouse=True)
def _alone(pilots: Lab) -> Iterator[None]:
    """End the workers of a test, which would take the jobs of the next one."""
    yield
    pilots.end_workers()


def train(lab: Lab, *, epochs: int = 4, seed: int = 0, **options: Any) -> Job:
    """Submit a training whose checkpoints are further apart than it is long."""
    request = TrainingRequest.model_validate(
        {
            "network": {"space": "NasBench201", "arguments": ARGUMENTS, "arch": SAMPLE},
            "dataset": "tiny",
            "recipe": {**RECIPE, "epochs": epochs},
            "fractions": [0.5, 0.5],
            "seed": seed,
            "save_epochs": 1000,
            **options,
        }
    )
    new = new_job(request, catalog=Catalog(Path("nowhere")), job_seconds=3600.0)
    job, _ = lab.jobs.store.submit(new)
    return job


def epoch(lab: Lab, job: Job, number: int) -> None:
    """Wait until so many epochs are done."""

    def done() -> bool:
        now = lab.jobs.store.get(job.id)
        assert not now.is_finished, now
        return ((now.progress and now.progress.figures) or {}).get("epoch", 0) >= number

    lab.until(done)


def test_what_is_told_to_drain_hands_a_training_back_with_a_checkpoint(pilots: Lab) -> None:
    job = train(pilots, epochs=12)
    worker = pilots.work()
    epoch(pilots, job, 2)
    worker.send_signal(signal.SIGUSR1)
    other = train(pilots, epochs=1, seed=10)
    assert worker.wait(60) == 0
    now = pilots.jobs.store.get(job.id)
    assert (now.state, now.attempts) == (JobState.QUEUED, 0), now
    assert pilots.jobs.store.get(other.id).attempts == 0
    assert pilots.jobs.workers.all() == []
    # None is due before the last epoch: it was saved to be handed back.
    kept = list(pilots.jobs.settings.trainings_dir.glob(f"{job.id}/*/step-*"))
    assert len(kept) == 1
    pilots.work("--slots", "2")
    whole = train(pilots, epochs=12, save_epochs=999)
    ended = [pilots.end_of(one).result or {} for one in (job, whole)]
    assert figures(ended[0]) == figures(ended[1])
    pilots.end_of(other)


def test_one_drains_before_its_limit(pilots: Lab) -> None:
    job = train(pilots, epochs=2000, seed=1)
    worker = pilots.work("--time-limit", "64s", "--drain-before-limit", "1m")
    assert worker.wait(60) == 0
    assert pilots.jobs.store.get(job.id).state is JobState.QUEUED
    pilots.jobs.store.cancel(job.id)


def test_one_that_has_nothing_to_do_ends(pilots: Lab) -> None:
    worker = pilots.work("--idle-exit", "1s")
    job = pilots.end_of(pilots.build(seed=5))
    assert job.state is JobState.SUCCEEDED
    assert worker.wait(30) == 0


def test_all_processes_of_a_job_of_slurm_are_told(pilots: Lab) -> None:
    """`scancel` and the end of an allocation signal all processes, the attempts' among them."""
    for kind in (signal.SIGUSR1, signal.SIGTERM):
        worker = pilots.work()
        job = pilots.begun(pilots.time(repeats=900_000 + kind))
        for pid in _tree(worker.pid):
            if kind == signal.SIGUSR1 or pid != worker.pid:
                _send(pid, kind)
        time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        now = pilots.jobs.store.get(job.id)
        assert (now.state, now.attempts, now.crashes) == (JobState.QUEUED, 0, 0), kind
        pilots.jobs.store.cancel(job.id)


def test_jobs_with_a_label_are_for_workers_that_have_it(pilots: Lab) -> None:
    pilots.work("--label", "other")
    marked = train(pilots, epochs=1, seed=20, label="big")
    unmarked = train(pilots, epochs=1, seed=21)
    assert pilots.end_of(unmarked).state is JobState.SUCCEEDED
    assert pilots.jobs.store.get(marked.id).state is JobState.QUEUED
    pilots.end_workers()
    pilots.work("--label", "small", "--label", "big")
    assert pilots.end_of(marked).state is JobState.SUCCEEDED


def test_attempts_that_share_a_device_are_marked(pilots: Lab) -> None:
    jobs = [train(pilots, epochs=8, seed=30 + number) for number in range(2)]
    worker = pilots.work("--share", "2", "--idle-exit", "1s")
    pilots.until(lambda: [len(one.running) for one in pilots.jobs.workers.all()] == [2])
    assert [(pilots.end_of(job).result or {}).get("shared") for job in jobs] == [2, 2]
    assert worker.wait(30) == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--idle-exit", "soon"),
        ("--time-limit", "5m"),
        ("--label", "a b"),
        ("--share", "0"),
    ],
    ids=" ".join,
)
def test_what_is_no_time_and_no_label_is_refused(pilots: Lab, options: tuple[str, ...]) -> None:
    assert nbs("worker", *options, **pilots.environment).returncode == 2


def _tree(pid: int) -> list[int]:
    """Return a process and all that it started, and they."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in _tree(child))]


def _send(pid: int, kind: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, kind)
