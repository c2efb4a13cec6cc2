"""Workers that are started for a while: they end when idle, drain before a limit, and hand back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import nbs
from training_jobs import ARGUMENTS, LONG, RECIPE, SAMPLE, last_epoch, write_images
from waiting import PATIENCE

from bench_client.models import TrainingRequest
from benchmark_db.catalog import Catalog
from service.jobs.kinds import new_job
from service.jobs.records import Job, JobState

from .conftest import Lab, open_lab

BATCHES = 5
"""Of an epoch: half of the images."""


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


def train(lab: Lab, *, own_device: bool = False, **options: Any) -> Job:
    """Submit a training whose checkpoints are further apart than it is long."""
    request = TrainingRequest.model_validate(
        {
            "network": {"space": "NasBench201", "arguments": ARGUMENTS, "arch": SAMPLE},
            "dataset": "tiny",
            "recipe": RECIPE,
            "fractions": [0.5, 0.5],
            "save_epochs": 10_000,
            **options,
        }
    )
    new = new_job(request, catalog=Catalog(Path("nowhere")), job_seconds=3600.0)
    job, _ = lab.jobs.store.submit(replace(new, needs_own_device=own_device))
    return job


def epoch(lab: Lab, job: Job) -> dict[str, Any] | None:
    """Return the figures of the last epoch of a training that runs; None: it has none yet."""
    now = lab.jobs.store.get(job.id)
    assert not now.is_finished, now
    running = now.state is JobState.RUNNING and now.progress is not None
    return now.progress.figures if running else None


def test_what_is_told_to_drain_hands_a_training_back_with_a_checkpoint(pilots: Lab) -> None:
    job = train(pilots, recipe=LONG)
    worker = pilots.work()
    pilots.until(lambda: epoch(pilots, job))
    worker.send_signal(signal.SIGUSR1)
    other = train(pilots, epochs=1, seed=10)
    assert worker.wait(PATIENCE) == 0
    now = pilots.jobs.store.get(job.id)
    assert (now.state, now.attempts) == (JobState.QUEUED, 0), now
    assert pilots.jobs.store.get(other.id).attempts == 0
    assert pilots.jobs.workers.all() == []
    # None is due before the last epoch: it was saved to be handed back.
    (kept,) = pilots.jobs.settings.trainings_dir.glob(f"{job.id}/*/step-*")
    handed_back = int(kept.name.removeprefix("step-")) // BATCHES
    pilots.work("--slots", "2")
    again = pilots.until(lambda: epoch(pilots, job))
    assert again["epoch"] >= handed_back
    later = pilots.until(lambda: one if (one := epoch(pilots, job)) != again else None)
    pilots.jobs.store.cancel(job.id)
    whole = pilots.end_of(train(pilots, recipe=LONG, epochs=int(later["epoch"])))
    assert last_epoch(whole.result or {}) == last_epoch(later)
    pilots.end_of(other)


def test_one_drains_before_its_limit(pilots: Lab) -> None:
    job = train(pilots, recipe=LONG, seed=1)
    worker = pilots.work("--time-limit", "64s", "--drain-before-limit", "1m")
    assert worker.wait(PATIENCE) == 0
    assert pilots.jobs.store.get(job.id).state is JobState.QUEUED
    pilots.jobs.store.cancel(job.id)


def test_one_that_has_nothing_to_do_ends(pilots: Lab) -> None:
    job = pilots.build(seed=5)
    worker = pilots.work("--idle-exit", "1s")
    assert pilots.end_of(job).state is JobState.SUCCEEDED
    assert worker.wait(PATIENCE) == 0


def test_all_processes_of_a_job_of_slurm_are_told(pilots: Lab) -> None:
    """`scancel` and the end of an allocation signal all processes, the attempts' among them."""
    for kind in (signal.SIGUSR1, signal.SIGTERM):
        worker = pilots.work()
        job = pilots.begun(pilots.time(repeats=900_000 + kind))
        # It learns of the end of its attempt and that it is to stop at once, in whatever order.
        worker.send_signal(signal.SIGSTOP)
        for pid in _tree(worker.pid):
            if kind == signal.SIGUSR1 or pid != worker.pid:
                _send(pid, kind)
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGCONT)
        assert worker.wait(PATIENCE) == 0
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
    timed = train(pilots, epochs=1, seed=33, own_device=True)
    jobs = [train(pilots, recipe=LONG, seed=30 + number) for number in range(2)]
    worker = pilots.work("--share", "2", "--idle-exit", "1s")
    pilots.until(lambda: [len(one.running) for one in pilots.jobs.workers.all()] == [2])
    marked = train(pilots, epochs=1, seed=32)
    pilots.jobs.store.cancel(jobs[0].id)
    assert (pilots.end_of(marked).result or {}).get("shared") == 2
    pilots.jobs.store.cancel(jobs[1].id)
    assert worker.wait(PATIENCE) == 0
    # What needs a device of its own was left to a worker that shares none.
    assert pilots.jobs.store.get(timed.id).attempts == 0
    pilots.work()
    assert "shared" not in (pilots.end_of(timed).result or {"shared": None})


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
