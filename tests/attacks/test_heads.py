"""Heads of requests: bounded, whatever way they come, and not waited for without end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_connection import RawConnection

BYTES: Final = 64 * 2**10
FIELDS: Final = 100
GET: Final = b"GET /v1/benchmarks HTTP/1.1\r\nHost: localhost\r\n"
POST: Final = b"POST /v1/nasbench201/computed-stats/query HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED: Final = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

SLOW: Final = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def server(attacked: Any) -> BenchServer:
    started: BenchServer = attacked()
    return started


@pytest.fixture(scope="module")
def hasty(attacked: Any) -> BenchServer:
    """A server that waits three seconds for a head, and less for another request."""
    started: BenchServer = attacked(NASBENCH_HEADER_SECONDS="3", NASBENCH_IDLE_SECONDS="0.6")
    return started


def memory(server: BenchServer) -> int:
    """Return the resident memory of a server in MB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def in_pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


ENDLESS: Final = {
    "fields without a value": GET + b"A:\r\n" * 1_000_000,
    "one name": GET + b"A" * 2_000_000,
    "one value": GET + b"A: " + b"b" * 2_000_000,
    "a value of spaces": GET + b"A:" + b" " * 2_000_000,
    "an address": b"GET /" + b"a" * 2_000_000,
    "a query": b"GET /v1/benchmarks?" + b"a=b&" * 500_000,
    "a cookie in many fields": GET + b"Cookie: a=b\r\n" * 100_000,
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"A:\r\n" * 1_000_000,
    "one trailer": CHUNKED + b"2\r\n{}\r\n0\r\nA: " + b"b" * 2_000_000,
}


@pytest.mark.parametrize("sent", ENDLESS.values(), ids=ENDLESS)
def test_what_goes_on_is_answered_431_and_closed(server: BenchServer, sent: bytes) -> None:
    with RawConnection(server.port) as connection, ThreadPoolExecutor() as beside:
        beside.submit(connection.send, *in_pieces(sent, 50_000))
        assert connection.problem()["status"] in {431, 400}


