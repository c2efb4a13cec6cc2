"""Construction of the network of a supernet from networks that the space builds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product

from torch import nn

from model_hub.choices import Value
from model_hub.model_space import ModelSpace
from model_hub.sharing import chosen_of
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasnet import CellSpace
from nas_search.oneshot.cells import build_cells
from nas_search.oneshot.graphs import build_graphs
from nas_search.oneshot.plans import Plan, RowPlan, SlicedPlan
from nas_search.oneshot.sliced import KeptBlocks, slice_layers
from nas_search.oneshot.switches import Row, Stage, Switch

__all__ = ["build"]


def build(space: ModelSpace) -> tuple[nn.Module, Plan]:
    """Return a network with the weights of all networks of a space, and the plan that controls it.

    Raises:
        NoSupernetError: The space does not define how its networks share weights.
        TooLargeError: A network does not fit into memory.
    """
    if isinstance(space, CellSpace):
        return build_cells(space)
    if isinstance(space, NasBench101):
        return build_graphs(space)
    return build_slots(space)


def build_slots(space: ModelSpace) -> tuple[nn.Module, Plan]:
    """Return a network with the candidates of all choices, and the plan that controls it.

    It is the network of the first candidates, with all candidates at every place of
    `space.sharing`. Each candidate comes from a network built by the space, so it has the space's
    initialisation. The number of networks built is the largest number of candidates of a choice.

    Raises:
        NoSupernetError: The space does not define how its networks share weights.
        TooLargeError: A network does not fit into memory.
    """
    sharing = space.sharing
    candidates = {choice.label: choice.candidates for choice in space.choices.choices}
    rows = {
        label: Row(label, _joined([candidates[part] for part in label.split("+")]))
        for label in (*sharing.slots.values(), *sharing.depths.values())
    }
    network, found = _modules_of(space)
    for path, label in sharing.slots.items():
        row = rows[label]
        named = {str(name): found[path].get(str(name), nn.Identity()) for name in row.candidates}
        _put(network, path, Switch(row, named))
    for path, label in sharing.depths.items():
        blocks = network.get_submodule(path)
        kept = KeptBlocks if isinstance(blocks, nn.ModuleList) else Stage
        _put(network, path, kept(rows[label], blocks.children()))
    if sharing.layer_sizes is None:
        return network, RowPlan(rows)
    slice_layers(network)
    return network, SlicedPlan(rows, network, sharing.layer_sizes)


def _modules_of(space: ModelSpace) -> tuple[nn.Module, dict[str, dict[str, nn.Module]]]:
    """Return the first of the widest networks, and the candidate modules of each place by name."""
    slots = space.sharing.slots
    found: dict[str, dict[str, nn.Module]] = {path: {} for path in slots}
    first: nn.Module | None = None
    networks = ((values, "", network) for values, network in space.widest_networks())
    for values, prefix, made in chain(networks, space.further_modules()):
        first = first or made
        for path, module in made.named_modules(prefix=prefix) if slots else ():
            slot, _, name = space.placed(values, path)[0].rpartition(".")
            if slot in found and name == str(chosen_of(values, slots[slot])):
                found[slot].setdefault(name, module)
    assert first is not None  # noqa: S101 - there is a network
    return first, found


def _joined(candidates: Sequence[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Return the candidates of a choice, or of several choices joined as in `chosen_of`."""
    if len(candidates) == 1:
        return candidates[0]
    return tuple("-".join(map(str, values)) for values in product(*candidates))


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    """Replace the module, or None, at a path."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)
