"""Columns and densities of a server that is not believed, and arrays without numpy."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lying_server import LyingServer, answer, lying

from bench_client import BenchClient, Column, Density, InvalidRequestError, UnexpectedAnswerError

MARK = {"benchmark": "b", "source": "s", "synthetic": False, "content_digest": "d"}
COLUMN: dict[str, Any] = {
    "metric": "flops",
    "type": "float32",
    "rows": 2,
    "unit": "millions",
    "better": "smaller",
    "part": None,
    "provenance": MARK,
}
SIDE = {"metric": "flops", "unit": "millions", "part": None, "log": False, "low": 0.0, "high": 8.0}
DENSITY: dict[str, Any] = {
    "bins": 8,
    "layout": "sparse",
    "cells": 2,
    "counted": 5,
    "outside": 0,
    "left_out": 0,
    "x": SIDE,
    "y": SIDE,
    "provenance": MARK,
}
OCTETS = ("Content-Type", "application/octet-stream")


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying() as found:
        yield found


def says(server: LyingServer, body: bytes, *headers: tuple[str, str]) -> None:
    server.say = lambda _: [answer(body, *headers)]


def column(bench: Any) -> Any:
    return bench.column("b", "flops")


def density(bench: Any) -> Any:
    return bench.density("b", x="flops", y="flops", bins=8)


def test_values_are_an_array_of_the_standard_library(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    says(server, struct.pack("<2f", 1.5, float("nan")), OCTETS, ("X-Column", json.dumps(COLUMN)))
    found = asked(server.url, column)
    assert isinstance(found, Column)
    assert (len(found), found.values[0]) == (2, 1.5)
    assert str(found.values[1]) == "nan"
    says(server, struct.pack("<4I", 1, 63, 2, 3), OCTETS, ("X-Density", json.dumps(DENSITY)))
    counts = asked(server.url, density)
    assert isinstance(counts, Density)
    assert [(place, count) for place, count in enumerate(counts.counts) if count] == [
        *((1, 2), (63, 3)),
    ]
    assert counts.edges("x") == [float(edge) for edge in range(9)]


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ({"rows": 3}, b"\0" * 8),
        ({"rows": 2**40}, b"\0" * 8),
        ({"rows": -1}, b""),
        ({"type": "uint8"}, b"\0" * 8),
        ({"type": "float64"}, b"\0" * 16),
        ({"metric": "latency"}, b"\0" * 8),
        ({"part": {str(n): n for n in range(1001)}}, b"\0" * 8),
        (None, b"\0" * 8),
    ],
)
def test_a_column_that_contradicts_itself_is_refused(
    server: LyingServer, asked: Callable[..., Any], said: dict[str, Any] | None, body: bytes
) -> None:
    header = [] if said is None else [("X-Column", json.dumps({**COLUMN, **said}))]
    says(server, body, OCTETS, *header)
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, column)


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ({}, (1, 64, 2, 3)),
        ({}, (2, 1, 2, 3)),
        ({}, (1, 1, 2, 3)),
        ({}, (1, 2, 2, 4)),
        ({}, (1, 2, 5, 0)),
        ({}, (1, 2, 2)),
        ({"cells": 1}, (1, 2, 2, 3)),
        ({"bins": 513}, (1, 2, 2, 3)),
        ({"bins": 9}, (1, 2, 2, 3)),
        ({"layout": "dense"}, (1, 2, 2, 3)),
        ({"x": {**SIDE, "metric": "latency"}}, (1, 2, 2, 3)),
    ],
)
def test_a_density_that_contradicts_itself_is_refused(
    server: LyingServer, asked: Callable[..., Any], said: dict[str, Any], numbers: tuple[int, ...]
) -> None:
    body = struct.pack(f"<{len(numbers)}I", *numbers)
    says(server, body, OCTETS, ("X-Density", json.dumps({**DENSITY, **said})))
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, density)


def test_what_is_json_or_a_page_is_no_column(
    server: LyingServer, asked: Callable[..., Any]
) -> None:
    for media in ("application/json", "text/html"):
        says(server, b"{}", ("Content-Type", media), ("X-Column", json.dumps(COLUMN)))
        with pytest.raises(UnexpectedAnswerError, match="not a response"):
            asked(server.url, column)


@pytest.mark.parametrize("items", [[], [{"number": 2, "arch": "x"}], [{"number": 1, "arch": None}]])
def test_spellings_are_those_of_the_numbers_asked_for(
    server: LyingServer, asked: Callable[..., Any], items: list[dict[str, Any]]
) -> None:
    says(server, json.dumps({"items": items, "provenance": MARK}).encode())
    with pytest.raises((UnexpectedAnswerError, InvalidRequestError)):
        asked(server.url, lambda bench: bench.spellings("b", [1]))


def test_numbers_are_checked_before_anything_is_asked(server: LyingServer) -> None:
    with BenchClient(server.url) as bench:
        for number in (-1, "1", 1.5, None):
            with pytest.raises(InvalidRequestError, match="numbers"):
                bench.spellings("b", [number])  # type: ignore[list-item]
    assert server.asked == []
