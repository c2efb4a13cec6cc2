"""Records: the zoo of the specification, records of one's own, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import model_hub
from model_hub import zoo
from model_hub.errors import UnknownNameError
from model_hub.protocols import protocol

# The specification, section 10.3: parameters and multiply-adds at the model's own input size.
COUNTS = {
    "acenas-m1": (4_093_864, 327_351_872),
    "acenas-m2": (4_319_208, 321_707_072),
    "acenas-m3": (4_076_448, 329_242_880),
    "autoformer-base": (53_691_688, 10_399_615_488),
    "autoformer-small": (22_891_432, 4_386_462_720),
    "autoformer-tiny": (5_867_944, 1_084_534_272),
    "cream-014": (2_673_096, 13_188_608),
    "cream-043": (4_398_600, 40_655_232),
    "cream-114": (4_410_120, 109_623_680),
    "cream-287": (6_044_368, 276_262_016),
    "cream-481": (7_713_360, 460_398_080),
    "cream-604": (9_695_624, 578_698_368),
    "darts-v2": (3_349_342, 528_359_040),
    "mobilenetv3-large-100": (5_483_032, 216_589_760),
    "mobilenetv3-small-050": (1_593_224, 24_188_688),
    "mobilenetv3-small-075": (2_041_872, 43_399_344),
    "mobilenetv3-small-100": (2_542_856, 56_510_400),
    "proxyless-cpu": (4_361_648, 439_243_864),
    "proxyless-gpu": (7_119_848, 465_260_160),
    "proxyless-mobile": (4_080_512, 320_427_584),
    "spos": (3_558_464, 322_918_720),
}
NARROW = "proxyless-w0.3-r176"
"""The checkpoint that is at hand; 754,280 parameters (checkpoints.md, section 4)."""


def test_the_zoo_has_the_documented_models_autoformers_three_and_the_one_at_hand() -> None:
    assert set(zoo.names()) == {*COUNTS, NARROW}
    assert list(zoo.names()) == sorted(zoo.names())


@pytest.mark.parametrize("name", COUNTS)
def test_every_model_has_its_parameters_and_multiply_adds(name: str) -> None:
    profile = zoo.profile(name)
    assert (profile.parameters, profile.macs) == COUNTS[name]
    stated = zoo.counts()[name]
    assert (stated.parameters, stated.macs) == COUNTS[name]


def test_a_model_is_given_by_its_name_or_its_record() -> None:
    record = zoo.record("mobilenetv3-small-050")
    assert zoo.profile(record) == zoo.profile(record.name)
    for model in (record, record.name):
        network = zoo.build(model)
        assert network.training
        loaded = zoo.load(model, pretrained=False)
        assert loaded.state_dict().keys() == network.state_dict().keys()


def test_the_narrow_model_has_its_parameters() -> None:
    profile = zoo.profile(NARROW)
    assert profile.parameters == 754_280
    assert zoo.counts()[NARROW] == zoo.Counts(parameters=profile.parameters, macs=profile.macs)
    assert set(zoo.counts()) == {*COUNTS, NARROW}


@pytest.mark.parametrize("name", COUNTS)
def test_every_record_is_the_one_of_the_specification(
    name: str, zoo: dict[str, dict[str, Any]]
) -> None:
    stated, record = zoo[name], model_hub.zoo.record(name)
    space = model_hub.space(record.space, **record.arguments)
    assert record.space == stated["space"]
    assert space.choices.validate(record.architecture) == space.choices.validate(
        stated["arch"], strict=False
    )
    assert record.weights[0].file == stated["nni_weight_file"]
    assert record.weights[0].sha256 == Path(stated["nni_weight_file"]).stem.rpartition("-")[2]
    documented = stated["nni_metric_top1"] or stated["published"]["top1"]
    assert record.figures[0].top1 == documented


@pytest.mark.parametrize("name", COUNTS)
def test_every_protocol_is_the_one_of_the_specification(
    name: str, zoo: dict[str, dict[str, Any]]
) -> None:
    stated, record = zoo[name]["eval"], model_hub.zoo.record(name).protocol
    assert record.input_size == stated["input_size"]
    assert record.resize == stated.get("resize_short_side")
    assert record.channels == stated["color"]
    assert record.largest_value == (255 if stated["scale"].startswith("0..255") else 1)
    assert record.mean == tuple(stated["mean"] or (0, 0, 0))
    assert record.std == tuple(stated["std"] or (1, 1, 1))
    if record.resize:
        assert record.interpolation == stated["interpolation"]


@pytest.mark.parametrize("name", COUNTS)
def test_every_model_has_the_names_and_shapes_of_the_specification(
    name: str,
    zoo: dict[str, dict[str, Any]],
    shared: Path,
    shape_hash: Callable[[nn.Module], str],
) -> None:
    with torch.device("meta"):
        network = model_hub.zoo.load(name, pretrained=False)
    stated = json.loads((shared / "specs/zoo-shapes.json").read_text())[name]
    assert {n: list(p.shape) for n, p in network.named_parameters()} == stated
    assert shape_hash(network) == zoo[name]["measured"]["shape_hash"]
    assert len(network.state_dict()) == zoo[name]["measured"]["state_dict_keys"]


def test_a_record_beside_the_weights_is_a_model(
    add_small: Callable[..., zoo.Record],
) -> None:
    record = add_small()
    assert "small" in zoo.names()
    assert zoo.load("small", pretrained=False).training
    assert record.protocol.input_size == 32
    assert zoo.profile(record).parameters > 0


def test_a_record_written_out_is_the_same_record(
    folder: Path, add_small: Callable[..., zoo.Record]
) -> None:
    first = add_small(figures=[{"top1": 12.5, "source": "nowhere"}], note="made up")
    (folder / "records/own.json").write_text(json.dumps({"models": {"small": first.to_dict()}}))
    assert zoo.record("small") == first


def test_arguments_of_defaults_and_model_are_merged(folder: Path, small: zoo.Record) -> None:
    values = small.to_dict() | {"arguments": {"num_labels": 5}}
    defaults = {"arguments": {"base_widths": [8] * 9, "num_labels": 7}}
    written = {"defaults": defaults, "models": {"small": values}}
    (folder / "records/own.json").write_text(json.dumps(written))
    assert zoo.record("small").arguments == {"base_widths": [8] * 9, "num_labels": 5}


def test_a_protocol_may_be_named_or_stated(add_small: Callable[..., zoo.Record]) -> None:
    assert add_small(protocol="cifar10").protocol == protocol("cifar10")


def test_records_cannot_be_changed_by_accident() -> None:
    architecture: Any = zoo.record("proxyless-mobile").architecture
    with pytest.raises(TypeError):
        architecture["s2_depth"] = 1


@pytest.mark.parametrize("ask", [zoo.build, zoo.load, zoo.profile, zoo.record])
def test_an_unknown_name_is_answered_with_the_nearest(ask: Callable[[str], object]) -> None:
    with pytest.raises(UnknownNameError, match=r"no searched model 'cream-14'; .*cream-114"):
        ask("cream-14")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spcae": "DARTS"}, r"own.json, small: there is no field 'spcae'; the nearest are space"),
        ({"space": None}, "space is None, not text"),
        ({"space": "ProxyNAS"}, "there is no space 'ProxyNAS'; the nearest are ProxylessNAS"),
        ({"arguments": {"num_label": 3}}, "num_label: ProxylessNAS has no such argument"),
        ({"arguments": []}, r"arguments is \[\], not an object"),
        ({"architecture": {}}, "the sample lacks this label"),
        ({"protocol": "imagenet"}, "protocol: there is no protocol 'imagenet'; the nearest are"),
        ({"protocol": 3}, "protocol"),
        ({"protocol": {"dataset": "x"}}, "input_size: a protocol needs this field"),
        ({"protocol": {"dataset": "x", "input_size": 8, "std": [0, 1, 1]}}, "std"),
        ({"figures": [{"top1": 101, "source": "x"}]}, "top1 is 101, not a percentage"),
        ({"figures": [{"top1": 70}]}, "figures 0: the field 'source' is missing"),
        ({"weights": [{"file": "a.pth", "sha256": "12"}]}, "sha256 is not 8 to 64"),
        ({"weights": [{"file": "a.pth", "naming": "mine"}]}, "naming is 'mine', not one of hub"),
        ({"residual": {"blocks.9": True}}, "'blocks.9' is no residual block"),
        ({"residual": {"blocks.0": 1}}, "residual blocks.0 is not true or false"),
    ],
)
def test_a_bad_record_is_refused_with_its_place(
    add_small: Callable[..., zoo.Record], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(zoo.RecordError, match=message):
        zoo.build(add_small(**change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "own.json is not JSON"),
        ("[]", "own.json: .* is not an object"),
        ('{"models": {"A b": {}}}', "a name consists of"),
        ('{"models": {"x": 1}}', "own.json, x: 1 is not an object"),
        ('{"models": {"x": {}}}', "the field 'space' is missing"),
        ('{"modells": {}}', "there is no field 'modells'; the nearest are models"),
        ('{"models": {"spos": {}}}', "is missing|there is already a model"),
    ],
)
def test_a_bad_file_of_records_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "records/own.json").write_text(text)
    with pytest.raises(zoo.RecordError, match=message):
        zoo.names()


def test_a_second_model_of_a_name_is_refused(folder: Path) -> None:
    values = zoo.record("spos").to_dict()
    (folder / "records/own.json").write_text(json.dumps({"models": {"spos": values}}))
    with pytest.raises(zoo.RecordError, match="there is already a model 'spos'"):
        zoo.names()


def test_residuals_follow_the_record(add_small: Callable[..., zoo.Record]) -> None:
    by_rule = zoo.build(add_small()).get_submodule("blocks.0")
    stated = zoo.build(add_small(residual={"blocks.0": False})).get_submodule("blocks.0")
    assert by_rule.residual is True
    assert stated.residual is False


def test_records_need_no_pytorch() -> None:
    program = (
        "import sys; from model_hub import zoo; zoo.names(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
