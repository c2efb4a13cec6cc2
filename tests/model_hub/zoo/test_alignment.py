"""Files of every family, made here by the names of the specification, find their places."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

import model_hub
from model_hub import zoo
from model_hub.spaces import space_names
from model_hub.zoo.alignment import aligned, subnet

MOBILENETS = [
    "mobilenetv3-large-100",
    "mobilenetv3-small-050",
    "mobilenetv3-small-100",
    "cream-014",
    "cream-604",
]
PROXYLESS = ["proxyless-cpu", "proxyless-gpu", "proxyless-mobile"]


def outline(name: str) -> dict[str, Tensor]:
    """Return the state of a model without numbers."""
    with torch.device("meta"):
        return zoo.load(name, pretrained=False).state_dict()


def filled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state each entry of which is filled with a number of its own."""
    return {
        key: torch.full(tensor.shape, rank, dtype=tensor.dtype, device="cpu")
        for rank, (key, tensor) in enumerate(state.items())
    }


def numbered(name: str) -> dict[str, Tensor]:
    return filled(outline(name))


def proxyless_name(name: str) -> str:
    """The specification of checkpoints, section 3; B = 1 + 4 (s - 2) + position."""
    parts = {"0": "inverted_bottleneck.conv", "1": "inverted_bottleneck.bn"}
    parts |= {"3": "depth_conv.conv", "4": "depth_conv.bn"}
    parts |= {"6": "point_linear.conv", "7": "point_linear.bn"}
    first = {"0": "depth_conv.conv", "1": "depth_conv.bn"}
    first |= {"3": "point_linear.conv", "4": "point_linear.bn"}
    if found := re.match(r"(stem|feature_mix_layer)\.([01])\.(.*)", name):
        module = {"stem": "first_conv"}.get(found[1], found[1])
        return f"{module}.{('conv', 'bn')[int(found[2])]}.{found[3]}"
    if name.startswith("classifier."):
        return name.replace("classifier.", "classifier.linear.")
    if found := re.match(r"blocks\.0\.(\d)\.(.*)", name):
        return f"blocks.0.mobile_inverted_conv.{first[found[1]]}.{found[2]}"
    if found := re.match(r"blocks\.6\.(\d)\.(.*)", name):
        return f"blocks.21.mobile_inverted_conv.{parts[found[1]]}.{found[2]}"
    stage, position, part, rest = re.fullmatch(r"blocks\.(\d)\.(\d)\.(\d)\.(.*)", name).groups()  # type: ignore[union-attr]
    block = 1 + 4 * (int(stage) - 1) + int(position)
    return f"blocks.{block}.mobile_inverted_conv.{parts[part]}.{rest}"


def proxyless_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {proxyless_name(key): tensor for key, tensor in state.items()}


def timm_name(name: str, last: int, gated: set[str]) -> str:
    """The specification of checkpoints, section 3; `last` is the stage of one convolution."""
    module, _, kind = name.rpartition(".")
    fixed = {
        "stem.0": "conv_stem",
        "stem.1": "bn1",
        f"blocks.{last}.0": f"blocks.{last}.0.conv",
        f"blocks.{last}.1": f"blocks.{last}.0.bn1",
        f"blocks.{last + 2}.0": "conv_head",
        "classifier.1": "classifier",
    }
    if module in fixed:
        return f"{fixed[module]}.{kind}"
    block = re.match(r"blocks\.0|blocks\.\d\.\d", module)[0]  # type: ignore[index]
    place = module.removeprefix(f"{block}.")
    has_gate = block in gated
    if block == "blocks.0":
        names = ["conv_dw", "bn1", "-", *(["se"] if has_gate else []), "conv_pw", "bn2"]
        block = "blocks.0.0"
    else:
        names = ["conv_pw", "bn1", "-", "conv_dw", "bn2", "-"]
        names += [*(["se"] if has_gate else []), "conv_pwl", "bn3"]
    number, _, inner = place.partition(".")
    return ".".join(part for part in (block, names[int(number)], inner, kind) if part)


def timm_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    gated = {key.split(".conv_reduce")[0].rpartition(".")[0] for key in state if "reduce" in key}
    stages = {int(key.split(".")[1]) for key in state if key.startswith("blocks.")}
    return {timm_name(key, max(stages) - 2, gated): tensor for key, tensor in state.items()}


