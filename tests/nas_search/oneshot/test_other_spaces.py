"""Cells, whose rows are edges, and sliced spaces, which have no mixtures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from patterned_images import halves
from small_spaces import TINY_SPACES

import model_hub
from nas_search.errors import NoMixtureError
from nas_search.oneshot import (
    BinaryGates,
    CostTable,
    Gumbel,
    GumbelHard,
    Inherited,
    PolicyPaths,
    Reinforced,
    SandwichPaths,
    Softmax,
    Supernet,
    recalibrate,
    search_by_policy,
    search_supernet,
    train_supernet,
)
from nas_search.problems.problem import silent
from nas_search.training import Recipe

CELLS = model_hub.space("DARTS", width=4, num_cells=3, num_labels=4)
SLICED = [("MobileNetV3Space", 32), ("NatsSss", 8), ("AutoFormer", 32)]
RECIPE = Recipe(epochs=1, batch_size=6, lr=0.02, clip_norm=5)


@pytest.mark.parametrize("relaxation", [Softmax(), Gumbel(warmup_epochs=0)], ids=["soft", "drawn"])
def test_mixtures_search_cells(relaxation: Any) -> None:
    data = halves(24)
    supernet = Supernet(CELLS)
    found = search_supernet(supernet, data, relaxation, recipe=RECIPE)
    assert found.sample == CELLS.choices.validate(found.sample)
    assert found.probabilities.keys() == supernet.mixtures.keys()
    evaluator = Inherited(supernet, data, batches=2, batch_size=6)
    figures = evaluator.evaluate(CELLS, found.sample, fidelity=None, report=silent)
    assert 0 <= figures["accuracy"] <= 100


@pytest.mark.parametrize("relaxation", [GumbelHard(), BinaryGates(), Reinforced()])
def test_what_needs_a_row_a_choice_refuses_cells(relaxation: Any) -> None:
    with pytest.raises(NoMixtureError, match="is an edge of a cell"):
        search_supernet(Supernet(CELLS), halves(24), relaxation, recipe=RECIPE)
    with pytest.raises(NoMixtureError, match="is an edge of a cell"):
        CostTable.of(CELLS)


@pytest.mark.parametrize(("name", "side"), SLICED)
def test_slices_are_trained_recalibrated_and_searched_by_a_policy(name: str, side: int) -> None:
    space, data = model_hub.space(name, **TINY_SPACES[name]), halves(24, side=side)
    supernet = Supernet(space)
    train_supernet(supernet, data, SandwichPaths(), recipe=RECIPE)
    evaluator = Inherited(supernet, data, batches=2, batch_size=6)
    one, other = space.choices.sample(1), space.choices.sample(2)
    before = {key: tensor.clone() for key, tensor in supernet.state_dict().items()}
    first = evaluator.evaluate(space, one, fidelity=None, report=silent)
    evaluator.evaluate(space, other, fidelity=None, report=silent)
    assert evaluator.evaluate(space, one, fidelity=None, report=silent) == first
    assert all(torch.equal(before[key], now) for key, now in supernet.state_dict().items())
    # Statistics are those of the network by itself.
    alone = supernet.extract(one)
    recalibrate(alone, data[0], batches=2, batch_size=6)
    supernet.activate(one)
    recalibrate(supernet, data[0], batches=2, batch_size=6)
    shared = supernet.weights_of(one)
    assert all(torch.equal(tensor, shared[key]) for key, tensor in alone.state_dict().items())
    policy = PolicyPaths(updates=2, draws=2, batches=1)
    found = search_by_policy(supernet, data, policy, recipe=RECIPE)
    assert found.sample == space.choices.validate(found.sample)
    with pytest.raises(NoMixtureError, match="has no mixture"):
        search_supernet(supernet, data, Softmax(), recipe=RECIPE)
