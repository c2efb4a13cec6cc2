"""Bodies and query strings that hold too much: refused before they keep anybody else waiting."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from benchmark_db.questions import MAX_BATCH
from service.app import create_app
from service.http.body import BodyRoute, _question
from service.routes.nasbench101 import Nb101HashQuestion

LARGEST: Final = 4 * 2**20 - 1000
BATCH: Final = "/v1/nasbench201/computed-stats/query"
LONGEST_WAIT: Final = 2.0
"""Seconds for a question about health on a busy machine; it was eight where nothing was bounded."""

SUBMISSION: Final = {"network": {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}}


def members(count: int) -> str:
    return ",".join(f'"k{rank}":1' for rank in range(count))


def many(unit: str, *, opened: str = '{"archs":[', closed: str = "]}") -> str:
    """Return a body that is as long as may be."""
    return opened + ",".join([unit] * (LARGEST // (len(unit) + 1))) + closed


TOO_MUCH: Final[dict[str, Callable[[], str]]] = {
    "members": lambda: f"{{{members(300_000)}}}",
    "members beside archs": lambda: f'{{"archs":[0],{members(140_000)}}}',
    "members of an architecture": lambda: f'{{"archs":[{{{members(140_000)}}}]}}',
    "one member again and again": lambda: many('"a":1', opened="{", closed="}"),
    "members of a network": lambda: f'{{"network":{{"model":"x",{members(300_000)}}}}}',
    "a few thousand members": lambda: f'{{"archs":[0],{members(4000)}}}',
    "lists": lambda: many("[]"),
    "objects": lambda: many("{}"),
    "numbers": lambda: many("0"),
    "fractions": lambda: many("1.5"),
    "texts": lambda: many('""'),
    "escapes": lambda: many(r'"\u1234"'),
    "one long text": lambda: f'{{"archs":["{"x" * LARGEST}"]}}',
    "a long name": lambda: f'{{"{"x" * LARGEST}":1}}',
    "a long number": lambda: f'{{"archs":[1{"0" * 10**5}]}}',
    "a long fraction": lambda: f'{{"archs":[0.{"3" * LARGEST}x]}}',
    "deep lists": lambda: "[" * 10**6,
    "closed deep lists": lambda: f'{{"archs":[{"[" * 900}{"]" * 900}]}}',
    "deep objects": lambda: '{"a":' * 5000 + "1" + "}" * 5000,
    "deep and wide": lambda: many("[" * 30 + "]" * 30),
    "not a number": lambda: '{"archs":[NaN]}',
    "half a character": lambda: r'{"archs":["\ud800"]}',
    "spaces": lambda: "[" + " " * LARGEST,
}
"""Makes bodies, each when its test begins: together they are ninety megabytes."""


@pytest.fixture(scope="module")
def server(attacked: Any) -> BenchServer:
    started: BenchServer = attacked()
    return started


@pytest.fixture(scope="module")
def posts(server: BenchServer) -> dict[str, dict[str, Any]]:
    """What the document says of every operation that reads JSON, by path."""
    document = httpx.get(f"{server.url}/openapi.json").json()
    found = {
        path: methods["post"]
        for path, methods in document["paths"].items()
        if "application/json" in methods.get("post", {}).get("requestBody", {}).get("content", {})
    }
    assert len(found) >= 13
    return found


@contextmanager
def asking_for_health(url: str) -> Iterator[list[float]]:
    """Ask whether a server lives, again and again, and note how long each answer takes."""
    waits: list[float] = []
    begun, ended = threading.Event(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60) as http:
            while not ended.wait(0.005):
                asked = time.monotonic()
                http.get("/livez").raise_for_status()
                waits.append(time.monotonic() - asked)
                begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert begun.wait(60)
        yield waits
    finally:
        ended.set()
        asking.join()


def post(url: str, path: str, content: str | bytes, **headers: str) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | headers
    return httpx.post(url + path, content=content, headers=headers, timeout=60)


def assert_refused_in_a_few_words(answer: httpx.Response) -> None:
    problem = answer.json()
    assert answer.status_code == problem["status"] == 422, problem
    assert 1 <= len(problem["errors"]) <= 10
    assert len(answer.content) < 4000


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_body_that_holds_too_much_is_refused_while_others_are_answered(
    server: BenchServer, name: str
) -> None:
    body = TOO_MUCH[name]()
    with asking_for_health(server.url) as waits:
        for path in (BATCH, "/v1/models"):
            assert_refused_in_a_few_words(post(server.url, path, body))
    assert max(waits) < LONGEST_WAIT


def test_every_route_refuses_it(server: BenchServer, posts: dict[str, Any]) -> None:
    names = ("members", "one long text", "closed deep lists", "a few thousand members")
    bodies = [TOO_MUCH[name]() for name in names]
    with asking_for_health(server.url) as waits:
        for path in posts:
            for body in bodies:
                assert_refused_in_a_few_words(post(server.url, path, body))
    assert max(waits) < LONGEST_WAIT


def test_many_at_once_keep_nobody_waiting(server: BenchServer) -> None:
    names = ("numbers", "fractions", "members of an architecture")
    bodies = [TOO_MUCH[name]() for name in names]

    def send() -> None:
        statuses.extend(post(server.url, BATCH, body).status_code for body in bodies)

    statuses: list[int] = []
    senders = [threading.Thread(target=send) for _ in range(8)]
    with asking_for_health(server.url) as waits:
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    assert statuses == [422] * 24
    assert max(waits) < LONGEST_WAIT


@pytest.mark.parametrize(
    "query", ["&".join(f"k{n}=1" for n in range(7000)), "a&" * 20_000, "arch=1&" * 5000, "&" * 9000]
)
@pytest.mark.parametrize("path", ["/v1/nasbench201/computed-stats", "/v1/nasbench201/top"])
def test_a_query_string_of_many_parameters_is_refused(
    server: BenchServer, path: str, query: str
) -> None:
    answer = httpx.get(f"{server.url}{path}?{query}")
    assert_refused_in_a_few_words(answer)
    assert answer.json()["errors"][0]["loc"] == ["query"]


def test_errors_of_a_query_string_are_told_up_to_ten(server: BenchServer) -> None:
    query = "&".join(f"{'k' * 300}{n}=1" for n in range(20))
    answer = httpx.get(f"{server.url}/v1/nasbench201/computed-stats?{query}")
    assert_refused_in_a_few_words(answer)
    assert "and 19 more" in answer.json()["detail"]


OTHER_MEDIA: Final = (
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *("application/octet-stream", "application/jsonp", "application/problem+json", "json", ""),
    *("text/plain; application/json", "application/json, text/plain"),
)


def test_a_body_of_another_media_type_is_415_everywhere(
    server: BenchServer, posts: dict[str, Any]
) -> None:
    content = json.dumps(SUBMISSION)
    with httpx.Client(base_url=server.url) as http:
        for path, operation in posts.items():
            for media_type in OTHER_MEDIA:
                answer = http.post(path, content=content, headers={"Content-Type": media_type})
                assert answer.status_code == 415, (path, media_type)
            assert http.post(path, content=content).status_code == 415
            assert "415" in operation["responses"]


def test_no_job_is_cancelled_by_a_form(server: BenchServer) -> None:
    with httpx.Client(base_url=server.url) as http:
        job = http.post("/v1/models", json=SUBMISSION).json()
        path = f"/v1/jobs/{job['id']}/cancel"
        assert http.post(path, data={"a": "b"}).status_code == 415
        assert http.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued"
        assert http.post(path).json()["state"] == "cancelled"


@pytest.mark.parametrize("spelled", ["application/json", "Application/JSON ; charset=utf-8"])
def test_json_is_read_however_its_type_is_spelled(server: BenchServer, spelled: str) -> None:
    answer = post(server.url, BATCH, b'{"archs":[0]}', **{"Content-Type": spelled})
    assert answer.status_code == 200


def test_every_route_with_a_body_reads_it_in_the_one_way() -> None:
    routes = [route for route in create_app().routes if getattr(route, "body_field", None)]
    assert len(routes) >= 13
    assert [route for route in routes if not isinstance(route, BodyRoute)] == []


def test_the_largest_batch_that_is_meant_is_read() -> None:
    matrix = [[0, 1, 1, 1, 1, 1, 1], *([[0] * 7] * 6)]
    operations = ["input", *["conv3x3-bn-relu"] * 5, "output"]
    cell = {"module_adjacency": matrix, "module_operations": operations}
    content = json.dumps({"archs": [cell] * MAX_BATCH}, separators=(",", ":")).encode()
    assert _question(content, Nb101HashQuestion) == Nb101HashQuestion(archs=[cell] * MAX_BATCH)


_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=st.fixed_dictionaries({}, optional={"archs": _VALUES, "arch": _VALUES, "x": _VALUES}))
def test_a_small_body_is_read_as_its_model_reads_it(value: dict[str, Any]) -> None:
    content = json.dumps(value).encode()
    try:
        wanted = Nb101HashQuestion.model_validate(value)
    except ValidationError as error:
        places = [("body", *each["loc"]) for each in error.errors()]
        with pytest.raises(RequestValidationError) as raised:
            _question(content, Nb101HashQuestion)
        assert [each["loc"] for each in raised.value.errors()] == places
    else:
        assert _question(content, Nb101HashQuestion) == wanted


@given(content=st.binary(max_size=50) | st.text(alphabet='{}[]",:0ae', max_size=30).map(str.encode))
def test_whatever_the_bytes_are_they_are_read_or_refused(content: bytes) -> None:
    with suppress(RequestValidationError, HTTPException):
        assert isinstance(_question(content, Nb101HashQuestion), Nb101HashQuestion)
