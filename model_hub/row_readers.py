"""How the rows of each benchmark spell a network: from fields to a space and a sample.

A row may be any object or mapping that has the fields; a mapping with unknown fields is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, TypeAlias

from model_hub.arguments import a_count
from model_hub.cells import CONV1X1, CONV3X3, MAXPOOL3X3, NORMAL, REDUCE, CellGenotype
from model_hub.data_sets import DataSet
from model_hub.errors import InvalidArgumentError, InvalidSampleError, listed, nearest, shown
from model_hub.model_space import ModelSpace
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import NdsCells
from model_hub.spaces.natssss import NatsSss
from model_hub.spaces.nds_stages import (
    ResidualBasic,
    ResidualBottleneck,
    StageSpace,
    Vanilla,
    with_recorded_stem,
)

if TYPE_CHECKING:
    from model_hub.spaces.nasnet_network import Stem

__all__ = [
    "READERS",
    "Asked",
    "Reader",
    "field",
    "number",
    "refuse_unknown_fields",
    "refuse_unread",
    "stated_once",
]

_CONFIGS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "nasbench101": frozenset(
            {"arch", "dataset", "hash", "num_epochs", "num_vertices", "trainable_parameters"}
        ),
        "nasbench201": frozenset(
            {
                *("C", "N", "arch", "arch_str", "channel", "class_num", "dataset", "genotype"),
                *("index", "isomorphic_indices", "name", "num_cells", "num_channels"),
                *("num_classes", "num_epochs", "unique_str"),
            }
        ),
        "natssss": frozenset(
            {
                *("arch", "arch_str", "channels", "class_num", "dataset", "genotype", "index"),
                *("name", "num_classes", "num_epochs"),
            }
        ),
        "nds": frozenset(
            {
                *("base_lr", "cell_spec", "dataset", "generator", "model_family", "model_spec"),
                *("num_epochs", "proposer", "weight_decay"),
            }
        ),
    }
)
"""Fields that describe the network, by benchmark; of rows and of NATS-Bench's own objects."""

_MEASURED: Final = frozenset(
    {
        *("best_test_acc", "best_train_acc", "best_train_loss", "config", "current_epoch"),
        *("final_test_acc", "final_train_acc", "final_train_loss", "flops", "intermediates"),
        *("iter_time", "latency", "num_runs", "ori_test_acc", "ori_test_evaluation_time"),
        "size_source",
        *("ori_test_loss", "parameters", "prec_time", "repeat", "seed", "test_acc"),
        *("test_evaluation_time", "test_loss", "train_acc", "train_loss", "training_time"),
        *("valid_acc", "valid_evaluation_time", "valid_loss"),
    }
)
"""Fields of rows besides those of what was trained."""

Located: TypeAlias = tuple[ModelSpace, dict[str, Any]]


def field(item: object, name: str) -> Any:
    """Return a field of an object or an entry of a mapping; None if there is none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def refuse_unknown_fields(benchmark: str, item: object) -> None:
    """Refuse a dict that has a field which no row of a benchmark has.

    Raises:
        InvalidArgumentError: It has; the message offers the nearest.
    """
    if isinstance(item, Mapping):
        known = _CONFIGS[benchmark] | _MEASURED
        refuse_unread(f"a row of {benchmark}", item, known)


def refuse_unread(what: str, item: Mapping[str, Any], known: frozenset[str] | set[str]) -> None:
    """Refuse a dict that has entries besides the known ones.

    Raises:
        InvalidArgumentError: There is one; the message offers the nearest.
    """
    for name in item:
        if name not in known:
            near = nearest(name, sorted(known), or_all=False)
            raise InvalidArgumentError(str(name), f"{what} has no such field{near}")


def stated_once(item: object, names: Sequence[str]) -> Any:
    """Return what a row says under one of several names for it, None if under none.

    Raises:
        InvalidArgumentError: Two of them say different things.
    """
    stated = {name: value for name in names if (value := field(item, name)) is not None}
    first = next(iter(stated.values()), None)
    for name, value in stated.items():
        if value != first:
            raise InvalidArgumentError(name, f"{shown(value)}, and also {shown(first)}")
    return first


def number(name: str, value: object, *, least: int = 0) -> int | None:
    """Return an integer, numpy's among them; None for None.

    Raises:
        InvalidArgumentError: It is something else, or less.
    """
    if value is None:
        return None
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        value = index(value)
    return a_count(name, value, least=least)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader needs to know besides the architecture.

    Args:
        dataset: Name of what the network was trained on.
        data_set: Its classes and the size of its images.
        parameters: How many the row has recorded, in millions; None if it has not.
    """

    dataset: str
    data_set: DataSet
    parameters: object = None


