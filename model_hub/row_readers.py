"""How the rows of each benchmark spell a network: from fields to a space and a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from model_hub.arguments import a_count
from model_hub.cell_graph import CONV1X1, CONV3X3, MAXPOOL3X3
from model_hub.errors import InvalidArgumentError, InvalidSampleError, listed, shown
from model_hub.genotype import NORMAL, REDUCE, CellGenotype
from model_hub.model_space import ModelSpace
from model_hub.nds_stems import with_recorded_stem
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.natssss import NatsSss
from model_hub.spaces.nds_cells import NdsCells
from model_hub.spaces.nds_stages import ResidualBasic, ResidualBottleneck, StageSpace, Vanilla

if TYPE_CHECKING:
    from model_hub.blocks.cell_network import Stem

__all__ = ["READERS", "Asked", "Reader", "field"]

Located: TypeAlias = tuple[ModelSpace, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader is told besides the architecture.

    Args:
        dataset: What the network was trained on.
        num_labels: Classes of the data set.
        parameters: How many the row has recorded, in millions; None if it has not.
    """

    dataset: str
    num_labels: int
    parameters: object = None


Reader: TypeAlias = Callable[[object, Asked], Located]
"""Reads the fields of a row that say what was trained."""

_CELL_FAMILY: Final = "nas_cell"
_CELL_STEMS: Final[Mapping[str, Stem]] = {"cifar10": "cifar", "imagenet": "imagenet"}
_STAGE_SPACES: Final[Mapping[str, type[StageSpace]]] = {
    space.family: space for space in (Vanilla, ResidualBasic, ResidualBottleneck)
}
_SIDES: Final = "xy"
"""The two inputs of a node."""

_NASBENCH101_OPERATIONS: Final = {
    "conv3x3": CONV3X3,
    "conv1x1": CONV1X1,
    "maxpool": MAXPOOL3X3,
}
"""Operations of the space by their names in the rows."""


def field(item: object, name: str) -> Any:
    """Return a field of an object or an entry of a mapping; None if there is none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _nasbench101(config: object, asked: Asked) -> Located:
    arch = _needed(config, "arch", Mapping)
    sample: dict[str, Any] = {
        "cell/num_nodes": 1 + sum(str(key).startswith("input") for key in arch)
    }
    for key, value in arch.items():
        named = isinstance(value, str)
        sample[f"cell/{key}"] = _NASBENCH101_OPERATIONS.get(value, value) if named else value
    return NasBench101(num_labels=asked.num_labels), sample


def _nasbench201(config: object, asked: Asked) -> Located:
    arch = _architecture(config)
    edges = dict(_edges(arch)) if isinstance(arch, str) else arch
    if not isinstance(edges, Mapping):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither a string nor a dict of edges")
    defaults = NasBench201()
    space = NasBench201(
        stem_out_channels=field(config, "num_channels") or defaults.stem_out_channels,
        num_modules_per_stack=field(config, "num_cells") or defaults.num_modules_per_stack,
        num_labels=asked.num_labels,
    )
    named = {f"cell/{edge}": str(name).removeprefix("nor_") for edge, name in edges.items()}
    return space, named


def _edges(text: str) -> Iterator[tuple[str, str]]:
    """Yield edge and operation of `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
    for target, node in enumerate(text.strip().split("+"), start=1):
        for part in node.strip("|").split("|"):
            name, tilde, source = part.partition("~")
            if not tilde:
                raise InvalidSampleError(None, f"{shown(part)} in {shown(text)} is not op~source")
            yield f"{source}_{target}", name


def _natssss(config: object, asked: Asked) -> Located:
    arch = _architecture(config)
    widths = _numbers(arch) if isinstance(arch, str) else arch
    if not isinstance(widths, Sequence):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither c:c:c:c:c nor a list")
    sample = {f"channels_{layer}": width for layer, width in enumerate(widths)}
    return NatsSss(num_labels=asked.num_labels), sample


def _numbers(text: str) -> list[int]:
    parts = text.strip().split(":")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise InvalidSampleError(None, f"{shown(text)} is not numbers of channels c:c:c:c:c")
    return [int(part) for part in parts]


def _nds(config: object, asked: Asked) -> Located:
    family = _needed(config, "model_family", str)
    spec = _needed(config, "model_spec", Mapping)
    if family == _CELL_FAMILY:
        return _nds_cells(spec, _needed(config, "cell_spec", Mapping), asked)
    if family not in _STAGE_SPACES:
        raise InvalidArgumentError(
            "model_family",
            f"{shown(family)} is not one of {listed([_CELL_FAMILY, *_STAGE_SPACES])}",
        )
    return _nds_stages(_STAGE_SPACES[family], spec, asked)


def _nds_stages(kind: type[StageSpace], spec: Mapping[str, Any], asked: Asked) -> Located:
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
        "num_labels": asked.num_labels,
    }
    if kind is ResidualBottleneck:
        ungrouped = {"num_gs": [1] * len(depths)}
        arguments["multipliers"] = _stages(spec, "bot_muls")[1:]
        arguments["groups"] = _stages(ungrouped | dict(spec), "num_gs")[1:]
    space = kind(**arguments)
    return space if is_small else with_recorded_stem(space, asked.parameters, strides[0]), {}


def _stages(spec: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of the specification, a value a stage, whole numbers as integers."""
    values = _needed(spec, name, Sequence)
    if not values or isinstance(values, str):
        raise InvalidArgumentError("model_spec", f"{name} is {shown(values)}, not a list of values")
    return [_whole(value) for value in values]


def _nds_cells(spec: Mapping[str, Any], cells: Mapping[str, Any], asked: Asked) -> Located:
    space = NdsCells(
        normal=_nds_cell(cells, NORMAL, spec),
        reduce=_nds_cell(cells, REDUCE, spec),
        width=_whole(_needed(spec, "width", int | float)),
        num_cells=_whole(_needed(spec, "depth", int | float)),
        dataset=_CELL_STEMS[asked.dataset],
        num_labels=asked.num_labels,
        auxiliary_loss=bool(spec.get("aux")),
        drop_path_prob=spec.get("drop_prob") or 0.0,
    )
    return space, {}


def _nds_cell(cells: Mapping[str, Any], cell: str, spec: Mapping[str, Any]) -> CellGenotype:
    """Return a cell of `{cell}_{node}_op_x`, `{cell}_{node}_input_x` and so on."""
    name = f"num_nodes_{cell}"
    num_nodes = a_count(name, _whole(_needed(spec, name, int | float)))
    entries = [
        (
            _needed(cells, f"{cell}_{node}_op_{side}", str),
            _whole(_needed(cells, f"{cell}_{node}_input_{side}", int | float)),
        )
        for node in range(num_nodes)
        for side in _SIDES
    ]
    concat = _needed(cells, f"{cell}_concat", Sequence)
    return CellGenotype.from_entries(entries, [_whole(state) for state in concat])


def _architecture(config: object) -> Any:
    arch = field(config, "arch")
    return field(config, "arch_str") if arch is None else arch


def _needed(item: object, name: str, kind: Any) -> Any:
    value = field(item, name)
    if value is None:
        raise InvalidArgumentError(name, "the row lacks it, and the network depends on it")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgumentError(name, f"{shown(value)} is not what a row has there")
    return value


def _whole(value: Any) -> Any:
    """Return a number as an integer where it is one: 16 for 16.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "nasbench101": _nasbench101,
        "nasbench201": _nasbench201,
        "natssss": _natssss,
        "nds": _nds,
    }
)
"""The readers, by benchmark."""
