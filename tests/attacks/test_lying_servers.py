"""Servers that lie to a client: names, sizes, headers, texts and numbers that are not true.

Whatever comes, a client raises one of its own errors, keeps its memory and writes only where it was
told to.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lying_server import DIGEST, LyingServer, answer, job, lying

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BenchError,
    Job,
    RequestTimeoutError,
    ServerFailedError,
    ServerOverloadedError,
    UnexpectedAnswerError,
)
from bench_client.compat_nasbench import NASBench
from bench_client.untrusted import cleaned, one_file_name, retry_seconds

MEGABYTE: Final = 2**20
CONTENT: Final = b"test"
"""What DIGEST is the digest of."""
COMMON: Final = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying() as server:
        yield server


def asked_blocking(url: str, what: Callable[[Any], Any], **options: Any) -> Any:
    with BenchClient(url, **{"retries": 0, "timeout": 10} | options) as bench:
        return what(bench)


def asked_awaited(url: str, what: Callable[[Any], Any], **options: Any) -> Any:
    async def asked() -> Any:
        async with AsyncBenchClient(url, **{"retries": 0, "timeout": 10} | options) as bench:
            return await what(bench)

    return asyncio.run(asked())


@pytest.fixture(params=[asked_blocking, asked_awaited], ids=["blocking", "awaited"])
def asked(request: pytest.FixtureRequest) -> Callable[..., Any]:
    chosen: Callable[..., Any] = request.param
    return chosen


NAMES: Final = [
    "../../escaped.txt",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "..\\x",
    "C:x",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "a\x85b",
    "x.",
    "x ",
    " x",
    "x" * 129,
    "x" * 300,
    ".bashrc",
    "-rf",
    "~",
    "NUL",
    "con.txt",
    "LPT1.safetensors",
    "CONIN$",
    "\uff0fetc",
    "a\u2044b",
    "\u202egnp.exe",
    "\u200b",
    "\uff41",
    "x*",
    "x?",
    "x:stream",
    "$HOME",
    "%2e%2e",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_plain_file_name_is_refused_before_anything_is_asked(
    server: LyingServer, tmp_path: Path, name: str
) -> None:
    server.say = lambda target: [answer(job(name) if "artifacts" not in target else CONTENT)]
    with BenchClient(server.url, retries=0) as bench:
        with pytest.raises(UnexpectedAnswerError, match="name"):
            bench.job("0" * 32)
        # One that was made past the model's checks is refused all the same.
        made = Job.model_validate_json(job("fine.txt"))
        unchecked = made.artifacts[0].model_copy(update={"name": name})
        lied = made.model_copy(update={"artifacts": [unchecked]})
        asked_before = len(server.asked)
        with pytest.raises(UnexpectedAnswerError):
            bench.download(lied, tmp_path / "in" / "out")
    assert len(server.asked) == asked_before
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_whatever_is_let_through_is_one_component_beside_the_others(name: str) -> None:
    try:
        plain = one_file_name(name)
    except ValueError:
        return
    assert plain == name
    assert name.isascii()
    assert os.path.basename(name) == name  # noqa: PTH119 - what the system takes for one
    assert name not in {"", ".", ".."}


@pytest.mark.parametrize("names", [("a.txt", "a.txt"), ("A.txt", "a.TXT"), ("x", "y", "X")])
def test_names_that_are_one_file_somewhere_are_refused(
    server: LyingServer, names: tuple[str, ...]
) -> None:
    server.say = lambda _: [answer(job(*names))]
    with (
        BenchClient(server.url, retries=0) as bench,
        pytest.raises(UnexpectedAnswerError, match="artifacts"),
    ):
        bench.job("0" * 32)


def sends_artifact(body: bytes, *headers: tuple[str, str]) -> Callable[[str], Iterable[bytes]]:
    def say(target: str) -> Iterable[bytes]:
        if "artifacts" not in target:
            return [answer(job("a.txt"))]
        return [answer(body, ("Content-Type", "text/plain"), ("ETag", f'"{DIGEST}"'), *headers)]

    return say


async def _download_awaited(bench: Any, folder: Path) -> Any:
    return await bench.download(await bench.job("0" * 32), folder)


def download(bench: Any, folder: Path) -> Any:
    if isinstance(bench, AsyncBenchClient):
        return _download_awaited(bench, folder)
    return bench.download(bench.job("0" * 32), folder)


def test_a_link_in_the_place_of_a_file_is_replaced_and_never_written_through(
    server: LyingServer, asked: Callable[..., Any], tmp_path: Path
) -> None:
    server.say = sends_artifact(CONTENT)
    (tmp_path / "precious").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").symlink_to(tmp_path / "precious")
    asked(server.url, lambda bench: download(bench, out))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (out / "a.txt").read_bytes() == CONTENT
    assert not (out / "a.txt").is_symlink()


def test_a_folder_in_the_place_of_a_file_stays(server: LyingServer, tmp_path: Path) -> None:
    server.say = sends_artifact(CONTENT)
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        asked_blocking(server.url, lambda bench: download(bench, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


ENDLESS: Final = b"x" * MEGABYTE


def endless_chunks() -> Iterator[bytes]:
    for _ in range(4096):
        yield b"%x\r\n%s\r\n" % (len(ENDLESS), ENDLESS)


@pytest.mark.parametrize("how", ["chunks", "length", "close", "packed"])
def test_a_file_that_is_longer_than_the_job_says_is_given_up_at_once(
    server: LyingServer, asked: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    head = [("Content-Type", "text/plain"), ("ETag", f'"{DIGEST}"')]

    def say(target: str) -> Iterable[bytes]:
        if "artifacts" not in target:
            yield answer(job("a.txt"))
        elif how == "packed":
            yield answer(gzip.compress(CONTENT), ("Content-Encoding", "gzip"), *head)
        elif how == "chunks":
            yield answer(b"", ("Transfer-Encoding", "chunked"), *head)
            yield from endless_chunks()
        elif how == "length":
            yield answer(b"", *head, length=2**42)
            yield from (ENDLESS for _ in range(4096))
        else:
            yield answer(b"", *head).replace(b"Content-Length: 0\r\n", b"")
            yield from (ENDLESS for _ in range(4096))

    server.say = say
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: download(bench, tmp_path), compress=True)
    assert list(tmp_path.iterdir()) == []
    assert server.sent < 64 * MEGABYTE


def bomb(megabytes: int, *, level: int = 9) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    pieces = [packer.compress(b" " * MEGABYTE) for _ in range(megabytes)]
    return b"".join([*pieces, packer.flush()])


def packed(encoding: str) -> list[bytes]:
    body = bomb(64)
    if "gzip" in encoding.rpartition(",")[2] and "," in encoding:
        body = gzip.compress(body)
    return [answer(body, ("Content-Encoding", encoding))]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x", "\xff"])
@pytest.mark.parametrize("compress", [False, True])
def test_an_answer_that_is_packed_as_nobody_asked_or_holds_too_much_is_given_up(
    server: LyingServer, asked: Callable[..., Any], encoding: str, *, compress: bool
) -> None:
    server.say = lambda _: packed(encoding)
    with pytest.raises(UnexpectedAnswerError, match=r"more than|was not asked for"):
        asked(
            server.url,
            lambda bench: bench.benchmarks(),
            compress=compress,
            max_answer=2 * MEGABYTE,
        )


def test_an_answer_that_is_packed_as_asked_is_read(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    server.say = lambda _: [answer(gzip.compress(b'{"items": []}'), ("Content-Encoding", "GZip"))]
    assert asked(server.url, lambda bench: bench.benchmarks(), compress=True) == []


PACKED: Final = gzip.compress(b'{"items": []}')


@pytest.mark.parametrize(
    "body",
    [PACKED[:-9], PACKED + b"more", PACKED * 2, b"{}", b""],
    # Of the same names in every process: what is packed holds the time.
    ids=["cut", "followed", "twice", "unpacked", "empty"],
)
def test_what_cannot_be_unpacked_is_no_answer(
    server: LyingServer, asked: Callable[..., Any], body: bytes
) -> None:
    server.say = lambda _: [answer(body, ("Content-Encoding", "gzip"))]
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: bench.benchmarks(), compress=True)


@pytest.mark.parametrize("how", ["chunks", "length", "close"])
def test_an_answer_without_end_is_given_up_where_it_passes_the_bound(
    server: LyingServer, asked: Callable[..., Any], how: str
) -> None:
    def say(_: str) -> Iterable[bytes]:
        if how == "chunks":
            yield answer(b"", ("Transfer-Encoding", "chunked"))
            yield from endless_chunks()
            return
        head = answer(b"", length=2**50)
        yield head if how == "length" else head.replace(b"Content-Length: %d\r\n" % 2**50, b"")
        yield from (ENDLESS for _ in range(4096))

    server.say = say
    with pytest.raises(UnexpectedAnswerError, match="more than"):
        asked(server.url, lambda bench: bench.benchmarks(), max_answer=MEGABYTE)
    assert server.sent < 64 * MEGABYTE


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_an_error_without_end_is_still_the_error_of_its_status(
    server: LyingServer, asked: Callable[..., Any], status: int
) -> None:
    def say(_: str) -> Iterable[bytes]:
        kind = ("Content-Type", "application/problem+json")
        yield answer(b'{"detail": "', kind, ("Transfer-Encoding", "chunked"), status=status)[:-12]
        yield b'c\r\n{"detail": "\r\n'
        yield from endless_chunks()

    server.say = say
    with pytest.raises(BenchError) as caught:
        asked(server.url, lambda bench: bench.benchmark("nasbench201"))
    kind = {429: ServerOverloadedError, 500: ServerFailedError, 503: ServerOverloadedError}
    assert type(caught.value) is kind.get(status, UnexpectedAnswerError)
    assert server.sent < 64 * MEGABYTE
    assert len(str(caught.value)) < 5000


MEMORY: Final = """
import resource, sys
from bench_client import BenchClient, BenchError
with BenchClient(sys.argv[1], retries=0) as bench:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        bench.benchmarks()
    except BenchError as error:
        print(type(error).__name__)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["plain", "gzip", "errors", "wide"])
