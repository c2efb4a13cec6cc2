"""Servers that lie in what they answer: numbers, names, pages and texts that are not true.

Whatever comes, a client raises one of its own errors, and shows no control character.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lying_server import MEGABYTE, LyingServer, answer, job
from one_question import asked_blocking

from bench_client import BenchClient, BenchError, UnexpectedAnswerError
from bench_client.compat_nasbench import NASBench
from bench_client.untrusted import cleaned

MILLIONS: Final = b"millions of items, made where they are sent"
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
    MILLIONS,
]


@pytest.mark.parametrize("body", NUMBERS, ids=range(len(NUMBERS)))
def test_json_that_is_out_of_all_proportion_is_no_answer(
    server: LyingServer, asked: Callable[..., Any], body: bytes
) -> None:
    if body is MILLIONS:
        body = b'{"items": [' + b"{}," * 20 * MEGABYTE + b"{}]}"
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
        asked_blocking(server.url, lambda bench: bench.job("0" * 32), retries=0)


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
    with pytest.raises(UnexpectedAnswerError, match="repeats the page"):
        list(NASBench(server.url).fixed_statistics)
    assert len(server.asked) < 10


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
