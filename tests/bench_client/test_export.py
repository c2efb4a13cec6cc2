"""Exports on their way: what is asked again, what is not, and what stays on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench_client import (
    BenchClient,
    RequestTimeoutError,
    ServerOverloadedError,
    ServerUnreachableError,
    UnexpectedAnswerError,
)
from bench_client.export import columns_of
from bench_client.models import fields_of
from benchmark_spec.published import PUBLISHED

MARK = {"benchmark": "nds", "source": "NDS", "synthetic": False, "content_digest": "sha256:0"}
HEADERS = {"X-Provenance": json.dumps(MARK), "X-Request-ID": "r-7"}
BODY = b'{"seed":1}\n' * 1000


def export(path: Path, **question: Any) -> Callable[[Any], Any]:
    return lambda bench: bench.export("nds", path, **question)


def test_an_export_is_asked_for_with_its_filters(
    server: Any, asked: Callable[..., Any], reply: Any, tmp_path: Path
) -> None:
    server.will_answer(reply(200, BODY, "text/csv", HEADERS))
    path = tmp_path / "runs.csv"
    filters = {"proposer": "resnet", "model_spec": {"ds": [1]}, "seed": None}
    assert asked(server.url, export(path, reduction="mean", **filters)) == path
    assert path.read_bytes() == BODY
    (request,) = server.received
    assert request.path == "/v1/nds/export"
    assert request.query == {
        "proposer": "resnet",
        "model_spec": '{"ds":[1]}',
        "format": "csv",
        "reduction": "mean",
    }
    assert request.headers["accept"] == "text/csv"
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs.csv"]


def test_an_export_is_asked_for_again_until_it_begins(
    server: Any, asked: Callable[..., Any], reply: Any, tmp_path: Path
) -> None:
    server.will_answer(reply.problem(503), reply(200, BODY, "text/csv", HEADERS))
    path = asked(server.url, export(tmp_path / "runs.csv"))
    assert path.read_bytes() == BODY
    assert len(server.received) == 2


def test_a_server_that_stays_full_is_overloaded(
    server: Any, asked: Callable[..., Any], reply: Any, tmp_path: Path
) -> None:
    full = reply.problem(503, "2 exports run already", headers={"Retry-After": "3600"})
    server.will_answer(full)
    with pytest.raises(ServerOverloadedError, match="2 exports run already") as caught:
        asked(server.url, export(tmp_path / "runs.csv"))
    assert caught.value.retry_after == 3600
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, 5, 5000])
def test_an_export_that_breaks_off_is_not_asked_for_again_and_leaves_what_was_there(
    server: Any, asked: Callable[..., Any], reply: Any, tmp_path: Path, cut: int
) -> None:
    server.will_answer(reply(200, BODY, "text/csv", HEADERS, cut=cut))
    path = tmp_path / "runs.csv"
    path.write_text("before")
    with pytest.raises(ServerUnreachableError, match=f"broke off after {cut} bytes") as caught:
        asked(server.url, export(path))
    assert caught.value.request_id == "r-7"
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs.csv"]
    assert len(server.received) == 1


def test_a_server_that_says_nothing_is_not_waited_for(
    server: Any, reply: Any, tmp_path: Path
) -> None:
    server.will_answer(reply(200, BODY, "text/csv", HEADERS, delay=5))
    with (
        BenchClient(server.url, timeout=0.3, retries=0) as bench,
        pytest.raises(RequestTimeoutError),
    ):
        bench.export("nds", tmp_path / "runs.csv")
    server.stop_waiting.set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("headers", [{}, {"X-Provenance": "{}"}, {"X-Provenance": "nonsense"}])
def test_what_does_not_say_where_it_comes_from_is_no_export(
    server: Any, asked: Callable[..., Any], reply: Any, tmp_path: Path, headers: dict[str, str]
) -> None:
    server.will_answer(reply(200, b"<html>", "text/html", headers))
    with pytest.raises(UnexpectedAnswerError, match="not with an export of the benchmark service"):
        asked(server.url, export(tmp_path / "runs.csv"))
    assert list(tmp_path.iterdir()) == []


def test_a_closed_client_exports_nothing(server: Any, tmp_path: Path) -> None:
    bench = BenchClient(server.url)
    bench.close()
    with pytest.raises(RuntimeError, match="is closed"):
        bench.export("nds", tmp_path / "runs.csv")


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "natssss", "nds", "hw-nas-bench"])
def test_columns_are_described_as_the_fields_of_items(name: str) -> None:
    columns = columns_of(fields_of(PUBLISHED[name]))
    for field in fields_of(PUBLISHED[name]):
        if field.kind != "intermediate":
            assert columns[field.name]["description"] == field.description
            assert columns[field.name].get("unit") == field.unit