def test_the_memory_of_a_client_is_bounded_with_its_usual_settings(
    server: LyingServer, kind: str
) -> None:
    def say(_: str) -> Iterable[bytes]:
        if kind == "gzip":
            yield answer(bomb(400), ("Content-Encoding", "gzip"))
        elif kind == "plain":
            yield answer(b"", ("Transfer-Encoding", "chunked"))
            yield from endless_chunks()
        elif kind == "wide":
            members = b",".join(b'"k%d":1' % number for number in range(700_000))
            yield answer(b'{"items": [{%s}]}' % members)
        else:
            yield answer(b'{"items": [' + b"0," * (4 * MEGABYTE) + b"0]}")

    server.say = say
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, server.url], capture_output=True, text=True, check=True
    )
    name, grown = done.stdout.split()
    assert name == "UnexpectedAnswerError"
    assert int(grown) < 450


NUMBERS: Final = [
    b'{"items": ' + b"[" * 200_000,
    b'{"items": ' + b'{"a":' * 200_000,
    b'{"items": [' + b"9" * 100_000 + b"]}",
    b'{"items": [NaN]}',
    b'{"items": ["\\ud800"]}',
    b"\xff\xfe",
    b"",
    b"null",
    b"[]",
    b'{"items": null}',
    b"{" * 10,
    b'{"items": [' + b"{}," * 20 * MEGABYTE + b"{}]}",
]


