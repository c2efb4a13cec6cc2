"""What the spaces and parts of the hub take as a truth and as a number."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

import model_hub
from model_hub.arguments import a_number
from model_hub.errors import InvalidArgumentError
from nas_search.oneshot.losses import Hinge, Linear, LogPower, Square
from nas_search.oneshot.registry import RELAXATIONS

SWITCHES = [
    (name, field.name)
    for name in model_hub.space_names()
    for field in fields(model_hub.space(name))
    if field.type == "bool"
]


@pytest.mark.parametrize(("space", "argument"), SWITCHES)
@pytest.mark.parametrize("value", [0, 1, 1.0, "true", None])
def test_a_number_is_no_truth(space: str, argument: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        model_hub.space(space, **{argument: value})
    assert caught.value.argument == argument


@pytest.mark.parametrize("most", [1.0, float("inf")])
def test_a_number_is_a_float(most: float) -> None:
    assert a_number("x", 1, least=0, most=most) == 1.0
    for value in (10**400, float("nan"), True, "1"):
        with pytest.raises(InvalidArgumentError, match=r"x: .* is"):
            a_number("x", value, least=0, most=most)


def test_no_part_of_a_one_shot_search_takes_a_number_beyond_floats() -> None:
    made = {Square: {"weight": 1, "target": 2}, Hinge: {"weight": 1, "target": 2}}
    parts = (*made, Linear, LogPower, *RELAXATIONS.values())
    checked = [
        (part, field.name) for part in parts for field in fields(part) if field.type == "float"
    ]
    assert len(checked) > 10
    for part, name in checked:
        target = {"target": 2} if part in {Linear, LogPower} else {}
        with pytest.raises(InvalidArgumentError) as caught:
            part(**{**made.get(part, target), name: 10**400})
        assert caught.value.argument == name
