from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_client import (
    BenchClient,
    RequestTimeoutError,
    ServerOverloadedError,
    ServerUnreachableError,
)
from bench_client.over_http import LONGEST_PAUSE, pause_before_retry
from bench_client.untrusted import retry_seconds

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer, MakeReply


def overloaded(value: str | None = None, status: int = 503) -> httpx.Response:
    headers = [] if value is None else [(b"Retry-After", value.encode())]
    return httpx.Response(status, headers=headers)


@pytest.fixture
def nobody() -> Iterator[str]:
    """Bind a port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_failure_is_asked_again(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply, status: int
) -> None:
    server.will_answer(reply.problem(status), reply(status, b"<html>", "text/html"))
    runs = asked(server.url, lambda bench: bench.query_nb201(0, 200, "cifar100", 999))
    assert [run.test_acc for run in runs] == [53.08]
    assert len(server.received) == 3


def test_a_batch_is_asked_again_with_its_body(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(503))
    asked(server.url, lambda bench: bench.query_nb201_many([0, 1]))
    assert [request.body["archs"] for request in server.received] == [[0, 1], [0, 1]]


def test_retries_are_bounded(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(*[reply.problem(503, "too much to do")] * 9)
    with pytest.raises(ServerOverloadedError, match="too much to do"):
        asked(server.url, lambda bench: bench.query_nb201(0), retries=2)
    assert len(server.received) == 3


def test_a_question_that_outlasts_its_time_budget_is_not_asked_again(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    kind = "urn:nas-bench-service:problem:time-budget-exceeded"
    server.will_answer(reply.problem(503, "add filters", type=kind))
    with pytest.raises(ServerOverloadedError, match="add filters"):
        asked(server.url, lambda bench: bench.query_nb201(0))
    assert len(server.received) == 1


def test_no_retries_means_one_attempt(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(503))
    with pytest.raises(ServerOverloadedError):
        asked(server.url, lambda bench: bench.query_nb201(0), retries=0)
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [400, 404, 413, 422, 500])
def test_a_failure_that_stays_is_not_asked_again(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply, status: int
) -> None:
    server.will_answer(reply.problem(status))
    with pytest.raises(Exception, match="x"):
        asked(server.url, lambda bench: bench.query_nb201(0))
    assert len(server.received) == 1


def test_retry_after_is_honoured(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(429, headers={"Retry-After": "1"}))
    start = time.monotonic()
    asked(server.url, lambda bench: bench.query_nb201(0))
    assert time.monotonic() - start >= 1


def test_a_server_that_wants_a_long_pause_is_not_waited_for(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(503, "come back later", headers={"Retry-After": "3600"}))
    with pytest.raises(ServerOverloadedError) as caught:
        asked(server.url, lambda bench: bench.query_nb201(0))
    assert caught.value.retry_after == 3600
    assert len(server.received) == 1


def test_nobody_at_the_address_is_told_quickly(nobody: str, asked: Callable[..., Any]) -> None:
    start = time.monotonic()
    with pytest.raises(ServerUnreachableError, match=f"no answer from {nobody}.*NASBENCH_URL"):
        asked(nobody, lambda bench: bench.query_nb201(0))
    assert time.monotonic() - start < 5


def test_an_answer_that_breaks_off_is_asked_again(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(200, b'{"items": []}', cut=5))
    assert len(asked(server.url, lambda bench: bench.query_nb201(0, 200, "cifar100"))) == 3


def test_answers_that_always_break_off_mean_unreachable(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(*[reply(200, b'{"items": []}', cut=5)] * 2)
    with pytest.raises(ServerUnreachableError):
        asked(server.url, lambda bench: bench.query_nb201(0), retries=1)


def test_a_silent_server_times_out_without_being_asked_again(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(200, b"{}", delay=30))
    with pytest.raises(RequestTimeoutError, match="in time"):
        asked(server.url, lambda bench: bench.query_nb201(0), timeout=0.2)
    assert len(server.received) == 1


def test_connections_that_the_server_closed_are_replaced(server: BenchmarkServer) -> None:
    with BenchClient(server.url) as bench:
        bench.query_nb201(0)
        for connection in server.connections:
            connection.shutdown(socket.SHUT_RDWR)
        assert len(bench.query_nb201(0, 200, "cifar100")) == 3


@pytest.mark.parametrize("text", ["", "soon", "-3", "1.5", "nan", "٣"])
def test_a_retry_after_that_says_nothing_is_passed_over(text: str) -> None:
    assert retry_seconds(text) is None


def test_retry_after_reads_dates() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    assert retry_seconds(format_datetime(moment, usegmt=True)) == pytest.approx(100, abs=2)
    assert retry_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_seconds("Wed, 21 Oct 2015 07:28:00 -0000") == 0


@given(
    attempt=st.integers(0, 2_000),
    limit=st.integers(0, 2_001),
    asked_for=st.none() | st.integers(0, 10**6),
)
def test_no_pause_is_longer_than_the_bound_or_shorter_than_asked_for(
    attempt: int, limit: int, asked_for: int | None
) -> None:
    answer = overloaded(None if asked_for is None else str(asked_for))
    pause = pause_before_retry(attempt, answer, limit=limit)
    if attempt >= limit or (asked_for or 0) > LONGEST_PAUSE:
        assert pause is None
    else:
        assert pause is not None
        assert (asked_for or 0) <= pause <= LONGEST_PAUSE


def test_pauses_grow_with_the_attempts() -> None:
    longest = [
        max(pause_before_retry(attempt, overloaded(), limit=9) or 0 for _ in range(300))
        for attempt in (0, 4)
    ]
    assert longest[0] <= 0.2 < longest[1]