Reader: TypeAlias = Callable[[object, Asked], Located]
"""Reads the fields of a row that describe the network."""

_CELL_FAMILY: Final = "nas_cell"
_CELL_STEMS: Final[Mapping[str, Stem]] = {"cifar10": "cifar", "imagenet": "imagenet"}
_STAGE_SPACES: Final[Mapping[str, type[StageSpace]]] = {
    space.family: space for space in (Vanilla, ResidualBasic, ResidualBottleneck)
}
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
"""Of a `model_spec`."""

_TOPOLOGY: Final = "infer.tiny"
_SIZE: Final = "infer.shape.tiny"
"""How NATS-Bench names the networks of its two spaces."""

_CHANNELS: Final = ("C", "channel", "num_channels")
_CELLS: Final = ("N", "num_cells")
"""What NATS-Bench, its archives and our rows call them."""

_SIZE_SPACE_CELL: Final = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)

_NASBENCH101_OPERATIONS: Final = {
    "conv3x3": CONV3X3,
    "conv1x1": CONV1X1,
    "maxpool": MAXPOOL3X3,
}
"""Operations of the space by their names in the rows."""


def _nasbench101(config: object, asked: Asked) -> Located:
    arch = _needed(config, "arch", Mapping)
    sample: dict[str, Any] = {
        "cell/num_nodes": 1 + sum(str(key).startswith("input") for key in arch)
    }
    for key, value in arch.items():
        named = isinstance(value, str)
        sample[f"cell/{key}"] = _NASBENCH101_OPERATIONS.get(value, value) if named else value
    return NasBench101(**_of_images(asked)), sample


def _nasbench201(config: object, asked: Asked) -> Located:
    _refuse_other_kind(config, _TOPOLOGY)
    sizes = {
        "stem_out_channels": number("C", stated_once(config, _CHANNELS), least=1),
        "num_modules_per_stack": number("N", stated_once(config, _CELLS), least=1),
    }
    stated = {name: value for name, value in sizes.items() if value is not None}
    space = NasBench201(**stated, **_of_images(asked))
    return space, _agreed(config, ("arch", "arch_str", "genotype"), _topology)


def _topology(arch: object) -> dict[str, Any]:
    """Return the sample of an architecture of NAS-Bench-201: its string, edges, or object."""
    written = getattr(arch, "tostr", None)  # of NATS-Bench's class of cells
    arch = written() if callable(written) else arch
    edges = dict(_edges(arch)) if isinstance(arch, str) else arch
    if not isinstance(edges, Mapping):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither a string nor a dict of edges")
    return {f"cell/{edge}": str(name).removeprefix("nor_") for edge, name in edges.items()}


