"""The notifier wakes, whatever lies in the queue, and nothing in the queue is ever run."""

from __future__ import annotations

import os
import pickle
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huey.storage import RedisStorage
from real_servers import RedisServer

from service.jobs import JobSettings
from service.jobs.notifier import Notifier

LONG = 20.0
FOREIGN = [
    b"",
    b"[]",
    b"\xff\x00 no text",
    b'{"id": "a task of another program"}',
    b"x" * 2**20,
]


class Trap:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


@pytest.fixture(params=["sqlite", "redis"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> JobSettings:
    """Settings with an empty queue in a file or in Redis."""
    redis = request.param == "redis"
    url = request.getfixturevalue("redis_server").url if redis else None
    return JobSettings(jobs_dir=tmp_path, redis_url=url)


@pytest.fixture
def notifier(settings: JobSettings) -> Iterator[Notifier]:
    """The notifier there."""
    opened = Notifier(settings)
    yield opened
    opened.close()


def waited(notifier: Notifier, seconds: float) -> float:
    began = time.monotonic()
    notifier.wait(seconds, lambda: False)
    return time.monotonic() - began


def plant(notifier: Notifier, message: bytes) -> None:
    """Put any bytes in the queue, as whoever can reach it may."""
    notifier._huey.storage.enqueue(message)


def test_a_ring_wakes_another_process_long_before_its_time(
    notifier: Notifier, settings: JobSettings
) -> None:
    other = Notifier(settings)
    notifier.notify("0" * 32)
    assert waited(other, LONG) < LONG / 2
    other.close()


def test_a_notification_wakes_a_waiting_worker(notifier: Notifier, settings: JobSettings) -> None:
    other = Notifier(settings)
    notifying = threading.Timer(0.5, notifier.notify, ["0" * 32])
    notifying.start()
    assert 0.3 < waited(other, LONG) < LONG / 2
    notifying.join()
    other.close()


def test_an_empty_queue_waits_its_time_or_until_something_is_so(notifier: Notifier) -> None:
    assert waited(notifier, 0.3) >= 0.3
    began = time.monotonic()
    notifier.wait(LONG, lambda: True)
    assert time.monotonic() - began < LONG / 2


def test_messages_are_json(notifier: Notifier) -> None:
    notifier.notify("0" * 32)
    (data,) = notifier._huey.storage.enqueued_items()
    assert data.startswith(b"[")
    assert b"0" * 32 in data


@pytest.mark.parametrize("message", FOREIGN, ids=["empty", "list", "bytes", "object", "long"])
def test_a_message_of_another_program_wakes_once(notifier: Notifier, message: bytes) -> None:
    plant(notifier, message)
    assert waited(notifier, LONG) < LONG / 2
    assert waited(notifier, 0.2) >= 0.2


def test_a_pickle_that_was_planted_wakes_and_runs_nothing(
    notifier: Notifier, tmp_path: Path
) -> None:
    plant(notifier, pickle.dumps(Trap(tmp_path / "sprung")))
    assert waited(notifier, LONG) < LONG / 2
    assert not (tmp_path / "sprung").exists()
    assert waited(notifier, 0.2) >= 0.2


def test_a_file_that_is_damaged_keeps_nobody_from_submitting(tmp_path: Path) -> None:
    settings = JobSettings(jobs_dir=tmp_path)
    notifier = Notifier(settings)
    with sqlite3.connect(settings.queue_path) as file:
        file.execute("DROP TABLE task")
    notifier.notify("0" * 32)
    assert waited(notifier, 0.2) < LONG
    notifier.close()


def test_what_is_no_queue_in_redis_keeps_nobody_from_submitting(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    notifier = Notifier(JobSettings(jobs_dir=tmp_path, redis_url=redis_server.url))
    storage = notifier._huey.storage
    assert isinstance(storage, RedisStorage)
    storage.conn.set(storage.queue_key, "no list")
    notifier.notify("0" * 32)
    assert waited(notifier, 0.2) < LONG
    notifier.close()


def test_redis_that_goes_while_one_waits_costs_the_wait_and_wakes_again(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = JobSettings(jobs_dir=tmp_path, redis_url=redis_server.url)
    notifier = Notifier(settings)
    took: list[float] = []
    waiting = threading.Thread(target=lambda: took.append(waited(notifier, 3.0)))
    waiting.start()
    time.sleep(0.5)
    redis_server.kill()
    other = Notifier(settings)
    other.notify("0" * 32)  # nobody hears it; it raises nothing
    redis_server.start()
    waiting.join(LONG)
    assert 3.0 <= took[0] < LONG
    other.notify("0" * 32)
    assert waited(notifier, LONG) < LONG / 2
    other.close()
    notifier.close()