@pytest.mark.parametrize("body", NUMBERS, ids=range(len(NUMBERS)))
def test_json_that_is_out_of_all_proportion_is_no_answer(
    server: LyingServer, asked: Callable[..., Any], body: bytes
) -> None:
    server.say = lambda _: [answer(body)]
    with pytest.raises(UnexpectedAnswerError) as caught:
        asked(server.url, lambda bench: bench.benchmarks())
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 4000])
@pytest.mark.parametrize("where", ["time_limit", "result", "request"])
def test_a_number_that_json_has_not_is_none_wherever_it_stands(
    server: LyingServer, asked: Callable[..., Any], number: str, where: str
) -> None:
    marked = "MARK" if where == "time_limit" else {"deep": [{"er": "MARK"}]}
    server.say = lambda _: [answer(job(**{where: marked}).replace(b'"MARK"', number.encode()))]
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: bench.job("0" * 32))


@pytest.mark.parametrize("name", ["../x", "", "a/b", "x" * 101, "a\r\nb", "ü"])
def test_an_id_that_belongs_in_no_address_is_no_job(server: LyingServer, name: str) -> None:
    server.say = lambda _: [answer(job(id=name))]
    with pytest.raises(UnexpectedAnswerError, match="id"):
        asked_blocking(server.url, lambda bench: bench.job("0" * 32))


def test_a_media_type_is_not_sent_back_to_the_server(server: LyingServer, tmp_path: Path) -> None:
    made = {"name": "a.txt", "media_type": "a\r\nX: ü", "size": 4, "sha256": DIGEST}
    respond = sends_artifact(CONTENT)
    server.say = lambda target: respond(target) if "artifacts" in target else [answer(job(made))]
    asked_blocking(server.url, lambda bench: download(bench, tmp_path))
    assert (tmp_path / "a.txt").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["same", "circle", "empty"])
