"""The law of supernets: an activated one is the frozen network, to the bit, also after a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from measuring import first_measured
from torch import Tensor, nn

from model_hub.memory import META
from model_hub.model_space import ModelSpace, TokenSpace
from model_hub.sharing import chosen_of
from nas_search.oneshot import Supernet
from nas_search.oneshot.views import fits

NUM_SAMPLES = 3
NUM_STEPS = 2
NUM_PLACED = 3


@pytest.fixture(scope="module")
def supernet(narrowed: tuple[ModelSpace, int]) -> Supernet:
    """A supernet without dropout whose norms would show a mistaken tensor.

    Statistics of 0 and 1, as they are in the beginning, hide that they are those of another norm.
    """
    supernet = Supernet(narrowed[0], seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in supernet.state_dict().items():
        if tensor.dim() == 1 and tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(noise + 0.5 if name.endswith(("var", "weight")) else noise - 0.5)
    without_dropout(supernet)
    return supernet


def without_dropout(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def without_repetition(space: ModelSpace, seed: int) -> dict[str, Any]:
    """Return a sample none of whose nodes applies an operation to a state twice.

    Such a node has two copies of the weights in a frozen network, and one in a supernet.
    """
    while True:
        sample = space.choices.sample(seed)
        pairs = [
            (label.replace("/op_", "/")[:-2], sample[label], *sample[label.replace("op", "input")])
            for label in sample
            if "/op_" in label
        ]
        if len(set(pairs)) == len(pairs):
            return sample
        seed += 1


def inputs(space: ModelSpace, side: int) -> Tensor:
    """Return two images, or two sequences of ids."""
    generator = torch.Generator().manual_seed(2)
    if isinstance(space, TokenSpace):
        return torch.randint(2, 10, (2, side), generator=generator)
    return torch.randn(2, 3, side, side, generator=generator)


def outputs_of(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what a network computes: logits, those of a second head, or sounds and their times."""
    outputs = network(x)
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return [output for output in several if output.is_floating_point()]


def step(network: nn.Module, x: Tensor) -> None:
    """Do one step of gradient descent without momentum and weight decay."""
    network.train().zero_grad()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    sum(output.square().mean() for output in outputs_of(network, x)).backward()
    optimizer.step()


def copied(network: nn.Module) -> dict[str, Tensor]:
    """Return the state of a network as it is now."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def moved(network: nn.Module) -> set[str]:
    """Return the names of the parameters with a gradient."""
    return {name for name, p in network.named_parameters() if p.grad is not None}


def test_an_activated_supernet_evaluates_as_the_frozen_network(
    narrowed: tuple[ModelSpace, int], supernet: Supernet
) -> None:
    space, side = narrowed
    x = inputs(space, side)
    supernet.eval()
    outputs = set()
    for seed in first_measured(range(NUM_SAMPLES)):
        sample = space.choices.sample(seed)
        network = supernet.extract(sample)
        supernet.activate(sample)
        with torch.no_grad():
            expected = outputs_of(network, x)
            computed = outputs_of(supernet, x)
        assert all(torch.equal(*pair) for pair in zip(computed, expected, strict=True))
        outputs.add(expected[0].sum().item())
    assert len(outputs) > NUM_SAMPLES / 2


def test_a_step_changes_what_the_sample_uses_as_in_the_frozen_network_and_nothing_else(
    narrowed: tuple[ModelSpace, int], supernet: Supernet
) -> None:
    space, side = narrowed
    x, begun = inputs(space, side), copied(supernet)
    for seed in first_measured(range(NUM_STEPS)):
        sample = without_repetition(space, 100 * seed)
        network = supernet.extract(sample)
        without_dropout(network)
        before = copied(supernet)
        step(network, x)
        supernet.absorb(sample, network.state_dict())
        expected = copied(supernet)
        supernet.load_state_dict(before)
        supernet.activate(sample)
        step(supernet, x)
        state = supernet.state_dict()
        for name, tensor in expected.items():
            assert torch.equal(state[name], tensor), name
        values = space.choices.resolve(sample)
        assert moved(supernet.network) == {space.placed(values, name)[0] for name in moved(network)}
        used = set(map(id, supernet.parameters_of(sample)))
        assert all(p.grad is None for p in supernet.parameters() if id(p) not in used)
    supernet.load_state_dict(begun)


def test_every_tensor_of_every_network_is_stored(
    narrowed: tuple[ModelSpace, int], supernet: Supernet
) -> None:
    space, _ = narrowed
    stored = supernet.state_of_network()
    for seed in first_measured(range(NUM_PLACED)):
        sample = without_repetition(space, 100 * seed)
        values = space.choices.resolve(sample)
        with META:
            state = space.freeze(sample).state_dict()
        places = {name: space.placed(values, name) for name in state}
        assert len(set(places.values())) == len(places)
        for name, (place, view) in places.items():
            assert fits(stored[place].shape, view, state[name].shape), (name, place)


def test_samples_that_agree_on_a_choice_share_the_module_there(
    narrowed: tuple[ModelSpace, int], supernet: Supernet
) -> None:
    space, _ = narrowed
    slots = space.sharing.slots
    seen: dict[tuple[str, str], set[int]] = {}
    for seed in first_measured(range(20)):
        sample = space.choices.sample(seed)
        supernet.activate(sample)
        for path, label in slots.items():
            chosen = chosen_of(sample, label)
            switch = supernet.network.get_submodule(path)
            key = (path, str(chosen))
            if chosen is not None:
                seen.setdefault(key, set()).add(id(switch[key[1]]))  # type: ignore[index]
    assert all(len(modules) == 1 for modules in seen.values())
    # Cells have no such places.
    distinct = [module for modules in seen.values() for module in modules]
    assert len(set(distinct)) == len(distinct)
