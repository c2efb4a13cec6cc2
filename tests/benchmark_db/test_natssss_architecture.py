"""The size space: every spelling names the same architecture, and nothing else names one."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.natssss.architecture import (
    CHANNELS,
    NUM_ARCHITECTURES,
    arch_str,
    channels_at,
    parse,
)

INDICES = st.integers(0, NUM_ARCHITECTURES - 1)


@given(index=INDICES)
def test_every_spelling_gives_the_index(index: int) -> None:
    channels = channels_at(index)
    for spelling in (
        index,
        str(index),
        arch_str(channels),
        f" {arch_str(channels)} ",
        channels,
        list(channels),
        json.dumps(channels),
    ):
        assert parse(spelling) == index


@given(first=INDICES, second=INDICES)
def test_indices_follow_the_order_of_the_channels(first: int, second: int) -> None:
    assert (first < second) == (channels_at(first) < channels_at(second))


@pytest.mark.parametrize(
    ("index", "text"),
    # The ends of the published list, and raw-formats.md, section 2b.
    [(0, "8:8:8:8:8"), (1, "8:8:8:8:16"), (11, "8:8:8:16:32"), (32_767, "64:64:64:64:64")],
)
def test_the_published_order_is_kept(index: int, text: str) -> None:
    assert parse(text) == index
    assert arch_str(channels_at(index)) == text


def test_all_architectures_differ() -> None:
    assert len({channels_at(index) for index in range(NUM_ARCHITECTURES)}) == len(CHANNELS) ** 5


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("", "not an architecture"),
        ("8:8:8:8", "4 channel counts"),
        ("8:8:8:8:8:8", "6 channel counts"),
        ("8:8:8:8:12", "'12' channels in layer 5"),
        ("08:8:8:8:8", "'08' channels in layer 1"),
        ("8:8:8:8:٨", "layer 5"),
        ("0:8:8:8:8", "layer 1"),
        ("72:8:8:8:8", "layer 1"),
        ("٣", "not an architecture"),
        ([8, 8, 8, 8, 8.0], "8.0 channels"),
        ([True, 8, 8, 8, 8], "True channels"),
        ([8, 8, 8, 8, "8"], "'8' channels"),
        ([[8], 8, 8, 8, 8], "layer 1"),
        ("[8, 8", "not valid JSON"),
        ("[" * 190, "JSON"),
        ("8" * 1000, "1000 characters"),
        (-1, "out of range"),
        (32_768, "out of range"),
        ("32768", "out of range"),
        (True, "not True"),
        (None, "not None"),
        (1.0, "not 1.0"),
        ({"0": 8}, "not {'0': 8}"),
        (b"8:8:8:8:8", "not b'8:8:8:8:8'"),
    ],
)
def test_anything_else_is_refused_with_the_reason(spelling: Any, reason: str) -> None:
    with pytest.raises(InvalidArchitectureError, match=reason):
        parse(spelling)


@given(text=st.text(max_size=30))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    with suppress(InvalidArchitectureError):
        assert 0 <= parse(text) < NUM_ARCHITECTURES
