"""The bell wakes, whatever lies in the queue, and nothing in the queue is ever run."""

from __future__ import annotations

import os
import pickle
import sqlite3
import time
from pathlib import Path

from service.jobs import Jobs, JobSettings
from service.jobs.bell import Bell

LONG = 20.0


class Trap:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


def waited(bell: Bell, seconds: float) -> float:
    began = time.monotonic()
    bell.wait(seconds, lambda: False)
    return time.monotonic() - began


def test_a_ring_wakes_another_process_long_before_its_time(
    jobs: Jobs, job_settings: JobSettings
) -> None:
    other = Bell(job_settings)
    jobs.bell.ring("0" * 32)
    assert waited(other, LONG) < LONG / 2
    other.close()


def test_without_a_ring_it_waits_its_time_or_until_something_is_so(jobs: Jobs) -> None:
    assert waited(jobs.bell, 0.3) >= 0.3
    began = time.monotonic()
    jobs.bell.wait(LONG, lambda: True)
    assert time.monotonic() - began < LONG / 2


def test_messages_are_json(jobs: Jobs, job_settings: JobSettings) -> None:
    jobs.bell.ring("0" * 32)
    with sqlite3.connect(job_settings.queue_path) as file:
        ((data,),) = file.execute("SELECT data FROM task")
    assert data.startswith(b"[")
    assert b"0" * 32 in data


def test_a_pickle_that_was_planted_wakes_and_runs_nothing(
    jobs: Jobs, job_settings: JobSettings, tmp_path: Path
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    jobs.bell.ring("0" * 32)
    with sqlite3.connect(job_settings.queue_path) as file:
        file.execute("UPDATE task SET data = ?", (trap,))
    assert waited(jobs.bell, LONG) < LONG / 2
    assert not (tmp_path / "sprung").exists()
    assert waited(jobs.bell, 0.2) >= 0.2


def test_a_queue_that_is_damaged_keeps_nobody_from_submitting(
    jobs: Jobs, job_settings: JobSettings
) -> None:
    with sqlite3.connect(job_settings.queue_path) as file:
        file.execute("DROP TABLE task")
    jobs.bell.ring("0" * 32)
    assert waited(jobs.bell, 0.2) < LONG
