"""Headers of checkpoints that mean harm: refused at once, whatever the library makes of them."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from service.http.safetensors_header import NotSafetensorsError, SafetensorsCheck

GOOD: Final = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def text(**odd: Any) -> str:
    return json.dumps({"w": {**GOOD, **odd}})


def checked(header: str | bytes, size: int = 8) -> SafetensorsCheck:
    content = header.encode() if isinstance(header, str) else header
    check = SafetensorsCheck()
    check.feed(len(content).to_bytes(8, "little") + content + bytes(size))
    check.finish()
    return check


HOSTILE: Final = {
    "dimensions": text(shape=[1] * 20_000),
    "more dimensions": text(shape=[2**62] * 200_000),
    "65 dimensions": text(shape=[1] * 65, data_offsets=[0, 4]),
    "a large dimension": text(shape=[2**63]),
    "a large product": text(shape=[2**30] * 60),
    "a long number": text(shape=[10**4000]),
    "an offset of 10^5 digits": text().replace("[0, 8]", f"[0, 1{'0' * 10**5}]"),
    "a negative dimension": text(shape=[-2]),
    "negative offsets": text(data_offsets=[-8, 0]),
    "reversed offsets": text(data_offsets=[8, 0]),
    "a fraction": text(shape=[2.0]),
    "no number": text(shape=[float("nan")]),
    "a text among dimensions": text(shape=[2**40, "x" * 1000]),
    "a truth": text(shape=[True, 2]),
    "an odd type": text(dtype="OBJECT"),
    "a type that is none": text(dtype=None),
    "too few bytes": text(shape=[3]),
    "overlaps": json.dumps({"a": GOOD, "b": {**GOOD, "data_offsets": [4, 12]}}),
    "the same place": json.dumps({"a": GOOD, "b": GOOD}),
    "a gap": json.dumps({"a": GOOD, "b": {**GOOD, "data_offsets": [16, 24]}}),
    "a beginning after 0": text(data_offsets=[8, 16]),
    "a name twice": f'{{"w":{json.dumps(GOOD)},"w":{json.dumps(GOOD)}}}',
    "a name twice, escaped": f'{{"w":{json.dumps(GOOD)},"\\u0077":{json.dumps(GOOD)}}}',
    "a member twice": text().replace('"shape"', '"dtype": "F32", "shape"'),
    "metadata twice": f'{{"__metadata__":{{}},"__metadata__":{{}},"w":{json.dumps(GOOD)}}}',
    "metadata of numbers": json.dumps({"__metadata__": {"a": 1}, "w": GOOD}),
    "metadata of lists": json.dumps({"__metadata__": {"a": []}, "w": GOOD}),
    "metadata that is a list": json.dumps({"__metadata__": [], "w": GOOD}),
    "deep metadata": f'{{"__metadata__":{"[" * 5000}{"]" * 5000}}}',
    "no tensors": "{}",
    "many tensors": json.dumps({f"t{n}": GOOD for n in range(25_000)}),
    "lists": "[" + "[]," * 400_000 + "[]]",
    "no object": "3",
    "no UTF-8": b'{"\xff":1}',
    "a missing member": '{"w":{"dtype":"F32","shape":[2]}}',
    "another member": text(x=1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_at_once_in_a_few_words(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotSafetensorsError) as raised:
        checked(HOSTILE[name])
    assert len(str(raised.value)) < 500
    assert time.monotonic() - began < 5


def test_a_header_longer_than_any_is_refused_before_it_comes() -> None:
    with pytest.raises(NotSafetensorsError, match="header length"):
        SafetensorsCheck().feed((2**40).to_bytes(8, "little"))


@given(
    shapes=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.lists(st.integers(0, 4), max_size=4),
        min_size=1,
        max_size=5,
    ),
    metadata=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
)
def test_what_the_library_writes_is_taken_whole_and_in_pieces(
    shapes: dict[str, list[int]], metadata: dict[str, str] | None
) -> None:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    content = save(tensors, metadata)
    check = SafetensorsCheck()
    for start in range(0, len(content), 50):
        check.feed(content[start : start + 50])
    check.finish()
    assert check.tensors == len(shapes)
