"""Parameters of networks of stages by arithmetic: as many as the networks have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_hub.spaces import ResidualBasic, ResidualBottleneck, Vanilla
from model_hub.spaces.nds_stage_sizes import FAMILIES, STEMS
from model_hub.spaces.nds_stages import StageSpace
from model_hub.spaces.nds_stages_network import BLOCKS

SPACES = (Vanilla, ResidualBasic, ResidualBottleneck)


@given(
    kind=st.sampled_from(SPACES),
    stem=st.sampled_from(sorted(STEMS)),
    strides=st.tuples(*(st.integers(1, 3),) * 3),
    num_labels=st.integers(1, 1000),
    seed=st.integers(0, 1 << 32),
)
@settings(max_examples=60)
def test_any_network_of_stages_has_as_many_parameters_as_are_computed(
    kind: type[StageSpace], stem: str, strides: tuple[int, ...], num_labels: int, seed: int
) -> None:
    space = kind(
        stem=stem, stem_width=(16, 24), strides=strides, num_labels=num_labels, depths=((1, 2),) * 3
    )
    sample = space.choices.sample(seed)
    with torch.device("meta"):
        network = space.freeze(sample)
    assert space.num_parameters(sample) == sum(p.numel() for p in network.parameters())


def test_the_published_network_has_the_published_parameters() -> None:
    # raw-formats.md, section 3
    space = ResidualBasic(
        stem_width=16, depths=(12, 12, 12), widths=(24, 24, 40), strides=(1, 2, 2)
    )
    assert space.num_parameters({}) == 594_138


@pytest.mark.parametrize("kind", SPACES)
def test_every_family_is_counted_and_built(kind: type[StageSpace]) -> None:
    assert kind.family in FAMILIES
    assert FAMILIES.keys() == BLOCKS.keys()
