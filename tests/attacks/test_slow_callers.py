"""Bodies that never come, answers that nobody reads, and one caller who wants everything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from raw_connection import RawConnection
from waiting import until

ONE: Final = "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100"
BATCH: Final = "/v1/nasbench201/computed-stats/query"
EXPORT: Final = "/v1/hw-nas-bench/export"
POST: Final = (
    f"POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
)
GET_EXPORT: Final = f"GET {EXPORT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
QUESTION: Final = {"archs": [0]}


@pytest.fixture(scope="module")
def server(attacked: Any) -> BenchServer:
    started: BenchServer = attacked()
    return started


@pytest.fixture(scope="module")
def hasty(attacked: Any) -> BenchServer:
    """A server of few places whose deadlines are a second."""
    names = ("BODY_SECONDS", "READ_SECONDS", "HEADER_SECONDS")
    short = {f"NASBENCH_{name}": "1" for name in names}
    started: BenchServer = attacked(NASBENCH_MAX_REQUESTS="8", **short)
    return started


@contextmanager
def senders(server: BenchServer, number: int, *sent: bytes, **options: Any) -> Iterator[None]:
    """Keep connections that have sent something and go on with nothing."""
    with ExitStack() as stack:
        for _ in range(number):
            connection = stack.enter_context(RawConnection(server.port, **options))
            connection.send(*sent)
        yield


def assert_all_is_well(server: BenchServer) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as http:
        for path in (ONE, "/livez", "/readyz"):
            assert http.get(path).status_code == 200
        assert http.post(BATCH, json=QUESTION).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 9\r\n\r\n",
        POST + b"Content-Length: 9\r\n\r\n{",
        POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        b"GET /v1/benchmarks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        b"DELETE /v1/benchmarks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[-40:]),
)
def test_bodies_that_never_come_take_no_places(server: BenchServer, sent: bytes) -> None:
    with senders(server, 520, sent):
        assert_all_is_well(server)


class TestDeadlines:
    @pytest.mark.parametrize("method", [b"POST", b"PUT"])
    def test_a_body_that_does_not_come_is_408(self, hasty: BenchServer, method: bytes) -> None:
        with RawConnection(hasty.port) as connection:
            connection.send(POST.replace(b"POST", method) + b"Content-Length: 9\r\n\r\n{")
            assert connection.problem()["status"] == 408

    def test_a_body_that_drips_is_408(self, hasty: BenchServer) -> None:
        with RawConnection(hasty.port) as connection, ThreadPoolExecutor() as beside:
            head = POST + b"Content-Length: 100000\r\n\r\n"
            beside.submit(connection.send, head, *[b" "] * 200, pause=0.02)
            assert b"HTTP/1.1 408" in connection.rest()

    def test_an_upload_that_does_not_come_is_408(self, hasty: BenchServer) -> None:
        head = (
            b"POST /v1/checkpoints?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        )
        with RawConnection(hasty.port) as connection:
            connection.send(head + b"Content-Type: application/octet-stream\r\n\r\n{")
            assert connection.problem()["status"] == 408

    def test_a_body_after_its_answer_is_not_waited_for(self, hasty: BenchServer) -> None:
        with RawConnection(hasty.port) as connection:
            connection.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            assert connection.rest().count(b"HTTP/1.1") == 1

    def test_a_body_as_slow_as_is_allowed_is_read(self, hasty: BenchServer) -> None:
        body = b'{"archs": [0]}' + b" " * 60_000
        pieces = [body[start : start + 2_000] for start in range(0, len(body), 2_000)]
        head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        with RawConnection(hasty.port) as connection:
            connection.send(head, *pieces, pause=0.07)
            assert connection.rest().startswith(b"HTTP/1.1 200")


class TestReaders:
    def test_exports_that_nobody_reads_keep_nobody_from_his(self, server: BenchServer) -> None:
        with senders(server, 2, GET_EXPORT, buffer=4096):
            time.sleep(0.2)
            assert_all_is_well(server)
            assert httpx.get(server.url + EXPORT, timeout=30).status_code == 200

    def test_one_caller_has_his_share_of_exports_and_others_have_theirs(
        self, attacked: Any
    ) -> None:
        server = attacked(NASBENCH_READ_SECONDS="2")
        with senders(server, 40, GET_EXPORT, buffer=4096):
            time.sleep(0.2)
            assert_all_is_well(server)
            refused = httpx.get(server.url + EXPORT, timeout=30)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "10"
            with RawConnection(server.port, source="127.0.0.2") as other:
                other.send(GET_EXPORT)
                assert other.receive(12) == b"HTTP/1.1 200"
            # More may be asked for once those that nobody reads have been cut off.
            until(
                lambda: httpx.get(server.url + EXPORT, timeout=30),
                lambda answer: answer.status_code == 200,
                what="a place for another export",
            )

    def test_an_answer_that_is_not_read_is_cut_off(self, hasty: BenchServer) -> None:
        with RawConnection(hasty.port, buffer=4096) as connection:
            connection.send(GET_EXPORT)
            time.sleep(4)
            received = connection.rest()
            assert received.startswith(b"HTTP/1.1 200")
            assert not received.endswith(b"0\r\n\r\n")
        assert "were not read" in hasty.log.read_text()

    def test_a_stream_that_has_nothing_to_tell_stays(self, hasty: BenchServer) -> None:
        network = {"benchmark": "nasbench201", "arch": 7, "dataset": "cifar10"}
        job = httpx.post(f"{hasty.url}/v1/models", json={"network": network}).json()
        with RawConnection(hasty.port) as connection:
            connection.send(
                f"GET /v1/jobs/{job['id']}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            time.sleep(3)
            httpx.post(f"{hasty.url}/v1/jobs/{job['id']}/cancel")
            assert b'"state":"cancelled"' in connection.rest_of_answer()


def test_connections_that_ask_for_nothing_make_room(attacked: Any) -> None:
    server = attacked(NASBENCH_MAX_CONNECTIONS="40", NASBENCH_HEADER_SECONDS="60")
    half = b"GET /livez HTTP/1.1\r\n"
    for sent in (b"", half, POST + b"Content-Length: 9\r\n\r\n{"):
        with senders(server, 100, sent):
            assert_all_is_well(server)


def test_long_bodies_of_one_caller_leave_room_for_others(attacked: Any) -> None:
    server = attacked(NASBENCH_BODY_BYTES=str(2**20))
    body = POST + b"Content-Length: 1000000\r\n\r\n" + b" " * 500_000
    with senders(server, 4, body):
        assert_all_is_well(server)
        with RawConnection(server.port) as connection:
            connection.send(body + b" " * 400_000)
            assert b"HTTP/1.1 429" in connection.receive(65536)
