"""Servers whose headers are not true: a client answers or raises one of its own errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lying_server import LyingServer, answer
from one_question import asked_blocking

from bench_client import BenchClient, BenchError, UnexpectedAnswerError
from bench_client.untrusted import retry_seconds

COMMON: Final = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


RETRY_AFTER: Final = [
    "Fri, 99 Dec 99999999999 00:00:00 GMT",
    "Fri, 31 Dec 99999999999 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -9999",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "9" * 400,
    "99999999999",
    "-1",
    "inf",
    "nan",
    "1e5",
    "٣",
    "\x00",
    ",",
    "Fri, , , :",
    "0x10",
    "1,2",
]


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_a_retry_after_that_makes_no_sense_is_as_good_as_none(
    server: LyingServer, asked: Callable[..., Any], text: str
) -> None:
    server.say = lambda _: [answer(b"", ("Retry-After", text.encode()), status=503)]
    with pytest.raises(BenchError) as caught:
        asked(server.url, lambda bench: bench.benchmarks())
    assert getattr(caught.value, "retry_after", None) in {None, 0.0}


DATES: Final = st.from_regex(r"\w{3}, \d+ \w{3} \d+ \S+ \S+")


@given(st.one_of(st.text(), st.datetimes().map(str), DATES))
def test_whatever_retry_after_says_the_wait_is_bounded(text: str) -> None:
    seconds = retry_seconds(text)
    assert seconds is None or 0 <= seconds <= 366 * 86400


HEADERS: Final = [
    "Age",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Date",
    "ETag",
    "Location",
    "RateLimit",
    "Retry-After",
    "Set-Cookie",
    "Transfer-Encoding",
    "Trailer",
    "Upgrade",
    "Vary",
    "X-Provenance",
    "X-Request-ID",
]
VALUES: Final = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")),
    st.integers().map(lambda number: str(number).encode()),
    st.sampled_from(
        [
            b"max-age=" + b"9" * 30,
            b"max-age=-1, =, ,",
            b'"' + b"e" * 5000 + b'"',
            b'W/"\xe4"',
            b"//\x1b[2J",
            b"http://\xff:99999999/",
            b"application/json; charset=zlib",
            b"text/html; charset=undefined",
            b"text/html; charset=idna",
            b"chunked, chunked",
            b"*",
            b"{" * 3000,
            b'{"benchmark": NaN}',
        ]
    ),
)


@given(
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), VALUES), max_size=4),
    status=st.sampled_from([100, 101, 200, 202, 204, 206, 301, 304, 307, 404, 416, 429, 503, 599]),
    body=st.sampled_from([b"", b'{"items": []}', b"<html>\xff", b"\x1f\x8b\x08"]),
)
@COMMON
def test_whatever_headers_a_server_sends_a_client_answers_or_raises_its_own_errors(
    server: LyingServer,
    tmp_path: Path,
    headers: list[tuple[str, bytes]],
    status: int,
    body: bytes,
) -> None:
    server.say = lambda _: [answer(body, *headers, status=status)]

    def everything(bench: Any) -> None:
        for what in (
            bench.benchmarks,
            lambda: bench.export("nds", tmp_path / "x.csv"),
            lambda: bench.query_nb201(0),
        ):
            with suppress(BenchError):
                what()

    asked_blocking(server.url, everything, timeout=2, retries=0)


@given(said=st.binary(max_size=300))
@COMMON
def test_whatever_bytes_a_server_sends_a_client_raises_its_own_errors(
    server: LyingServer, said: bytes
) -> None:
    server.say = lambda _: [said]
    with pytest.raises(BenchError):
        asked_blocking(server.url, lambda bench: bench.benchmarks(), timeout=2, retries=0)


def test_a_redirect_is_not_followed(server: LyingServer, asked: Callable[..., Any]) -> None:
    server.say = lambda _: [answer(b"", ("Location", f"{server.url}/elsewhere"), status=307)]
    with pytest.raises(UnexpectedAnswerError, match="a redirect to"):
        asked(server.url, lambda bench: bench.benchmarks())
    assert server.asked == ["GET /v1/benchmarks"]


def test_cookies_are_not_sent_back(server: LyingServer) -> None:
    server.say = lambda _: [answer(b'{"items": []}', ("Set-Cookie", "a=b; Path=/"))]
    with BenchClient(server.url) as bench:
        bench.benchmarks()
        assert "Cookie" not in bench._transport._pool().build_request("GET", server.url).headers
