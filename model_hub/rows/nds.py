"""Reader of NDS rows.

Rows for ImageNet do not say which of two stems their network has. The stems differ in kernel size,
so the recorded number of parameters matches at most one of them, which is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from model_hub.arguments import a_count, a_number
from model_hub.cells import NORMAL, REDUCE, CellGenotype
from model_hub.errors import InvalidArgumentError, listed, shown
from model_hub.rows.reading import Asked, Located, RowReader, field, needed, refuse_unread, whole
from model_hub.spaces.nasnet import NdsCells
from model_hub.spaces.nds_stage_sizes import STEMS
from model_hub.spaces.nds_stages import ResidualBasic, ResidualBottleneck, StageSpace, Vanilla

if TYPE_CHECKING:
    from model_hub.spaces.nasnet_network import Stem

__all__ = ["NDS"]


_CELL_FAMILY: Final = "nas_cell"
_CELL_STEMS: Final[Mapping[str, Stem]] = {"cifar10": "cifar", "imagenet": "imagenet"}
_STAGE_SPACES: Final[Mapping[str, type[StageSpace]]] = {
    space.family: space for space in (Vanilla, ResidualBasic, ResidualBottleneck)
}
_IMAGENET_STEMS: Final = ("resnet", "simple")
_MILLION: Final = 1e6
_MOST_MILLIONS: Final = 1e6
_UNSTATED_STRIDE: Final = 1
"""Stride of the stem in rows for CIFAR; for ImageNet it does not determine the stem."""
_SIDES: Final = "xy"
"""The two inputs of a node."""
_PARTS: Final = ("op", "input")
_BEGINNINGS: Final = (f"{NORMAL}_", f"{REDUCE}_")
_MOST_NODES: Final = 1000
_STAGE_FIELDS: Final = frozenset({"ds", "ss", "ws"})
_BOTTLENECK_FIELDS: Final = frozenset({"bot_muls", "num_gs"})
_CELL_FIELDS: Final = frozenset(
    {"aux", "depth", "drop_prob", "num_nodes_normal", "num_nodes_reduce", "width"}
)
"""Fields of a `model_spec`."""


def _nds(config: object, asked: Asked) -> Located:
    family = needed(config, "model_family", str)
    spec = needed(config, "model_spec", Mapping)
    if family == _CELL_FAMILY:
        return _nds_cells(spec, needed(config, "cell_spec", Mapping), asked)
    refuse_unread(f"a cell_spec of {family}", field(config, "cell_spec") or {}, set())
    if family not in _STAGE_SPACES:
        raise InvalidArgumentError(
            "model_family",
            f"{shown(family)} is not one of {listed([_CELL_FAMILY, *_STAGE_SPACES])}",
        )
    return _nds_stages(_STAGE_SPACES[family], spec, asked)


def _nds_stages(kind: type[StageSpace], spec: Mapping[str, Any], asked: Asked) -> Located:
    known = _STAGE_FIELDS | (_BOTTLENECK_FIELDS if kind is ResidualBottleneck else frozenset())
    refuse_unread(f"a model_spec of {kind.family}", spec, known)
    depths, strides, widths = (_stages(spec, name) for name in ("ds", "ss", "ws"))
    is_small = asked.dataset == "cifar10"
    if depths[0] != 1 or (is_small and strides[0] != 1):
        raise InvalidArgumentError(
            "model_spec",
            f"ds and ss begin with {shown(depths[0])} and {shown(strides[0])}, not with 1"
            f"{' and 1' if is_small else ''}, which the stem has",
        )
    arguments: dict[str, Any] = {
        "stem_width": widths[0],
        "depths": depths[1:],
        "widths": widths[1:],
        "strides": strides[1:],
        "num_labels": asked.data_set.num_labels,
    }
    if kind is ResidualBottleneck:
        ungrouped = {"num_gs": [1] * len(depths)}
        arguments["multipliers"] = _stages(spec, "bot_muls")[1:]
        arguments["groups"] = _stages(ungrouped | dict(spec), "num_gs")[1:]
    space = kind(**arguments)
    return space if is_small else _with_recorded_stem(space, asked.parameters, strides[0]), {}


def _with_recorded_stem(space: StageSpace, parameters: object, stride: object) -> StageSpace:
    """Return a space of one network with the stem that matches the recorded parameters.

    Args:
        space: The space, with any stem.
        parameters: Recorded number of parameters in millions, or None.
        stride: Recorded stride of the stem; 1 if undetermined.

    Raises:
        InvalidArgumentError: Neither stem has that number of parameters, or the matching one has
            another stride; the message lists the numbers and says how to choose a stem.
    """
    candidates = {name: replace(space, stem=name) for name in _IMAGENET_STEMS}
    counts = {name: candidate.num_parameters({}) for name, candidate in candidates.items()}
    found = ", ".join(f"{count:,} with stem={name!r}" for name, count in counts.items())
    way_out = f"if you know the stem, name it: {candidates['resnet']}.freeze({{}})"
    if parameters is None:
        raise InvalidArgumentError(
            "parameters",
            "the row lacks them, but for imagenet only they determine the stem: the network has "
            f"{found}. Pass the whole row, not its config; {way_out}",
        )
    recorded = round(a_number("parameters", parameters, least=0, most=_MOST_MILLIONS) * _MILLION)
    matching = [name for name, count in counts.items() if count == recorded]
    if not matching:
        raise InvalidArgumentError(
            "parameters",
            f"{recorded:,} are recorded, but the network has {found}. Synthetic rows, as in a "
            f"sample database, match no network; {way_out}",
        )
    (name,) = matching
    strides = (_UNSTATED_STRIDE, STEMS[name].stride)
    if stride not in strides:
        raise InvalidArgumentError(
            "model_spec",
            f"ss begins with {shown(stride)}, but the parameters are those of stem={name!r}, where "
            f"it is one of {listed(strides)}; {way_out}",
        )
    return candidates[name]


def _stages(spec: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of a specification, one value per stage, with whole numbers as int."""
    values = needed(spec, name, Sequence)
    if not values or isinstance(values, str):
        raise InvalidArgumentError("model_spec", f"{name} is {shown(values)}, not a list of values")
    return [whole(value) for value in values]


