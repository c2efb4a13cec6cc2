"""Protocols as data: names, values, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from model_hub.errors import InvalidArgumentError, UnknownNameError
from model_hub.protocols import EvaluationProtocol, protocol, protocol_names


def test_resize_and_crop_of_the_small_inputs_keep_the_usual_ratio() -> None:
    # A test size of s means a resize to int(s / 0.875) (the specification, section 9.1), and
    # int(s * 256 / 224) for the narrow checkpoint (checkpoints.md, section 4): the same.
    for name in protocol_names():
        used = protocol(name)
        if used.resize is not None:
            assert used.resize == int(used.input_size / 0.875)


def test_a_protocol_survives_json() -> None:
    for name in protocol_names():
        used = protocol(name)
        assert EvaluationProtocol.from_dict(used.to_dict()) == used


def test_a_protocol_reads_as_a_sentence() -> None:
    assert str(protocol("imagenet-224-bgr-255")) == (
        "ImageNet-1k validation: short side 256 (bilinear), centre 224 px; BGR 0 to 255"
    )
    assert str(protocol("imagenet-176-half")).endswith("RGB 0 to 1, mean 0.5, std 0.5")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="the nearest are imagenet-224"):
        protocol("imagenet224")


@pytest.mark.parametrize(
    "change",
    [
        {"input_size": 0},
        {"resize": 2.5},
        {"interpolation": "nearest"},
        {"channels": "GBR"},
        {"mean": [0.5]},
        {"mean": "abc"},
        {"mean": 0.5},
        {"std": [0.5, 0.5, 0]},
        {"std": [0.5, 0.5, float("nan")]},
        {"largest_value": 0},
        {"label_offset": 0.5},
        {"dataset": 3},
        {"interpolaton": "bilinear"},
    ],
)
def test_a_bad_value_is_refused_by_name(change: dict[str, Any]) -> None:
    values = {"dataset": "made up", "input_size": 32} | change
    with pytest.raises(InvalidArgumentError) as caught:
        EvaluationProtocol.from_dict(values)
    assert caught.value.argument == next(iter(change))


def test_a_missing_value_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="input_size: a protocol needs this field"):
        EvaluationProtocol.from_dict({"dataset": "made up"})