@pytest.mark.parametrize(
    "sent",
    [
        CHUNKED + b"1;a=" + b"b" * 2_000_000,
        CHUNKED + b"0" * 2_000_000,
        CHUNKED + b"1;" + b"a=b;" * 500_000,
        b"\r\n" * 1_000_000,
        b"\x16\x03\x01" * 1000,
        b"NONSENSE / HTTP/1.1\r\n\r\n",
        GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED + b"nonsense\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[-20:]),
)
def test_what_is_no_http_is_a_problem_too(server: BenchServer, sent: bytes) -> None:
    with RawConnection(server.port) as connection, ThreadPoolExecutor() as beside:
        beside.submit(connection.send, *in_pieces(sent, 50_000))
        assert connection.problem()["status"] in {400, 431}


@SLOW
@given(
    number=st.integers(0, 130),
    length=st.integers(0, 1500),
    piece=st.sampled_from([7, 100, 1024, 1025, 20_000, 200_000]),
)
def test_a_head_is_answered_exactly_within_its_bounds(
    server: BenchServer, number: int, length: int, piece: int
) -> None:
    fields = b"".join(b"x-%03d: %b\r\n" % (rank, b"v" * length) for rank in range(number))
    taken = len("/v1/benchmarks") + len("Host") + len("localhost") + 4 + number * (5 + length + 4)
    fits = number + 1 <= FIELDS and taken <= BYTES
    if piece == 7 and len(fields) > 5000:
        piece = 1000
    with RawConnection(server.port) as connection:
        connection.send(*in_pieces(GET + fields + b"Connection: close\r\n\r\n", piece))
        fits = fits and number + 2 <= FIELDS and taken + len("Connection: close") + 2 <= BYTES
        status = connection.rest()[9:12]
    assert status == (b"200" if fits else b"431")


def test_fields_reach_the_application_as_they_were_sent(server: BenchServer) -> None:
    with RawConnection(server.port) as connection:
        connection.send(
            b"GET /v1/benchmarks HTTP/1.1\r\nhOsT: localhost\r\nX-Request-ID: MiXed.1\r\n"
        )
        connection.send(b"Connection: close\r\n\r\n")
        assert b"x-request-id: MiXed.1\r\n" in connection.rest()


def test_trailers_are_no_header_fields(server: BenchServer) -> None:
    with RawConnection(server.port) as connection:
        body = b"1\r\n{\r\n1\r\n}\r\n0\r\nX-Request-ID: from-a-trailer\r\n\r\n"
        connection.send(CHUNKED + body + b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")
        answers = connection.rest()
    assert b"HTTP/1.1 422" in answers
    assert b"HTTP/1.1 200" in answers
    assert b"from-a-trailer" not in answers


def test_pipelined_requests_are_answered_in_order_and_refused_after_that(
    server: BenchServer,
) -> None:
    number = 2000
    with RawConnection(server.port) as connection, ThreadPoolExecutor() as beside:
        asked = b"".join(
            b"GET /livez HTTP/1.1\r\nX-Request-ID: %d\r\n\r\n" % rank for rank in range(number)
        )
        beside.submit(connection.send, asked + GET + b"A:\r\n" * 200)
        answers = connection.rest()
    places = [answers.index(b"x-request-id: %d\r\n" % rank) for rank in range(number)]
    assert places == sorted(places)
    assert answers.count(b"HTTP/1.1 200") == number
    assert b"HTTP/1.1 431" in answers[places[-1] :]


def test_two_hundred_senders_of_endless_heads_cost_no_memory(server: BenchServer) -> None:
    """38 MB of empty fields each, as far as the server lets them."""
    httpx.get(f"{server.url}/v1/benchmarks")
    before = memory(server)
    piece = b"A:\r\n" * 250_000
    connections = [RawConnection(server.port) for _ in range(200)]
    with ThreadPoolExecutor(16) as beside:
        for connection in connections:
            connection.send(GET)
        sent = list(beside.map(lambda one: one.send_all(piece for _ in range(38)), connections))
    grown = memory(server) - before
    for connection in connections:
        connection.close()
    assert len(sent) == 200
    assert grown < 100
    assert httpx.get(f"{server.url}/livez").status_code == 200


class TestDeadlines:
    def test_a_head_that_is_not_finished_is_408(self, hasty: BenchServer) -> None:
        with RawConnection(hasty.port) as connection:
            connection.send(GET)
            assert connection.problem()["status"] == 408

    def test_a_head_that_drips_is_408_as_soon(self, hasty: BenchServer) -> None:
        with RawConnection(hasty.port) as connection, ThreadPoolExecutor() as beside:
            started = time.monotonic()
            beside.submit(connection.send, *in_pieces(GET, 1), pause=0.15)
            assert b"HTTP/1.1 408" in connection.rest()
            assert 0.4 < time.monotonic() - started < 10

    @pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"])
    def test_who_says_nothing_is_closed(self, hasty: BenchServer, sent: bytes) -> None:
        with RawConnection(hasty.port) as connection:
            connection.send(sent)
            assert 0.4 < connection.until_closed() < 10

    def test_a_connection_is_kept_for_a_while_and_a_next_head_has_its_time(
        self, hasty: BenchServer
    ) -> None:
        with RawConnection(hasty.port) as connection:
            connection.send(GET + b"\r\n")
            assert connection.receive(12) == b"HTTP/1.1 200"
            time.sleep(0.3)
            connection.send(b"GET /livez HT")
            time.sleep(1.0)  # longer than an idle connection is kept
            connection.send(b"TP/1.1\r\n\r\n")
            started = time.monotonic()
            assert b'{"status":"alive"}' in connection.rest()
            assert 0.4 < time.monotonic() - started < 10


@pytest.fixture(autouse=True)
def still_well(server: BenchServer) -> Iterator[None]:
    yield
    assert httpx.get(f"{server.url}/readyz").status_code == 200
