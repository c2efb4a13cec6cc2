"""How questions are read off the query string."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from service.http.questions import read_query


class Anything(BaseModel, extra="allow"):
    """A question that takes every parameter."""


def read(query: bytes) -> dict[str, Any]:
    request = Request({"type": "http", "query_string": query, "headers": []})
    return read_query(request, Anything).model_extra or {}


# Mostly what escapes are made of, so that broken, doubled and nested ones turn up.
escapes = st.lists(
    st.sampled_from(
        [b"%", b"2", b"5", b"7", b"b", b"B", b"C", b"%22", b"%7b", b"%2C", b"%25", b"+"]
    )
    | st.binary(min_size=1, max_size=1).filter(lambda byte: byte not in b"&="),
    max_size=30,
).map(b"".join)


@given(escapes)
def test_a_value_is_what_the_standard_library_reads(value: bytes) -> None:
    query = b"arch=" + value
    assert list(read(query).items()) == parse_qsl(query.decode("latin-1"), keep_blank_values=True)


@pytest.mark.parametrize("escape", [quote, quote_plus])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_json_comes_through_whole(escape: Any, separators: tuple[str, str]) -> None:
    text = json.dumps({"op1": "conv3x3", "input1": [0], "ä & =": '%22+"'}, separators=separators)
    assert read(f"arch={escape(text)}&n=1".encode()) == {"arch": text, "n": "1"}


def test_a_parameter_given_twice_is_refused_by_name() -> None:
    with pytest.raises(RequestValidationError) as refused:
        read(b"a=1&%62=2&b=3")
    assert refused.value.errors()[0]["loc"] == ("query", "b")


class Bounded(BaseModel, extra="forbid"):
    """A question that takes few."""

    metric: str = ""
    max_flops: float | None = None


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (b"max_flop=1", "unknown parameter; is it max_flops?"),
        (b"max_zero-cost-201.synflow=1", "unknown parameter"),
        (b"x" * 9_000 + b"=1", "unknown parameter"),
    ],
)
def test_an_unknown_parameter_is_told_with_what_is_near(query: bytes, told: str) -> None:
    request = Request({"type": "http", "query_string": query, "headers": []})
    with pytest.raises(RequestValidationError) as refused:
        read_query(request, Bounded)
    (error,) = refused.value.errors()
    assert error["msg"] == told
    assert error["loc"][0] == "query"