def _nds_cells(spec: Mapping[str, Any], cells: Mapping[str, Any], asked: Asked) -> Located:
    refuse_unread(f"a model_spec of {_CELL_FAMILY}", spec, _CELL_FIELDS)
    others = {key: value for key, value in cells.items() if not str(key).startswith(_BEGINNINGS)}
    refuse_unread("a cell_spec", others, set())
    space = NdsCells(
        normal=_nds_cell(cells, NORMAL, spec),
        reduce=_nds_cell(cells, REDUCE, spec),
        width=whole(needed(spec, "width", int | float)),
        num_cells=whole(needed(spec, "depth", int | float)),
        dataset=_CELL_STEMS[asked.dataset],
        num_labels=asked.data_set.num_labels,
        auxiliary_loss=bool(spec.get("aux")),
        drop_path_prob=spec.get("drop_prob") or 0.0,
    )
    return space, {}


def _nds_cell(cells: Mapping[str, Any], cell: str, spec: Mapping[str, Any]) -> CellGenotype:
    """Return the cell of the fields `{cell}_{node}_op_x`, `{cell}_{node}_input_x` and so on."""
    name = f"num_nodes_{cell}"
    num_nodes = a_count(name, whole(needed(spec, name, int | float)), most=_MOST_NODES)
    own = {f"{cell}_{n}_{kind}_{s}" for n in range(num_nodes) for kind in _PARTS for s in _SIDES}
    mine = {key: value for key, value in cells.items() if str(key).startswith(f"{cell}_")}
    refuse_unread(f"a {cell} cell of {num_nodes} nodes", mine, own | {f"{cell}_concat"})
    entries = [
        (
            needed(cells, f"{cell}_{node}_op_{side}", str),
            whole(needed(cells, f"{cell}_{node}_input_{side}", int | float)),
        )
        for node in range(num_nodes)
        for side in _SIDES
    ]
    concat = needed(cells, f"{cell}_concat", Sequence)
    return CellGenotype.from_entries(entries, [whole(state) for state in concat])


NDS: Final = RowReader(
    benchmark="nds",
    datasets=("cifar10", "imagenet"),
    fields=frozenset(
        {
            *("base_lr", "cell_spec", "dataset", "generator", "model_family", "model_spec"),
            *("num_epochs", "proposer", "weight_decay"),
        }
    ),
    read=_nds,
    spelled=False,
)
