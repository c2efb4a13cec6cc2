"""Requests that mean harm, sent to a real server."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice, product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hostile_requests import NETWORKS, HostileRequests, Place
from measuring import unmeasured
from raw_http import Answer, ask_all

CONNECTIONS: Final = 500
MEBIBYTE: Final = 2**20
MISSING: Final = {401, 404, 405, 422, 400}

_UP: Final = (
    *("../", "..\\", "....//", "..;/", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f"),
    *("..%c0%af", "..%ef%bc%8f", ".%00./"),
)
_FILES: Final = (
    *("etc/passwd", "etc/shadow", "proc/self/environ", "keys.json", "nasbench201.db", "root/.ssh"),
)
_INJECTIONS: Final = tuple(
    f"{start}{middle}{end}"
    for start, middle, end in islice(
        product(
            ("", "3", "'", '"', "')", "3'"),
            (
                " OR 1=1",
                "; DROP TABLE run",
                " UNION SELECT * FROM sqlite_master",
                " AND (SELECT load_extension('x'))",
                "<script>alert(1)</script>",
                "{{7*7}}${7*7}",
                "$(id)`id`",
                "\r\nSet-Cookie: a=b",
                "%s%n%x",
            ),
            ("", " --"),
        ),
        100,
    )
)


def traversals() -> Iterator[str]:
    """Yield 200 and more ways to ask for a file of the machine."""
    for up, depth, name in product(_UP, (1, 3, 8), _FILES):
        yield up * depth + name


_HEADERS: Final = (
    *("Accept", "Accept-Encoding", "Forwarded", "If-None-Match", "If-Range", "Last-Event-ID"),
    *("Range", "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID"),
)
"""What something looks at, here or on the way here, without the document saying so."""

_INSIDES: Final = (b"root:", b"Traceback", b"sqlite", b"CREATE TABLE")
"""What no answer has that tells nothing of the inside."""


@pytest.fixture(scope="module")
def hostile_server(directory: Path, serving: Any) -> Iterator[str]:
    """A server of its own: what is submitted here makes jobs.

    Tens of thousands of requests measure what single ones do, in three times the time.
    """
    with ExitStack() as stack:
        with unmeasured():
            url = stack.enter_context(serving(directory))
        yield url


@pytest.fixture(scope="module")
def requests(hostile_server: str) -> HostileRequests:
    document = httpx.get(f"{hostile_server}/openapi.json").json()
    job = httpx.post(f"{hostile_server}/v1/models", json={"network": NETWORKS["BenchmarkNetwork"]})
    return HostileRequests(document, job_id=job.json()["id"])


@pytest.mark.usefixtures("unmeasured")
class TestEveryParameter:
    """A value that names nothing is 422, or 404 in a path. In the list of a batch it has an error
    entry, and any printable text may be the key that stands for a submission.
    """

    @pytest.mark.long
    def test_leads_to_no_file(self, hostile_server: str, requests: HostileRequests) -> None:
        values = list(traversals())
        assert len(set(values)) >= 200
        _assert_harmless(hostile_server, requests, values)

    @pytest.mark.long
    def test_injects_nothing(self, hostile_server: str, requests: HostileRequests) -> None:
        assert len(set(_INJECTIONS)) == 100
        _assert_harmless(hostile_server, requests, list(_INJECTIONS))

    def test_is_counted(self, requests: HostileRequests) -> None:
        kinds = Counter(place.kind for place in requests.places())
        assert kinds["query"] > 500
        assert kinds["body"] > 100
        assert kinds["path"] == 22
        assert kinds["header"] == 5


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", _HEADERS)
def test_no_header_that_the_document_does_not_name_changes_an_answer(
    hostile_server: str, name: str
) -> None:
    plain = httpx.get(f"{hostile_server}/v1/benchmarks", headers={"Accept-Encoding": "identity"})
    values = [*traversals(), *_INJECTIONS]
    line = "GET /v1/benchmarks HTTP/1.1\r\nHost: localhost\r\n"
    sent = ((value, f"{line}{name}: {value}\r\n\r\n".encode()) for value in values)

    def check(value: str, answer: Answer) -> None:
        assert (answer.status, answer.body) == (200, plain.content), value
        assert b"set-cookie" not in answer.head.lower(), value

    assert ask_all(hostile_server, sent, check) == len(values)


@pytest.mark.parametrize("prefix", ["/", "/v1/", "/swagger/", "/v1/benchmarks/", "/docs/"])
def test_no_address_leads_to_a_file(server: str, prefix: str) -> None:
    with httpx.Client() as http:
        for value in traversals():
            request = http.build_request("GET", server)
            request.url = request.url.copy_with(raw_path=(prefix + value).encode())
            answer = http.send(request)
            assert answer.status_code in MISSING, value
            assert "root:" not in answer.text


def test_five_hundred_connections_at_once_are_served_or_told_when_to_come_again(
    directory: Path, serving: Any
) -> None:
    with serving(directory, NASBENCH_MAX_REQUESTS="100") as url:
        before = _memory(url)
        answers = _asked_at_once(url)
        grown = _memory(url) - before
        assert httpx.get(f"{url}/v1/benchmarks").status_code == 200
    assert len(answers) == CONNECTIONS
    refused = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in refused} <= {429, 503}
    assert all(b"\r\nretry-after: " in answer.head.lower() for answer in refused)
    assert len(refused) < CONNECTIONS
    assert grown < 200 * MEBIBYTE


def _asked_at_once(url: str) -> list[Answer]:
    """Ask for scans on as many connections as there are questions."""
    path = "/v1/nasbench201/intermediate-stats?num_epochs=200&limit="
    sent = [
        (rank, f"GET {path}{1 + rank} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for rank in range(CONNECTIONS)
    ]
    answers: list[Answer] = []
    ask_all(url, sent, lambda _, answer: answers.append(answer), connections=CONNECTIONS)
    return answers


def _memory(url: str) -> int:
    """Return the resident bytes of the process that listens at an address."""
    port = int(url.rpartition(":")[2])
    listening = f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = {row[9] for row in rows if row[1].endswith(listening) and row[3] == "0A"}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if f"socket:[{inode}]" in opened and process.name != str(os.getpid()):
            pages = int((process / "statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
    raise AssertionError("no process listens there")


def _assert_harmless(url: str, requests: HostileRequests, values: list[str]) -> None:
    """Send values as every parameter and in every field of every body.

    Of the places that the same code judges, such as the `limit` of many questions or hundreds of
    bounds, the first takes all values. The first in each question takes a tenth of them, and every
    other one, such as the same question to another benchmark, a twentieth. Each takes others than
    the one before it, so that twenty places take all again.
    """
    readers: Counter[tuple[str, ...]] = Counter()
    questions: set[tuple[str, ...]] = set()
    tried: list[tuple[Place, str]] = []
    for place in requests.places():
        reader, question = requests.reader(place), requests.question(place)
        earlier = readers[reader]
        part = 1 if not earlier else 20 if question in questions else 10
        tried += ((place, value) for value in values[earlier % part :: part])
        readers[reader] += 1
        questions.add(question)
    sent = (((place, value), requests.request(place, value)) for place, value in tried)
    assert ask_all(url, sent, _assert_nothing_found) == len(tried)


def _assert_nothing_found(about: tuple[Place, str], answer: Answer) -> None:
    place, _ = about
    assert b"set-cookie" not in answer.head.lower(), about
    # Some of what is asked says this itself, and may be told so.
    told = answer.body.replace(b"sqlite_master", b"")
    assert not any(inside in told for inside in _INSIDES), about
    if answer.status not in MISSING:
        _assert_taken_for_what_it_is(place, answer)


def _assert_taken_for_what_it_is(place: Place, answer: Answer) -> None:
    answered = json.loads(answer.body)
    if place.kind == "header":
        assert answer.status in {200, 202, 409}
        assert answered.get("state", "queued") == "queued"
    else:
        assert (place.kind, place.name, answer.status) == ("body", "archs", 200), place
        assert [key for result in answered["results"] for key in result] == ["error"]
