"""What a supernet is beside its law: seeds, mixtures, decoding, refusals."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
import torch

import model_hub
from model_hub.errors import InvalidSampleError, NoSupernetError
from nas_search.errors import NoMixtureError, ProblemError
from nas_search.oneshot import Supernet

SPACE = model_hub.space("NasBench201", stem_out_channels=4, num_modules_per_stack=1)
MOBILE = model_hub.space("ProxylessNAS", width_mult=0.1, num_labels=4)


def one_hot(supernet: Supernet, sample: dict[str, object]) -> dict[str, torch.Tensor]:
    """Return weights of 1 for what a sample chooses and 0 else; the first where nothing matters."""
    return {
        name: torch.tensor([float(c == sample.get(name, candidates[0])) for c in candidates])
        for name, candidates in supernet.mixtures.items()
    }


def test_the_seed_alone_decides_the_weights_and_leaves_the_global_generator() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, other = Supernet(SPACE, seed=1), Supernet(SPACE, seed=1), Supernet(SPACE, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    states = list(zip(first.parameters(), second.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(one, two) for one, two, _ in states)
    assert any(not torch.equal(one, three) for one, _, three in states)


@pytest.mark.parametrize("space", [SPACE, MOBILE], ids=["nasbench201", "proxylessnas"])
def test_a_mixture_of_ones_and_zeros_is_the_single_path_and_decodes_to_it(
    space: model_hub.ModelSpace,
) -> None:
    supernet = Supernet(space).eval()
    images = torch.randn(2, 3, 32, 32)
    for seed in range(5):
        sample = space.choices.sample(seed)
        weights = one_hot(supernet, sample)
        with torch.no_grad():
            supernet.activate(sample)
            expected = supernet(images)
            supernet.mix(weights)
            torch.testing.assert_close(supernet(images), expected, rtol=1e-4, atol=1e-5)
        assert supernet.decode(weights) == sample


@pytest.mark.parametrize("name", ["DARTS", "ENAS"])
def test_a_cell_mixture_with_none_on_unused_edges_is_the_single_path_and_decodes_to_it(
    name: str,
) -> None:
    space = model_hub.space(name, width=4, num_cells=4)
    supernet = Supernet(space).eval()
    images = torch.randn(2, 3, 16, 16)
    # A node that reads a state twice is no sum of edges with one operation each.
    drawn = (space.choices.sample(seed) for seed in range(1000))
    expressible = (sample for sample in drawn if len(edges_of(sample)) == len(sample) // 2)
    for sample in islice(expressible, 3):
        chosen = edges_of(sample)
        weights = {
            name: torch.tensor([float(c == chosen.get(name, "none")) for c in candidates])
            for name, candidates in supernet.mixtures.items()
        }
        with torch.no_grad():
            supernet.activate(sample)
            expected = supernet(images)
            supernet.mix(weights)
            torch.testing.assert_close(supernet(images), expected, rtol=1e-4, atol=1e-5)
        learned = {name: row.requires_grad_() for name, row in weights.items()}
        assert edges_of(supernet.decode(learned)) == chosen


def edges_of(sample: dict[str, Any]) -> dict[str, Any]:
    """Return the operation of every edge, `normal/3_1`, of a sample of cells."""
    return {
        f"{label.replace('op_', '')[:-2]}_{sample[label.replace('op_', 'input_')][0]}": operation
        for label, operation in sample.items()
        if "/op_" in label
    }


def test_widths_of_cells_to_choose_from_are_refused() -> None:
    with pytest.raises(NoSupernetError, match=r"chooses width of .* give one, as in width=16"):
        Supernet(model_hub.space("DARTS", num_cells=4))
    with pytest.raises(NoSupernetError, match=r"chooses num_cells of"):
        Supernet(model_hub.space("ENAS", width=8))


def test_a_mixture_gives_every_row_and_every_candidate_a_gradient() -> None:
    supernet = Supernet(MOBILE)
    alpha = {n: torch.zeros(len(c), requires_grad=True) for n, c in supernet.mixtures.items()}
    supernet.mix({name: row.softmax(0) for name, row in alpha.items()})
    supernet(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(row.grad is not None and row.grad.abs().sum() > 0 for row in alpha.values())
    assert all(parameter.grad is not None for parameter in supernet.parameters())


def test_a_mixture_ends_when_a_path_is_activated() -> None:
    supernet = Supernet(SPACE).eval()
    images = torch.randn(2, 3, 8, 8)
    sample = SPACE.choices.sample(0)
    supernet.activate(sample)
    expected = supernet(images)
    supernet.mix({name: torch.full((len(c),), 0.2) for name, c in supernet.mixtures.items()})
    assert not torch.equal(supernet(images), expected)
    supernet.activate(sample)
    assert torch.equal(supernet(images), expected)


def test_the_switches_of_a_choice_are_found_by_its_label() -> None:
    switches = Supernet(SPACE).switches
    assert set(switches) == set(SPACE.choices.labels)
    assert all(len(places) == 3 for places in switches.values())


def test_samples_of_other_spaces_and_unknown_labels_are_refused() -> None:
    supernet = Supernet(SPACE)
    for wrong in (MOBILE.choices.sample(0), {}, SPACE.choices.sample(0) | {"cell/9_9": "none"}):
        for use in (supernet.activate, supernet.weights_of, supernet.extract):
            with pytest.raises(InvalidSampleError):
                use(wrong)


def test_weights_of_another_sample_are_not_absorbed() -> None:
    supernet = Supernet(SPACE)
    one, other = SPACE.choices.sample(0), SPACE.choices.sample(1)
    with pytest.raises(ProblemError, match="not the weights of this sample"):
        supernet.absorb(one, supernet.weights_of(other))


SLICED = model_hub.space("NatsSss", candidates=(4, 8))


def test_networks_that_share_slices_are_not_mixed() -> None:
    supernet = Supernet(SLICED)
    with pytest.raises(NoMixtureError, match=r"NatsSss has no mixture: .*share slices"):
        _ = supernet.mixtures
    with pytest.raises(NoMixtureError):
        supernet.mix({})
    with pytest.raises(NoMixtureError):
        supernet.decode({})


def test_a_narrow_network_has_the_first_channels_of_a_wide_one() -> None:
    supernet = Supernet(SLICED)
    narrow, wide = (
        supernet.weights_of({f"channels_{layer}": width for layer in range(5)}) for width in (4, 8)
    )
    assert torch.equal(narrow["stem.0.weight"], wide["stem.0.weight"][:4])
    name = "cells.1.conv_b.op.1.weight"
    assert torch.equal(narrow[name], wide[name][:4, :4])


def test_a_small_kernel_is_the_middle_of_a_large_one() -> None:
    space = model_hub.space("MobileNetV3Space", num_labels=4, depth_range=(1, 1))
    supernet = Supernet(space)
    sample = space.choices.sample(0)
    small, large = (supernet.weights_of(sample | {"stem_ks": size}) for size in (3, 5))
    assert torch.equal(small["stem.0.weight"], large["stem.0.weight"][..., 1:-1, 1:-1])


def test_keys_of_few_heads_have_the_bias_that_queries_of_many_have() -> None:
    arguments = {"search_embed_dim": (8,), "search_depth": (1,), "search_num_heads": (1, 2)}
    space = model_hub.space("AutoFormer", img_size=16, num_labels=2, **arguments)
    supernet = Supernet(space)
    one, two = (
        supernet.weights_of(space.choices.sample(0) | {"num_head_0": heads}) for heads in (1, 2)
    )
    assert torch.equal(one["blocks.0.attn.k.bias"], two["blocks.0.attn.q.bias"][64:])
    assert torch.equal(one["blocks.0.attn.k.weight"], two["blocks.0.attn.k.weight"][:64])


def test_a_space_whose_default_sample_breaks_a_constraint_has_a_supernet() -> None:
    arguments = {"depths": (1,), "widths": ((8, 9),), "strides": (1,), "multipliers": (1.0,)}
    space = model_hub.space("ResidualBottleneck", groups=((3,),), **arguments)
    supernet = Supernet(space).eval()
    images = torch.randn(2, 3, 8, 8)
    network = supernet.extract({"s1_width": 9, "s1_groups": 3})
    supernet.activate({"s1_width": 9, "s1_groups": 3})
    assert torch.equal(supernet(images), network(images))


def test_rows_that_are_missing_or_of_another_length_are_refused() -> None:
    supernet = Supernet(SPACE)
    rows = {name: torch.ones(len(c)) for name, c in supernet.mixtures.items()}
    with pytest.raises(ProblemError, match="cell/0_1: there must be weights for"):
        supernet.mix({name: row for name, row in rows.items() if name != "cell/0_1"})
    with pytest.raises(ProblemError, match="not one for each of 5 candidates"):
        supernet.mix(rows | {"cell/0_1": torch.ones(4)})


def test_a_space_that_does_not_say_where_its_weights_lie_is_refused() -> None:
    space = model_hub.space("NdsCells", **_given_cells())
    with pytest.raises(NoSupernetError, match="does not say where its networks' weights lie"):
        Supernet(space)


def _given_cells() -> dict[str, object]:
    cell = {"nodes": [[["skip_connect", 0], ["skip_connect", 1]]], "concat": [2]}
    return {"normal": cell, "reduce": cell}
