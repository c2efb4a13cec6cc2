"""AutoFormer: recorded figures, every option, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.counting import Profile
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.spaces.autoformer import AutoFormer
from model_hub.spaces.autoformer_network import AutoFormerNetwork, Block, RelativeAttention

# The specification, section 9.3.
SEARCHED = {
    "tiny": (
        192,
        "3.5 3.5 3 3.5 3 3 4 4 3.5 4 3.5 4 3.5",
        "3 3 3 3 3 3 3 3 3 3 4 3 3",
    ),
    "small": (
        384,
        "3 3.5 3 3.5 4 4 4 4 4 4 4 3.5 4",
        "6 6 5 7 5 5 5 6 6 7 7 6 7",
    ),
    "base": (
        576,
        "3.5 3.5 4 3.5 4 3.5 3.5 3 4 4 3 4 3 3.5",
        "9 9 9 9 9 10 9 9 10 9 10 9 9 10",
    ),
}

# The specification, section 10.3: parameters, multiply-adds of layers, shapes, multiply-adds of
# attention, tensors; one-shot.md, section G.4: the authors' own figure.
FIGURES = {
    "tiny": (5_867_944, 1_084_534_272, "9583d4623e9aff5c", 198_702_080, 268, 1_344_034_362),
    "small": (22_891_432, 4_386_462_720, "2b0350284df994fc", 387_469_056, 268, 4_892_144_730),
    "base": (53_691_688, 10_399_615_488, "0268d322f54c650f", 645_781_760, 288, 11_236_929_660),
}

# one-shot.md, section G.4: multiply-adds without relative positions and norms.
PLAIN_GIGA = {"tiny": 1.283, "small": 4.774, "base": 11.045}

SIZES = tuple(SEARCHED)


def searched(size: str) -> dict[str, Any]:
    embed_dim, ratios, heads = SEARCHED[size]
    sample: dict[str, Any] = {"embed_dim": embed_dim, "depth": len(heads.split())}
    for place, (ratio, head) in enumerate(zip(ratios.split(), heads.split(), strict=True)):
        sample |= {f"mlp_ratio_{place}": float(ratio), f"num_head_{place}": int(head)}
    return sample


def authors_complexity(profile: Profile, network: AutoFormerNetwork) -> float:
    """Count as the authors' program does, two tokens too many in the blocks among it.

    Norms and positions count, biases do not, and relative positions count by their distance.
    """
    outside = {"patch_embed": 196, "head": 197}
    total = 197 * network.head.in_features / 2 + network.patch_embed.out_channels
    for layer in profile.layers:
        module = network.get_submodule(layer.name)
        if isinstance(module, nn.Linear | nn.Conv2d):
            total += prod(module.weight.shape) * outside.get(layer.name, 198)
        elif isinstance(module, nn.LayerNorm) and layer.name != "norm":
            total += module.weight.numel() * 198
    for attention in (m for m in network.modules() if isinstance(m, RelativeAttention)):
        width = attention.q.out_features
        total += 2 * 198**2 * width + 2 * 14 * 198**2 + 198**2 / 2 + 198 * width / 2
    return total


def stored(embed_dim: int, heads: int, depth: int) -> AutoFormerNetwork:
    """Make what the authors' supernet stores: every dimension at its largest."""
    with torch.device("meta"):
        blocks = [
            Block(RelativeAttention(embed_dim, heads, max_distance=14), embed_dim, 4 * embed_dim)
            for _ in range(depth)
        ]
        return AutoFormerNetwork(blocks, embed_dim, num_labels=1000)


@pytest.fixture
def small() -> AutoFormer:
    return AutoFormer(
        search_embed_dim=(8, 12), search_depth=(1, 2), img_size=32, patch_size=8, num_labels=2
    )


@pytest.mark.parametrize(
    ("name", "size"),
    [("AutoFormer", "tiny"), ("AutoFormer-small", "small"), ("AutoFormer-base", "base")],
)
def test_the_recorded_choices_counts_and_outputs_come_out(
    golden: Callable[[str], Any], name: str, size: str
) -> None:
    space = AutoFormer.of_size(size)
    golden(name).check_labels(space)
    golden(name).check_counts(space)
    golden(name).check_outputs(space)


@pytest.mark.parametrize("size", SIZES)
def test_the_searched_networks_have_their_published_cost(
    size: str, shape_hash: Callable[[nn.Module], str]
) -> None:
    space, sample = AutoFormer.of_size(size), searched(size)
    profile = space.profile(sample)
    with torch.device("meta"):
        network: Any = space.freeze(sample)
    parameters, macs, shapes, attention_macs, tensors, complexity = FIGURES[size]
    assert (profile.parameters, profile.macs) == (parameters, macs)
    assert shape_hash(network) == shapes
    assert network.product_macs() == 2 * attention_macs
    assert len(network.state_dict()) == tensors
    assert authors_complexity(profile, network) == complexity
    assert round((macs + attention_macs) / 1e9, 3) == PLAIN_GIGA[size]


