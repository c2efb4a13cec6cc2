"""Clients that keep answers: when the server is asked, when it is asked whether they hold."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    InvalidArchitectureError,
    ServerUnreachableError,
    SyntheticDataWarning,
    UnexpectedAnswerError,
)
from bench_client.cache import AnswerCache, owner_of
from bench_client.freshness import Copy

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer, MakeReply

FRESH = "public, max-age=300"
STALE = "public, max-age=0"


def one(bench: Any) -> Any:
    return bench.query_nb201(0, 200, "cifar100")


def tags(server: BenchmarkServer) -> list[str | None]:
    """Return the tags by which the server was asked whether an answer holds."""
    return [request.headers.get("if-none-match") for request in server.received]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


def test_a_fresh_answer_is_used_by_the_next_client_without_asking(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    first = asked(server.url, one, cache=path)
    assert asked(server.url, one, cache=str(path)) == first
    assert [run.test_acc for run in first] == [51.98, 53.68, 53.08]
    assert len(server.received) == 1


def test_other_questions_are_asked(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    asked(server.url, one, cache=path)
    runs = asked(server.url, lambda bench: bench.query_nb201(1, 200, "cifar100"), cache=path)
    assert [run.config.index for run in runs] == [1, 1, 1]


def test_a_stale_answer_is_used_when_the_server_says_that_it_holds(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = STALE
    first = asked(server.url, one, cache=path)
    assert asked(server.url, one, cache=path) == first
    none, tag = tags(server)
    assert none is None
    assert tag is not None
    assert tag.startswith('W/"')


def test_an_answer_that_holds_is_fresh_again(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = STALE
    asked(server.url, one, cache=path)
    server.cache_control = FRESH
    for _ in range(3):
        asked(server.url, one, cache=path)
    assert len(server.received) == 2


def test_a_stale_answer_that_no_longer_holds_is_replaced(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, reply: MakeReply
) -> None:
    empty = {
        "items": [],
        "next_cursor": None,
        "provenance": {
            "benchmark": "nasbench201",
            "source": "x",
            "synthetic": False,
            "content_digest": "x",
        },
    }
    body = json.dumps(empty).encode()
    server.will_answer(reply(200, body, headers={"ETag": '"old"'}))
    assert asked(server.url, one, cache=path) == []
    server.cache_control = FRESH
    assert len(asked(server.url, one, cache=path)) == 3
    assert len(asked(server.url, one, cache=path)) == 3
    assert tags(server) == [None, '"old"']


def test_an_answer_that_may_not_be_kept_is_not(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = "no-store, max-age=300"
    asked(server.url, one, cache=path)
    asked(server.url, one, cache=path)
    assert tags(server) == [None, None]


def test_errors_are_not_kept(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, reply: MakeReply
) -> None:
    refused = reply.problem(422, "no", errors=[{"loc": ["query", "arch"], "msg": "no"}])
    refused.headers = {"ETag": '"a"', "Cache-Control": FRESH}
    server.will_answer(refused)
    server.cache_control = FRESH
    with pytest.raises(InvalidArchitectureError):
        asked(server.url, one, cache=path)
    assert len(asked(server.url, one, cache=path)) == 3


def test_an_answer_that_cannot_be_read_is_not_kept(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, reply: MakeReply
) -> None:
    server.will_answer(reply(200, b"{}", headers={"ETag": '"a"', "Cache-Control": FRESH}))
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, one, cache=path)
    assert len(asked(server.url, one, cache=path)) == 3
    assert tags(server) == [None, None]


def test_an_answer_kept_by_another_version_is_asked_for_anew(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    target = "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100&limit=1000"
    with closing(AnswerCache(path, owner_of(server.url, None))) as cache:
        cache.keep(target, Copy(b'{"older": 1}', '"a"', 300.0, time.time()))
    assert len(asked(server.url, one, cache=path)) == 3
    assert tags(server) == [None]


def test_batches_and_questions_in_a_body_are_always_asked(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    for _ in range(2):
        asked(server.url, lambda bench: bench.query_nb201_many([0]), cache=path)
        asked(server.url, lambda bench: bench.describe_nb201(0), cache=path)
    assert tags(server) == [None] * 4


def test_pages_are_checked_even_while_they_are_fresh(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    first = asked(server.url, lambda bench: bench.query_nb201(), cache=path)
    assert asked(server.url, lambda bench: bench.query_nb201(), cache=path) == first
    assert [tag is not None for tag in tags(server)] == [False, False, True, True]


def test_callers_with_different_keys_share_nothing_and_the_file_holds_no_key(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    secret = server.url.replace("//", "//someone:passw0rd@")
    for url, key in [(server.url, "k3y-one"), (server.url, "k3y-two"), (secret, None)]:
        for _ in range(2):
            asked(url, one, cache=path, api_key=key)
    assert len(server.received) == 3
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"cifar100" in kept
    for word in (b"k3y-", b"passw0rd", b"someone", b"Bearer", server.url.encode()):
        assert word not in kept


@pytest.mark.parametrize("spelled", ["{}/", "http://LOCALHOST:{}"])
def test_one_server_is_one_however_its_address_is_spelled(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, spelled: str
) -> None:
    server.cache_control = FRESH
    url = server.url.replace("127.0.0.1", "localhost")
    asked(url, one, cache=path)
    port = server.server_address[1]
    asked(spelled.format(url if spelled.startswith("{") else port), one, cache=path)
    assert len(server.received) == 1


def test_a_server_that_is_gone_is_an_error_once_an_answer_is_stale(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = STALE
    asked(server.url, one, cache=path)
    server.server_close()
    with pytest.raises(ServerUnreachableError):
        asked(server.url, one, cache=path, retries=0)


def test_a_server_that_is_gone_is_not_missed_while_an_answer_is_fresh(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    server.cache_control = FRESH
    first = asked(server.url, one, cache=path)
    server.server_close()
    assert asked(server.url, one, cache=path, retries=0) == first


def test_an_overloaded_server_is_asked_again_whether_an_answer_holds(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, reply: MakeReply
) -> None:
    server.cache_control = STALE
    first = asked(server.url, one, cache=path)
    server.will_answer(reply.problem(503))
    assert asked(server.url, one, cache=path) == first
    assert tags(server)[1] == tags(server)[2] is not None


def test_a_server_that_confirms_another_answer_is_found_out(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path, reply: MakeReply
) -> None:
    server.cache_control = STALE
    asked(server.url, one, cache=path)
    server.will_answer(reply(304, headers={"ETag": '"other"'}))
    with pytest.raises(UnexpectedAnswerError, match="answered 304"):
        asked(server.url, one, cache=path)


def test_made_up_numbers_from_the_cache_are_warned_of_too(
    synthetic_server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    synthetic_server.cache_control = FRESH
    for _ in range(2):
        with pytest.warns(SyntheticDataWarning, match="made up"):
            asked(synthetic_server.url, one, cache=path)
    assert len(synthetic_server.received) == 1


@pytest.mark.parametrize("cache", [None, False])
def test_nothing_is_kept_unless_asked_for(
    server: BenchmarkServer,
    asked: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: bool | None,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server.cache_control = FRESH
    asked(server.url, one, cache=cache)
    asked(server.url, one)
    assert tags(server) == [None, None]
    assert not list(tmp_path.iterdir())


def test_the_usual_place_is_used_when_none_is_named(
    server: BenchmarkServer,
    asked: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server.cache_control = FRESH
    asked(server.url, one, cache=True)
    asked(server.url, one, cache=True)
    assert len(server.received) == 1
    assert list(tmp_path.glob("nas-bench-service/answers-*.db"))


@pytest.mark.parametrize("kind", [BenchClient, AsyncBenchClient])
def test_a_file_that_cannot_be_the_cache_is_refused_at_once(
    kind: type[BenchClient], tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="cannot be opened"):
        kind(cache=tmp_path)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE theirs (value)")
    with pytest.raises(ValueError, match="not a cache"):
        kind(cache=tmp_path / "other.db")


def test_a_damaged_file_costs_a_warning_and_no_answer(
    server: BenchmarkServer, asked: Callable[..., Any], path: Path
) -> None:
    path.write_text("damaged")
    with pytest.warns(RuntimeWarning, match="is damaged"):
        assert len(asked(server.url, one, cache=path)) == 3


def test_threads_and_tasks_share_a_cache(server: BenchmarkServer, path: Path) -> None:
    server.cache_control = FRESH
    asked = [index % 60 for index in range(400)]

    async def together() -> list[Any]:
        async with AsyncBenchClient(server.url, cache=path) as bench:
            return await asyncio.gather(*map(bench.query_nb201, asked))

    with BenchClient(server.url, cache=path) as bench, ThreadPoolExecutor(16) as pool:
        by_threads = list(pool.map(bench.query_nb201, asked))
    before = len(server.received)
    by_tasks = asyncio.run(together())
    assert [runs[0].config.index for runs in by_threads] == asked
    assert by_tasks == by_threads
    assert len(server.received) == before


def test_tasks_go_on_while_another_process_writes(server: BenchmarkServer, path: Path) -> None:
    server.cache_control = FRESH

    async def longest_pause() -> float:
        async with AsyncBenchClient(server.url, cache=path) as bench:
            waiting = asyncio.create_task(bench.query_nb201(0))
            longest, last = 0.0, time.perf_counter()
            while not waiting.done():
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
            assert len(await waiting) == 20
            return longest

    BenchClient(server.url, cache=path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert asyncio.run(longest_pause()) < 0.9
        other.execute("ROLLBACK")
