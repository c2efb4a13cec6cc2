"""Builds the modules of a supernet out of networks that the space freezes."""

from __future__ import annotations

from torch import nn

from model_hub.choices import Categorical, Choice, Chosen, LayerChoice
from model_hub.model_space import ModelSpace
from model_hub.spaces.nasnet import CellSpace
from nas_search.oneshot.cells import build_cells
from nas_search.oneshot.plans import Plan, RowPlan
from nas_search.oneshot.switches import Row, Stage, Switch

__all__ = ["build"]


def build(space: ModelSpace) -> tuple[nn.Module, Plan]:
    """Return a network that holds the weights of all of a space, and what tells it what to run.

    Raises:
        NoSupernetError: The space does not say where its networks' weights lie.
        TooLargeError: A network does not fit into memory.
    """
    if isinstance(space, CellSpace):
        return build_cells(space)
    return build_slots(space)


def build_slots(space: ModelSpace) -> tuple[nn.Module, Plan]:
    """Return a network that holds the candidates of all choices, and what is chosen by label.

    It is the network of the first candidates, in which every place of `space.sharing` holds all
    candidates. Each is taken from a network that the space freezes, so it is initialised as the
    space does; there are as many networks as a choice has candidates.

    Raises:
        NoSupernetError: The space does not say where its networks' weights lie.
        TooLargeError: A network does not fit into memory.
    """
    sharing = space.sharing
    choices = {choice.label: choice for choice in space.choices.choices}
    rows = {
        label: Row(label, choices[label].candidates)
        for label in (*sharing.slots.values(), *sharing.depths.values())
    }
    found: dict[str, dict[str, nn.Module]] = {path: {} for path in sharing.slots}
    ranks = max(len(c.candidates) for c in choices.values() if isinstance(c, LayerChoice))
    network: nn.Module | None = None
    for rank in range(ranks):
        sample = {label: _of_rank(choice, rank) for label, choice in choices.items()}
        ranked = space.freeze(sample)
        values = space.choices.resolve(sample)
        for path, module in ranked.named_modules():
            slot, _, name = space.placed(values, path)[0].rpartition(".")
            if slot in found and name == str(values[sharing.slots[slot]]):
                found[slot].setdefault(name, module)
        network = network or ranked
    assert network is not None  # noqa: S101 - a choice has a candidate
    for path, candidates in found.items():
        row = rows[sharing.slots[path]]
        named = {str(name): candidates.get(str(name), nn.Identity()) for name in row.candidates}
        network.set_submodule(path, Switch(row, named))
    for path, label in sharing.depths.items():
        stage: nn.Module = network.get_submodule(path)
        network.set_submodule(path, Stage(rows[label], stage.children()))
    return network, RowPlan(rows)


def _of_rank(choice: Choice, rank: int) -> Chosen:
    """Return the candidate of a rank, the last one where there are fewer; the largest number."""
    if isinstance(choice, LayerChoice):
        return choice.candidates[min(rank, len(choice.candidates) - 1)]
    assert isinstance(choice, Categorical)  # noqa: S101 - no subsets without cells
    return max(choice.candidates)