def darts_name(name: str, starts: dict[str, int]) -> str:
    """The specification of the hub, section 11.8: cells through the stages, operations by node."""
    found = re.match(r"stages\.(\d)\.(\d)\.(.*)", name)
    if not found:
        return name
    cell = starts[found[1]] + int(found[2])
    rest = re.sub(r"^preprocessor\.pre(\d)\.(\d)", r"preprocess\1.op.\2", found[3])
    rest = re.sub(r"^preprocessor\.pre(\d)", r"preprocess\1", rest)
    if operation := re.match(r"ops\.(\d)\.(\d)\.(.*)", rest):
        inner = re.sub(r"^(\d)", r"op.\1", operation[3])
        rest = f"_ops.{2 * int(operation[1]) + int(operation[2])}.{inner}"
    return f"cells.{cell}.{rest}"


def darts_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # 20 cells are 6, 7 and 7; so the reductions are cells 6 and 13.
    return {darts_name(key, {"0": 0, "1": 6, "2": 13}): tensor for key, tensor in state.items()}


def test_the_names_of_a_darts_network_for_imagenet_find_their_places() -> None:
    space = model_hub.space("DARTS", width=48, num_cells=14, dataset="imagenet")
    with torch.device("meta"):
        network = space.freeze(zoo.record("darts-v2").architecture)
    state = filled(network.state_dict())
    # 14 cells are 4, 5 and 5.
    starts = {"0": 0, "1": 4, "2": 9}
    source = {darts_name(key, starts): tensor for key, tensor in state.items()}
    assert_same(aligned(source, state, naming="darts", place="file", model="m"), state)


def assert_same(found: object, state: dict[str, Tensor]) -> None:
    assert isinstance(found, dict)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


FAMILIES: list[tuple[str, str, Callable[[dict[str, Tensor]], dict[str, Tensor]]]] = [
    *((name, "proxylessnas", proxyless_state) for name in PROXYLESS),
    *((name, "mobilenetv3", timm_state) for name in MOBILENETS),
    ("darts-v2", "darts", darts_state),
    ("spos", "hub", dict),
]  # fmt: skip