def _edges(text: str) -> Iterator[tuple[str, str]]:
    """Yield edge and operation of `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
    for target, node in enumerate(text.strip().split("+"), start=1):
        for part in node.strip("|").split("|"):
            name, tilde, source = part.partition("~")
            if not tilde:
                raise InvalidSampleError(None, f"{shown(part)} in {shown(text)} is not op~source")
            yield f"{source}_{target}", name


def _natssss(config: object, asked: Asked) -> Located:
    _refuse_other_kind(config, _SIZE)
    names: tuple[str, ...] = ("arch", "arch_str", "channels")
    if field(config, "channels") is not None:
        # Beside them, these are the cell, which all networks of the space have.
        names = ("channels",)
        cell = _agreed(config, ("genotype", "arch_str"), _topology, wanted=False)
        if cell and cell != _topology(_SIZE_SPACE_CELL):
            raise InvalidArgumentError("genotype", f"all cells of natssss are {_SIZE_SPACE_CELL}")
    space = NatsSss(num_labels=asked.data_set.num_labels, image_size=asked.data_set.image_size)
    return space, _agreed(config, names, _sizes)


def _sizes(arch: object) -> dict[str, Any]:
    """Return the sample of an architecture of the size space: its string or its numbers."""
    widths = _numbers(arch) if isinstance(arch, str) else arch
    if not isinstance(widths, Sequence):
        raise InvalidArgumentError("arch", f"{shown(arch)} is neither c:c:c:c:c nor a list")
    return {f"channels_{layer}": width for layer, width in enumerate(widths)}


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
    return space if is_small else with_recorded_stem(space, asked.parameters, strides[0]), {}


def _stages(spec: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of the specification, a value a stage, whole numbers as integers."""
    values = _needed(spec, name, Sequence)
    if not values or isinstance(values, str):
        raise InvalidArgumentError("model_spec", f"{name} is {shown(values)}, not a list of values")
    return [_whole(value) for value in values]


def _nds_cells(spec: Mapping[str, Any], cells: Mapping[str, Any], asked: Asked) -> Located:
    refuse_unread(f"a model_spec of {_CELL_FAMILY}", spec, _CELL_FIELDS)
    others = {key: value for key, value in cells.items() if not str(key).startswith(_BEGINNINGS)}
    refuse_unread("a cell_spec", others, set())
    space = NdsCells(
        normal=_nds_cell(cells, NORMAL, spec),
        reduce=_nds_cell(cells, REDUCE, spec),
        width=_whole(_needed(spec, "width", int | float)),
        num_cells=_whole(_needed(spec, "depth", int | float)),
        dataset=_CELL_STEMS[asked.dataset],
        num_labels=asked.data_set.num_labels,
        auxiliary_loss=bool(spec.get("aux")),
        drop_path_prob=spec.get("drop_prob") or 0.0,
    )
    return space, {}


def _nds_cell(cells: Mapping[str, Any], cell: str, spec: Mapping[str, Any]) -> CellGenotype:
    """Return a cell of `{cell}_{node}_op_x`, `{cell}_{node}_input_x` and so on."""
    name = f"num_nodes_{cell}"
    num_nodes = a_count(name, _whole(_needed(spec, name, int | float)), most=_MOST_NODES)
    own = {f"{cell}_{n}_{kind}_{s}" for n in range(num_nodes) for kind in _PARTS for s in _SIDES}
    mine = {key: value for key, value in cells.items() if str(key).startswith(f"{cell}_")}
    refuse_unread(f"a {cell} cell of {num_nodes} nodes", mine, own | {f"{cell}_concat"})
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


def _of_images(asked: Asked) -> dict[str, int]:
    """Return the arguments of a space that the data set decides on."""
    return {"num_labels": asked.data_set.num_labels, "image_size": asked.data_set.image_size}


def _refuse_other_kind(config: object, kind: str) -> None:
    """Refuse a configuration of NATS-Bench for another kind of network."""
    name = field(config, "name")
    if name not in (None, kind):
        raise InvalidArgumentError("name", f"{shown(name)} is not {kind!r}")


def _agreed(
    config: object,
    names: Sequence[str],
    read: Callable[[object], dict[str, Any]],
    *,
    wanted: bool = True,
) -> dict[str, Any]:
    """Return the sample that the fields of these names spell.

    Raises:
        InvalidArgumentError: There is none but one is wanted, or two spell different ones.
    """
    given = {name: value for name in names if (value := field(config, name)) is not None}
    if not given and wanted:
        raise InvalidArgumentError(names[0], "the row lacks it, and the network depends on it")
    samples = {name: read(value) for name, value in given.items()}
    first: dict[str, Any] = next(iter(samples.values()), {})
    for name, sample in samples.items():
        if sample != first:
            raise InvalidArgumentError(
                name, f"{shown(given[name])} and {shown(given[next(iter(given))])} are two networks"
            )
    return first


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