@pytest.mark.parametrize("size", SIZES)
def test_the_records_of_the_zoo_build_with_their_names_and_shapes(
    zoo: dict[str, Any], shared: Path, size: str
) -> None:
    record = zoo[f"autoformer-{size}"]
    space = AutoFormer(**record["overrides"])
    assert space == AutoFormer.of_size(size)
    assert space.choices.validate(record["arch"]) == space.choices.validate(searched(size))
    with torch.device("meta"):
        state = space.freeze(record["arch"]).state_dict()
    recorded = json.loads((shared / "specs/zoo-shapes.json").read_text())[f"autoformer-{size}"]
    assert {name: list(tensor.shape) for name, tensor in state.items()} == recorded
    assert list(state) == list(recorded)


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_the_recorded_outputs_of_the_zoo_come_out(
    shared: Path, outputs: Callable[[nn.Module, int], torch.Tensor], size: str
) -> None:
    records = json.loads((shared / "specs/hub-golden.json").read_text())["zoo"]
    expected = records[f"autoformer-{size}"]["golden"]
    with torch.device("meta"):
        network = AutoFormer.of_size(size).freeze(searched(size))
    logits = outputs(network, 224)
    assert logits[0, :6].tolist() == pytest.approx(expected["logits0"], rel=1e-6)
    assert logits[1, :3].tolist() == pytest.approx(expected["logits1"], rel=1e-6)
    assert logits.mean().item() == pytest.approx(expected["mean"], rel=1e-6)


@pytest.mark.parametrize(
    ("size", "without"), [("tiny", 5_768_104), ("small", 22_791_592), ("base", 53_584_168)]
)
def test_relative_positions_cost_what_is_published(size: str, without: int) -> None:
    # one-shot.md, section G.4
    space = AutoFormer.of_size(size, rpe=False)
    assert space.profile(searched(size)).parameters == without


@pytest.mark.parametrize(
    ("largest", "parameters"),
    [((256, 4, 14), 11_669_224), ((448, 7, 14), 34_790_440), ((640, 10, 16), 80_160_360)],
)
def test_the_supernets_of_the_authors_have_their_parameters(
    largest: tuple[int, int, int], parameters: int
) -> None:
    # one-shot.md, section H
    assert sum(parameter.numel() for parameter in stored(*largest).parameters()) == parameters


@pytest.mark.parametrize(
    ("size", "arguments", "least", "most"),
    [
        ("tiny", {"search_mlp_ratio": (3.5, 4.0)}, 5.366, 10.517),
        ("small", {}, 13.057, 34.790),
        ("base", {"search_num_heads": (9, 10)}, 41.688, 76.882),
        ("base", {}, 39.793, 76.882),
    ],
)
def test_the_smallest_and_the_largest_network_are_those_published(
    size: str, arguments: dict[str, Any], least: float, most: float
) -> None:
    # one-shot.md, section G.1, in millions
    space = AutoFormer.of_size(size, **arguments)
    extremes = [
        {choice.label: bound(choice.candidates) for choice in space.choices.choices}
        for bound in (min, max)
    ]
    parameters = [space.profile(sample).parameters / 1e6 for sample in extremes]
    assert parameters == pytest.approx([least, most], abs=0.0005)


def test_the_largest_network_of_the_tiny_space_is_its_supernet() -> None:
    # The specification, section 11.7
    space = AutoFormer()
    with torch.device("meta"):
        network = space.freeze({c.label: max(c.candidates) for c in space.choices.choices})
    tensors = network.state_dict().values()
    assert (len(tensors), sum(tensor.numel() for tensor in tensors)) == (288, 10_517_272)


@pytest.mark.parametrize(
    ("size", "raw"), [("tiny", 7.05e11), ("small", 2.06e14), ("base", 1.67e16)]
)
def test_the_raw_size_is_that_of_the_specification(size: str, raw: float) -> None:
    assert AutoFormer.of_size(size).choices.raw_size == pytest.approx(raw, rel=0.005)


def test_the_grid_has_every_depth() -> None:
    assert AutoFormer().choices.size == 3 * (6**12 + 6**13 + 6**14)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"pre_norm": False},
    {"global_pooling": False},
    {"absolute_position": False},
    {"rpe": False},
    {"qkv_bias": False},
    {"qk_scale": 0.5},
    {"drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.5},
]


def written(options: dict[str, Any]) -> str:
    return ",".join(options) or "defaults"


@pytest.mark.parametrize("options", OPTIONS, ids=written)
def test_it_trains_with_every_option(
    options: dict[str, Any], small: AutoFormer, trains: Callable[..., None]
) -> None:
    torch.manual_seed(0)
    arguments = {field.name: getattr(small, field.name) for field in fields(small)}
    space = AutoFormer(**{**arguments, **options})
    trains(space.freeze(space.choices.sample(0)), 32)


