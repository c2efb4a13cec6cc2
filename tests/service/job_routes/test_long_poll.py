"""How a job is, told when something has happened to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from waiting import until

from service.jobs import Jobs
from service.jobs.records import Lease, Progress


@pytest.fixture
def path(submitted: dict[str, Any]) -> str:
    """The address of a job that waits."""
    return f"/v1/jobs/{submitted['id']}"


def test_an_answer_is_held_until_the_job_changes(
    asking: httpx.Client,
    submitted: dict[str, Any],
    claim: Callable[[str], Lease],
    jobs: Jobs,
    path: str,
) -> None:
    claimed = claim(submitted["id"])
    revision = asking.get(path).json()["revision"]
    timer = threading.Timer(0.5, jobs.leases.renew, (claimed, Progress(stage="building", done=1)))
    timer.start()
    began = time.monotonic()
    answer = asking.get(path, params={"wait": 10, "revision": revision})
    assert 0.4 < time.monotonic() - began < 5
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["revision"] == revision + 1
    assert answer.json()["progress"]["stage"] == "building"
    assert answer.json() == asking.get(path).json()


@pytest.mark.parametrize("known", ["&revision=1", ""])
def test_an_answer_without_news_comes_after_the_wait(
    asking: httpx.Client, submitted: dict[str, Any], path: str, known: str
) -> None:
    began = time.monotonic()
    assert asking.get(f"{path}?wait=0.5{known}").json() == submitted
    assert 0.5 <= time.monotonic() - began < 5


def test_what_the_caller_does_not_know_and_an_end_are_told_at_once(
    asking: httpx.Client, submitted: dict[str, Any], path: str
) -> None:
    began = time.monotonic()
    assert asking.get(f"{path}?wait=10&revision=0").json() == submitted
    ended = asking.post(f"{path}/cancel").json()
    assert asking.get(f"{path}?wait=10&revision={ended['revision']}").json() == ended
    assert asking.get("/v1/jobs/nonesuch?wait=10").status_code == 404
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "query", ["wait=-1", "wait=10.1", "wait=nan", "wait=soon", "revision=-1", "revision=x", "x=1"]
)
def test_a_malformed_wait_is_422(asking: httpx.Client, path: str, query: str) -> None:
    answer = asking.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


def test_more_than_may_be_held_are_answered_at_once_until_one_is(
    asking: httpx.Client, submitted: dict[str, Any], path: str
) -> None:
    with ExitStack() as streams:
        opened = [streams.enter_context(asking.stream("GET", f"{path}/events")) for _ in range(40)]
        lines = [response.iter_lines() for response in opened]
        assert all(next(each).startswith("id:") for each in lines)
        began = time.monotonic()
        assert asking.get(f"{path}?wait=10").json() == submitted
        assert time.monotonic() - began < 5


def test_those_who_leave_give_their_places_back(asking: httpx.Client, path: str) -> None:
    for _ in range(45):
        with pytest.raises(httpx.ReadTimeout):
            asking.get(f"{path}?wait=10", timeout=0.01)

    def held() -> float:
        began = time.monotonic()
        asking.get(f"{path}?wait=0.2")
        return time.monotonic() - began

    until(held, lambda seconds: seconds >= 0.2, what="a question that is held again")
