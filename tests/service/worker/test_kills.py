"""kill -9 of workers at random moments: no job is lost, and none has two results."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import pytest

from service.jobs.records import Job, JobState
from service.jobs.settings import MAX_LOSSES

from .conftest import Lab

pytestmark = pytest.mark.usefixtures("unmeasured")

KILLS = 50
WORKERS = 2
JOBS = 60
LOOKING_PAUSE = 0.1
"""Seconds between two looks: what looks takes its time from those who work."""
LONGEST_LIFE = 2.0
"""Seconds: a worker may be killed before it has begun anything."""
LONGEST_WORK = 0.6
"""Seconds after it has begun a job, which takes about half a second. As often as the job was tried:
on a busy machine all attempts would be too short else, and ten lost workers rightly park a job."""


@pytest.mark.long
def test_fifty_kills_lose_nothing_and_double_nothing(lab: Lab) -> None:
    jobs = [lab.build(seed) for seed in range(JOBS // 2)]
    jobs += [lab.time(repeats) for repeats in range(200, 200 + JOBS // 2)]
    with (
        _Watch(lab) as watch,
        ThreadPoolExecutor(WORKERS) as threads,
    ):
        deaths = threads.map(lambda seed: _die_again_and_again(lab, watch, seed), range(WORKERS))
        assert sum(deaths) == KILLS
        ended = [lab.end_of(job) for job in jobs]
    parked = [job for job in ended if job.state is JobState.PARKED]
    # Whoever killed the same job that often, of sixty, had bad luck; it is told and not lost.
    assert len(parked) <= JOBS // 20
    assert {job.losses for job in parked} <= {MAX_LOSSES}
    ended = [job for job in ended if job not in parked]
    assert [job.state for job in ended] == [JobState.SUCCEEDED] * (JOBS - len(parked))
    assert sum(lab.jobs.store.counts().values()) == JOBS
    assert watch.changed_results == []
    # Else nothing was interrupted, and nothing shown.
    assert sum(job.losses for job in ended) > 0
    for job in ended:
        assert job.attempts == job.losses + job.crashes + 1
        for artifact in job.artifacts:
            assert lab.jobs.artifact_folder.path(artifact.sha256).stat().st_size == artifact.size


def _die_again_and_again(lab: Lab, watch: _Watch, seed: int) -> int:
    """Start a worker and kill it, over and over; leave one alive and return how many died."""
    source = random.Random(seed)  # noqa: S311 - moments, not secrets
    worker = lab.work()
    for kill in range(KILLS // WORKERS):
        if kill % 2:
            tries = lab.until(
                lambda one=worker: _tries(lab, one) or watch.all_ended, pause=LOOKING_PAUSE
            )
            time.sleep(source.uniform(0, LONGEST_WORK * tries))
        else:
            time.sleep(source.uniform(0.1, LONGEST_LIFE + LONGEST_WORK * watch.most_attempts))
        worker.kill()
        worker.wait()
        worker = lab.work()
    return KILLS // WORKERS


def _tries(lab: Lab, process: subprocess.Popen[bytes]) -> int:
    """Return how often the job that a worker does was begun; 0: it does none."""
    ours = (state for state in lab.jobs.workers.all() if state.pid == process.pid)
    return max((lab.jobs.store.get(job).attempts for one in ours for job in one.running), default=0)


class _Watch:
    """Looks at all jobs again and again: a result, once seen, must stay what it is."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._seen: dict[str, Job] = {}
        self._stop = threading.Event()
        self.changed_results: list[tuple[Job, Job]] = []
        self.most_attempts = 0
        """Of a job that has not ended."""
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def all_ended(self) -> bool:
        return len(self._seen) == JOBS

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(4 * LOOKING_PAUSE)  # and look once more at the end
            # One question for all of them takes a twentieth of the time of one for each.
            jobs, _ = self._lab.jobs.store.page(limit=JOBS)
            for job in jobs:
                before = self._seen.get(job.id)
                if before is not None and before != job:
                    self.changed_results.append((before, job))
                if job.is_finished:
                    self._seen[job.id] = job
            self.most_attempts = max(
                (job.attempts for job in jobs if not job.is_finished), default=0
            )