def test_pages_without_end_come_to_an_end(
    server: LyingServer, asked: Callable[..., Any], kind: str
) -> None:
    def say(_: str) -> Iterable[bytes]:
        turn = len(server.asked)
        cursor = {"same": "c", "circle": f"c{turn % 3}", "empty": f"c{turn}"}[kind]
        listed = [json.loads(job())] * (kind != "empty")
        yield answer(json.dumps({"items": listed, "next_cursor": cursor}).encode())

    server.say = say
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: bench.jobs(limit=None))
    assert len(server.asked) < 30


def test_the_tables_of_an_adapter_come_to_an_end(
    server: LyingServer, nasbench101_folder: Path
) -> None:
    with BenchClient.local(nasbench101_folder) as local:
        info = local.benchmark("nasbench101")
        runs = local.query_nb101(reduction="mean")[:3]
    mark = {"benchmark": "nasbench101", "source": "s", "synthetic": False, "content_digest": "d"}
    page = {"items": [run.model_dump() for run in runs], "next_cursor": "c", "provenance": mark}
    server.say = lambda target: [
        answer(json.dumps(page).encode() if "stats" in target else info.model_dump_json().encode())
    ]
    with pytest.raises(UnexpectedAnswerError, match="the same page"):
        list(NASBench(server.url).fixed_statistics)
    assert len(server.asked) < 10


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
        # Twice: what the first answer left in the cache is sent back with the second question.
        for what in (
            bench.benchmarks,
            bench.benchmarks,
            lambda: bench.export("nds", tmp_path / "x.csv"),
            lambda: bench.query_nb201(0),
        ):
            with suppress(BenchError):
                what()

    asked_blocking(server.url, everything, cache=tmp_path / "cache.db", timeout=2)


@given(said=st.binary(max_size=300))
@COMMON
def test_whatever_bytes_a_server_sends_a_client_raises_its_own_errors(
    server: LyingServer, said: bytes
) -> None:
    server.say = lambda _: [said]
    with pytest.raises(BenchError):
        asked_blocking(server.url, lambda bench: bench.benchmarks(), timeout=2)


def test_a_redirect_is_not_followed(server: LyingServer, asked: Callable[..., Any]) -> None:
    server.say = lambda _: [answer(b"", ("Location", f"{server.url}/elsewhere"), status=307)]
    with pytest.raises(UnexpectedAnswerError, match="sent on to"):
        asked(server.url, lambda bench: bench.benchmarks())
    assert server.asked == ["GET /v1/benchmarks"]


def test_cookies_are_not_sent_back(server: LyingServer) -> None:
    server.say = lambda _: [answer(b'{"items": []}', ("Set-Cookie", "a=b; Path=/"))]
    with BenchClient(server.url) as bench:
        bench.benchmarks()
        assert "Cookie" not in bench._transport._pool().build_request("GET", server.url).headers


SEQUENCES: Final = [
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "a\rb\x08\x08",
    "\u202eevil\u2066",
    "line\nanother\u2028third\x85fourth",
    "\x7f\x00",
    "\U000e0041",
]


@pytest.mark.parametrize("text", SEQUENCES)
def test_no_control_character_of_a_server_is_in_a_message(
    server: LyingServer, asked: Callable[..., Any], text: str
) -> None:
    problem = {
        "type": f"urn:x:{text}",
        "title": text,
        "detail": f"bad {text}",
        "errors": [{"loc": [text, 1], "msg": f"{text}!"}],
        "request_id": text,
    }
    kind = ("Content-Type", "application/problem+json")
    for status in (400, 401, 404, 413, 418, 422, 429, 500, 502, 503):
        body = json.dumps(problem).encode()
        server.say = lambda _, status=status, body=body: [answer(body, kind, status=status)]
        with pytest.raises(BenchError) as caught:
            asked(server.url, lambda bench: bench.benchmark("nasbench201"))
        assert str(caught.value).isprintable()
    server.say = lambda _: [
        answer(job(state="failed", error={"kind": text, "message": text}, result=None))
    ]
    with pytest.raises(BenchError) as caught:
        asked(server.url, lambda bench: bench.wait("0" * 32))
    assert str(caught.value).isprintable()


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    assert cleaned(text).isprintable()
    assert not text.isprintable() or cleaned(text) == text


def test_a_download_that_stands_still_ends_with_the_patience_of_the_client(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    stop = threading.Event()

    def say(_: str) -> Iterable[bytes]:
        yield answer(b"", length=10)
        stop.wait(10)

    server.say = say
    with pytest.raises(RequestTimeoutError):
        asked(server.url, lambda bench: bench.benchmarks(), timeout=0.3)
    stop.set()


def test_the_digest_of_the_stand_ins_is_that_of_their_content() -> None:
    assert hashlib.sha256(CONTENT).hexdigest() == DIGEST
