"""Builds the modules of a supernet out of networks that the space freezes."""

from __future__ import annotations

from torch import nn

from model_hub.model_space import ModelSpace
from model_hub.spaces.nasnet import CellSpace
from nas_search.oneshot.cells import build_cells
from nas_search.oneshot.plans import Plan, RowPlan, SlicedPlan
from nas_search.oneshot.sliced import KeptBlocks, slice_layers
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
    networks = list(space.widest_networks())
    found: dict[str, dict[str, nn.Module]] = {path: {} for path in sharing.slots}
    for values, made in networks if found else ():
        for path, module in made.named_modules():
            slot, _, name = space.placed(values, path)[0].rpartition(".")
            if slot in found and name == str(values[sharing.slots[slot]]):
                found[slot].setdefault(name, module)
    network = networks[0][1]
    for path, candidates in found.items():
        row = rows[sharing.slots[path]]
        named = {str(name): candidates.get(str(name), nn.Identity()) for name in row.candidates}
        network.set_submodule(path, Switch(row, named))
    for path, label in sharing.depths.items():
        blocks = network.get_submodule(path)
        kept = KeptBlocks if isinstance(blocks, nn.ModuleList) else Stage
        network.set_submodule(path, kept(rows[label], blocks.children()))
    if sharing.told is None:
        return network, RowPlan(rows)
    slice_layers(network)
    return network, SlicedPlan(rows, network, sharing.told)
