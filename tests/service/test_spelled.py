"""The patterns of the document, held against what reads the same texts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.nasbench201 import architecture as nasbench201
from benchmark_db.nats_bench.benchmark import dataset_code
from benchmark_db.nats_bench.tables import DATASETS
from benchmark_db.natssss import architecture as natssss
from service.http.spelled import digits_below, in_any_case
from service.routes.nasbench201 import SPELLED as NASBENCH201
from service.routes.natssss import SPELLED as NATSSSS


def whole(schema: dict[str, Any]) -> re.Pattern[str]:
    """Return what may be the whole text; a `$` of Python's also stands before a last line feed."""
    return re.compile(schema["pattern"].removesuffix("$") + r"\Z", re.ASCII)


@pytest.mark.parametrize("end", [1, 2, 10, 11, 100, 101, 1234, 15_625, 32_768])
def test_digits_are_those_below_the_end(end: int) -> None:
    pattern = re.compile(digits_below(end))
    for number in range(2 * end + 20):
        assert bool(pattern.fullmatch(str(number))) == (number < end)
    assert pattern.fullmatch("000")
    assert not pattern.fullmatch("")


@given(st.from_regex(whole(in_any_case(DATASETS))))
def test_a_name_in_any_case_is_read(text: str) -> None:
    assert DATASETS[dataset_code(text)] == text.lower()


@given(st.from_regex(whole(NASBENCH201)))
def test_every_text_of_the_pattern_is_a_cell_of_nasbench201(text: str) -> None:
    assert 0 <= nasbench201.parse(text) < nasbench201.NUM_ARCHITECTURES


@given(st.from_regex(whole(NATSSSS)))
def test_every_text_of_the_pattern_is_a_network_of_natssss(text: str) -> None:
    assert 0 <= natssss.parse(text) < natssss.NUM_ARCHITECTURES


@given(st.integers(0, nasbench201.NUM_ARCHITECTURES - 1))
def test_every_cell_of_nasbench201_has_the_pattern_however_it_is_spelled(index: int) -> None:
    operations = nasbench201.operations_at(index)
    named = dict(zip(nasbench201.EDGES, operations, strict=True))
    texts = (
        str(index),
        nasbench201.arch_str(operations),
        json.dumps(operations),
        json.dumps(named),
    )
    for text in texts:
        assert whole(NASBENCH201).match(text), text


@given(st.integers(0, natssss.NUM_ARCHITECTURES - 1))
def test_every_network_of_natssss_has_the_pattern_however_it_is_spelled(index: int) -> None:
    channels = natssss.channels_at(index)
    for text in (str(index), natssss.arch_str(channels), json.dumps(channels)):
        assert whole(NATSSSS).match(text), text