def parts(options: dict[str, Any]) -> Iterator[str]:
    with torch.device("meta"):
        space = AutoFormer(**options)
        network = space.freeze(space.choices.default)
    yield from network.state_dict()


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("pre_norm", "norm.weight"),
        ("absolute_position", "pos_embed.pos_embed"),
        ("rpe", "blocks.0.attn.rel_pos_embed_v.embeddings_table_h"),
        ("qkv_bias", "blocks.0.attn.k.bias"),
    ],
)
def test_an_option_takes_its_weights_with_it(option: str, part: str) -> None:
    assert part in parts({})
    assert part not in parts({option: False})


def test_after_norms_the_tokens_are_normalised() -> None:
    torch.manual_seed(0)
    space = AutoFormer(search_embed_dim=(12,), search_depth=(2,), img_size=32, pre_norm=False)
    network: Any = space.freeze(space.choices.default).eval()
    seen: list[torch.Tensor] = []
    network.blocks[-1].register_forward_hook(lambda *call: seen.append(call[2]))
    network(torch.randn(2, 3, 32, 32))
    assert seen[0].mean(-1).abs().max().item() < 1e-5
    assert seen[0].var(-1, correction=0).mean().item() == pytest.approx(1, abs=1e-3)


def test_the_class_token_is_not_pooled(small: AutoFormer) -> None:
    """Without attention to it, the class token moves the class token's logits alone."""
    torch.manual_seed(0)
    network: Any = small.freeze(small.choices.default).eval()
    for block in network.blocks:
        nn.init.zeros_(block.attn.proj.weight)
    images = torch.randn(1, 3, 32, 32)
    for pooled in (True, False):
        network.global_pooling = pooled
        before = network(images)
        with torch.no_grad():
            network.cls_token.cls_token.normal_()
        assert torch.equal(network(images), before) == pooled


def test_deeper_blocks_are_dropped_more_often_whatever_the_depth() -> None:
    space = AutoFormer(search_depth=(2, 5), drop_path_rate=0.4)
    network: Any = space.freeze(space.choices.default)
    assert [block.drop_path.rate for block in network.blocks] == pytest.approx([0, 0.1])


def test_without_absolute_positions_images_may_have_another_size() -> None:
    space = AutoFormer(search_embed_dim=(8,), search_depth=(1,), img_size=32, patch_size=8)
    image = torch.randn(1, 3, 56, 40)
    with pytest.raises(RuntimeError):
        space.freeze(space.choices.default)(image)
    free = AutoFormer(
        search_embed_dim=(8,),
        search_depth=(1,),
        img_size=32,
        patch_size=8,
        absolute_position=False,
    )
    assert free.freeze(free.choices.default)(image).shape == (1, 1000)


def test_tokens_and_tables_start_small() -> None:
    torch.manual_seed(0)
    space = AutoFormer(search_depth=(1,))
    network: Any = space.freeze(space.choices.default)
    for learned in (
        network.pos_embed.pos_embed,
        *network.blocks[0].attn.rel_pos_embed_k.parameters(),
    ):
        assert learned.std().item() == pytest.approx(0.02, rel=0.1)


def test_all_ways_to_a_network_are_one(
    small: AutoFormer, freezes_alike: Callable[..., None]
) -> None:
    freezes_alike(small, small.choices.sample(0))


def test_entries_of_dropped_blocks_are_ignored(small: AutoFormer) -> None:
    canonical = small.choices.default
    assert canonical["depth"] == 1
    assert small.choices.validate(canonical | {"num_head_1": 4, "mlp_ratio_1": 3}) == canonical


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": 200}, "embed_dim: 200 is not one of 192, 216, 240"),
        ({"depth": 15}, "depth: 15 is not one of 12, 13, 14"),
        ({"depth": 14}, "num_head_12: the sample lacks this label of AutoFormer"),
        ({"num_head_0": 5}, "num_head_0: 5 is not one of 3, 4"),
        ({"mlp_ratio_0": "3"}, "mlp_ratio_0: '3' is not one of 3.0, 3.5, 4.0"),
        ({"num_heads_0": 3}, "num_heads_0: AutoFormer has no such label; the nearest are num_"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    space = AutoFormer()
    with pytest.raises(InvalidSampleError) as caught:
        space.freeze(space.choices.default | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        {"search_embed_dim": ()},
        {"search_embed_dim": 192},
        {"search_embed_dim": (192, 192)},
        {"search_embed_dim": (0,)},
        {"search_mlp_ratio": (3.0, -1.0)},
        {"search_num_heads": (3.5,)},
        {"search_depth": (0, 1)},
        {"img_size": 225},
        {"patch_size": 0},
        {"in_channels": 0},
        {"num_labels": 0},
        {"drop_rate": 1.5},
        {"attn_drop_rate": -0.1},
        {"drop_path_rate": float("nan")},
        {"qk_scale": 0},
        {"pre_norm": 1},
        {"rpe": "yes"},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AutoFormer(**arguments)
    assert caught.value.argument == next(iter(arguments))


def test_an_unknown_size_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"size: 'smal' is not one of .*nearest are small"
    ):
        AutoFormer.of_size("smal")