@pytest.mark.parametrize(("name", "naming", "foreign"), FAMILIES)
def test_every_tensor_finds_its_place_by_its_name(
    name: str,
    naming: str,
    foreign: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> None:
    state = numbered(name)
    source = foreign(state)
    shuffled = dict(sorted(source.items()))
    assert_same(aligned(shuffled, state, naming=naming, place="file", model=name), state)


@pytest.mark.parametrize("name", ["proxyless-mobile", "mobilenetv3-large-100", "darts-v2", "spos"])
def test_every_tensor_finds_its_place_by_order_and_shape(name: str) -> None:
    state = numbered(name)
    source = {f"tensor {rank}": tensor for rank, tensor in enumerate(state.values())}
    assert_same(aligned(source, state, naming="order", place="file", model=name), state)


def test_counts_of_training_steps_may_be_missing() -> None:
    state = numbered("proxyless-gpu")
    old = {key: t for key, t in state.items() if not key.endswith("num_batches_tracked")}
    by_name = aligned(old, state, naming="hub", place="file", model="proxyless-gpu")
    by_order = aligned(old, state, naming="order", place="file", model="proxyless-gpu")
    assert by_name.keys() == by_order.keys() == old.keys()


def test_what_only_training_needs_is_dropped_from_a_darts_file() -> None:
    state = numbered("darts-v2")
    source = darts_state(state) | {"auxiliary_head.classifier.bias": torch.zeros(10)}
    assert_same(aligned(source, state, naming="darts", place="file", model="darts-v2"), state)


def test_a_file_of_another_model_is_refused_with_the_names() -> None:
    state, other = numbered("proxyless-gpu"), numbered("proxyless-mobile")
    source = proxyless_state(other)
    with pytest.raises(zoo.MismatchError, match=r"x\.pth does not fit proxyless-gpu; tensors") as e:
        aligned(source, state, naming="proxylessnas", place="x.pth", model="proxyless-gpu")
    assert e.value.misshapen[0] == "stem.0.weight (32x3x3x3, not 40x3x3x3)"
    assert e.value.left_over
    assert "and" in str(e.value)


@pytest.mark.parametrize("naming", ["hub", "order"])
def test_what_is_missing_or_left_over_is_named(naming: str) -> None:
    state = numbered("proxyless-gpu")
    source = {key: t for key, t in state.items() if key != "classifier.weight"}
    source["odd.weight"] = torch.zeros(3, 5, 7)
    with pytest.raises(zoo.MismatchError) as caught:
        aligned(source, state, naming=naming, place="x.pth", model="proxyless-gpu")
    assert caught.value.missing == ("classifier.weight",)
    assert caught.value.left_over == ("odd.weight",)
    assert caught.value.misshapen == ()


def test_a_name_that_two_tensors_claim_is_left_over() -> None:
    state = numbered("proxyless-gpu")
    source = proxyless_state(state)
    # Block 0 has no bottleneck; its first convolution would have the same place.
    twice = "blocks.0.mobile_inverted_conv.inverted_bottleneck.conv.weight"
    source[twice] = source["blocks.0.mobile_inverted_conv.depth_conv.conv.weight"]
    with pytest.raises(zoo.MismatchError, match=f"1 left over: {twice}"):
        aligned(source, state, naming="proxylessnas", place="x.pth", model="proxyless-gpu")


needs_autoformer = pytest.mark.skipif(
    "AutoFormer" not in space_names(), reason="the space AutoFormer is not there"
)


def official_supernet() -> dict[str, Tensor]:
    """Return random tensors under the authors' names, in the supernet's sizes for tiny."""
    generator = torch.Generator().manual_seed(0)
    width, heads, hidden = 256, 4, 1024
    sizes: dict[str, tuple[int, ...]] = {
        "patch_embed_super.proj.weight": (width, 3, 16, 16),
        "patch_embed_super.proj.bias": (width,),
        "cls_token": (1, 1, width),
        "pos_embed": (1, 197, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (1000, width),
        "head.bias": (1000,),
    }
    for block in range(14):
        prefix = f"blocks.{block}"
        sizes |= {
            f"{prefix}.attn.qkv.weight": (3 * heads * 64, width),
            f"{prefix}.attn.qkv.bias": (3 * heads * 64,),
            f"{prefix}.attn.proj.weight": (width, heads * 64),
            f"{prefix}.attn.proj.bias": (width,),
            f"{prefix}.fc1.weight": (hidden, width),
            f"{prefix}.fc1.bias": (hidden,),
            f"{prefix}.fc2.weight": (width, hidden),
            f"{prefix}.fc2.bias": (width,),
        }
        for part in ("k", "v"):
            for table in ("v", "h"):
                name = f"{prefix}.attn.rel_pos_embed_{part}.embeddings_table_{table}"
                sizes[name] = (30, 64)
        for norm in ("attn_layer_norm", "ffn_layer_norm"):
            sizes |= {f"{prefix}.{norm}.{kind}": (width,) for kind in ("weight", "bias")}
    return {name: torch.randn(size, generator=generator) for name, size in sizes.items()}


@needs_autoformer
def test_an_autoformer_is_cut_out_of_the_official_supernet() -> None:
    state = outline("autoformer-tiny")
    supernet = official_supernet()
    found = aligned(supernet, state, naming="autoformer", place="file", model="autoformer-tiny")
    assert found.keys() == state.keys()
    assert torch.equal(found["cls_token.cls_token"], supernet["cls_token"][:, :, :192])
    assert torch.equal(found["blocks.3.fc1.weight"], supernet["blocks.3.fc1.weight"][:672, :192])


def test_queries_keys_and_values_are_those_of_the_authors() -> None:
    """One-shot specification, G.2: rows 3i, 3i+1, 3i+2 of the weight, the bias as it lies."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3 * 256, 256, generator=generator)
    bias = torch.randn(3 * 256, generator=generator)
    width, inner = 192, 3 * 64
    shapes = {}
    for part in "qkv":
        shapes |= {f"attn.{part}.weight": (inner, width), f"attn.{part}.bias": (inner,)}
    found = subnet({"attn.qkv.weight": weight, "attn.qkv.bias": bias}, shapes)
    tokens = torch.randn(2, 5, width, generator=generator)
    cut = torch.cat([weight[: 3 * inner, :width][share::3] for share in range(3)])
    joint = linear(tokens, cut, bias[: 3 * inner]).split(inner, dim=-1)
    for part, expected in zip("qkv", joint, strict=True):
        own = linear(tokens, found[f"attn.{part}.weight"], found[f"attn.{part}.bias"])
        assert torch.equal(own, expected)


def test_a_supernet_that_is_too_small_is_refused() -> None:
    wanted = {"fc1.weight": torch.zeros(8, 4)}
    with pytest.raises(zoo.MismatchError, match=r"fc1.weight \(6x4, not 8x4\)"):
        aligned(
            {"fc1.weight": torch.zeros(6, 9)},
            wanted,
            naming="autoformer",
            place=Path("x"),
            model="m",
        )
