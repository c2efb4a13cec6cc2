"""Reading long JSON lists one object at a time."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.raw.json_stream import read_entries
from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError

TEXTS = st.text(max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=4)


class Dripping(io.BytesIO):
    """Gives out a few bytes at a time, however many are asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        del size
        return super().read(self.size)


def read(text: str | bytes) -> list[Any]:
    data = text.encode() if isinstance(text, str) else text
    return [value for _, value in read_entries(io.BytesIO(data), "jobs.json")]


@given(OBJECTS, st.integers(1, 40), st.sampled_from([None, 2]))
def test_gives_every_object_however_the_bytes_arrive(
    objects: list[Any], size: int, indent: int | None
) -> None:
    text = json.dumps(objects, indent=indent, ensure_ascii=False)
    entries = list(read_entries(Dripping(text.encode(), size), "jobs.json"))
    assert [value for _, value in entries] == objects
    assert [place for place, _ in entries] == [
        f"jobs.json, job {number}" for number in range(len(objects))
    ]


@pytest.mark.usefixtures("unmeasured")
@given(OBJECTS, OBJECTS, st.integers(1, 40))
def test_gives_the_objects_of_named_lists_one_list_after_the_other(
    top: list[Any], mid: list[Any], size: int
) -> None:
    text = json.dumps({"top": top, "mid": mid})
    entries = list(read_entries(Dripping(text.encode(), size), "jobs.json"))
    assert [value for _, value in entries] == top + mid
    assert [place for place, _ in entries] == [
        f"jobs.json, {name} job {number}"
        for name, jobs in (("top", top), ("mid", mid))
        for number in range(len(jobs))
    ]


def test_reads_what_python_writes_for_numbers_that_are_none() -> None:
    (value,) = read('[{"loss": [NaN, Infinity, -Infinity]}]')
    assert math.isnan(value["loss"][0])
    assert value["loss"][1:] == [math.inf, -math.inf]


@pytest.mark.parametrize("text", ["[]", " [ ] \n", "{}", '{"top": []}', "\ufeff[]"])
def test_a_list_may_be_empty(text: str) -> None:
    assert read(text) == []


@pytest.mark.usefixtures("unmeasured")
@given(OBJECTS.filter(bool), st.data())
def test_a_document_that_is_cut_short_is_damaged(objects: list[Any], data: st.DataObject) -> None:
    text = json.dumps(objects)
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DamagedArchiveError, match=r"jobs\.json"):
        read(text[:end])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file ends where"),
        ('"text"', "is where"),
        ("[{}] []", "more text after the end"),
        ("[{} {}]", "is where , or ]"),
        ("[{},]", "job 1 is truncated or not JSON"),
        ('[{"a": 1}, {"a": }]', "job 1 is truncated or not JSON"),
        ('{"top": {}}', r"is where \["),
        ("{1: []}", "name of a list"),
        ('{"top": [] "mid": []}', "is where , or }"),
        ("[1]", "job 0 is 1, not an object"),
        ("[[{}]]", "job 0 is .*, not an object"),
        ("[" * 100_000, "nested too deeply"),
        ("[" + '{"a":' * 100_000, "nested too deeply"),
        ('[{"a": ' + "9" * 5000 + "}]", "job 0 is"),
        (b'[{"a": "\xff"}]', "not text in UTF-8"),
    ],
)
def test_says_what_is_wrong_and_where(text: str | bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        read(text)


def test_an_object_without_end_is_not_read_into_memory_whole() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1, /) -> bytes:
            self.taken += size
            return b'[{"a": "' + b"x" * size if self.taken == size else b"x" * size

    stream = Endless()
    with pytest.raises(DamagedArchiveError, match="job 0 is not JSON"):
        list(read_entries(stream, "jobs.json"))
    assert stream.taken < 2**26


def test_takes_the_memory_of_a_few_objects() -> None:
    job = json.dumps({"curve": [0.125] * 1000}).encode()
    parts = chain([b"[" + job], repeat(b"," + job, 999), [b"]", b""])

    class Long:
        def read(self, size: int, /) -> bytes:
            del size
            return next(parts)

    tracemalloc.start()
    assert sum(1 for _ in read_entries(Long(), "jobs.json")) == 1000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20  # the document takes seven times as much


def test_a_wrong_shape_is_told_from_damage() -> None:
    with pytest.raises(WrongFormatError):
        read('["text"]')
