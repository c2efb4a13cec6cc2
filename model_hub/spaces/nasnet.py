"""The NASNet family: spaces of a normal and a reduction cell.

They differ in their operations, the number of nodes of a cell and the nodes that form its output.
Operations and wiring are those of "On Network Design Spaces for Visual Recognition" (Radosavovic et
al. 2019, arXiv:1905.13214), which samples all five. `NdsCells` builds networks from two given
cells, such as those of NDS rows, whose operations, number of nodes and output may differ from those
of the five spaces.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final

from model_hub.arguments import a_count, a_share, a_switch, one_of
from model_hub.cells import CELLS, NORMAL, OPERATIONS, REDUCE, CellGenotype, Merge, cell_choices
from model_hub.choices import Categorical, Choice, Sample
from model_hub.data_sets import DATA_SETS
from model_hub.errors import InvalidArgumentError, NoSupernetError, UnknownNameError, shown
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing, View

if TYPE_CHECKING:
    from torch import nn

    from model_hub.spaces.nasnet_network import Stem

__all__ = [
    "DARTS",
    "ENAS",
    "PNAS",
    "AmoebaNet",
    "CellNetworkSpace",
    "CellSpace",
    "NASNet",
    "NdsCells",
]

_DATA_SETS: Final = {"cifar": DATA_SETS["cifar10"], "imagenet": DATA_SETS["imagenet"]}
"""The data set of each stem."""
_MOST_CELLS: Final = 1000
_FEWEST_CELLS: Final = 3
"""One cell per stage."""
_NUM_INPUTS: Final = 2
"""Number of inputs of a cell; they are its states before the nodes."""
_READING_TWO_BACK: Final = ("pre0.1.weight", "pre0.conv_1.weight", "pre0.conv_2.weight")
_READING_ONE_BACK: Final = ("pre1.1.weight",)
"""Weights of a cell that read the output of the cell two or one before it."""


@dataclass(frozen=True, kw_only=True)
class CellNetworkSpace(ModelSpace):
    """Base of the spaces whose networks are three stages of normal and reduction cells.

    Args:
        width: Channels of an operation in the first stage, or candidates.
        num_cells: Number of cells, at least 3, or candidates.
        dataset: `cifar` or `imagenet`; it decides the stem and the input shape.
        num_labels: Number of classes; 10 for `cifar` and 1000 for `imagenet` by default.
        auxiliary_loss: Add a second classifier, whose logits are also returned in training.
        drop_path_prob: Probability that the output of an operation is dropped in training; see
            `CellNetwork.set_drop_path` for a schedule.
    """

    width: int | tuple[int, ...] = (16, 24, 32)
    num_cells: int | tuple[int, ...] = (4, 8, 12, 16, 20)
    dataset: Stem = "cifar"
    num_labels: int | None = None
    auxiliary_loss: bool = False
    drop_path_prob: float = 0.0

    @abstractmethod
    def genotype(self, values: Sample, cell: str) -> CellGenotype:
        """Return the cell of a sample; `cell` is `normal` or `reduce`."""

    @abstractmethod
    def _cell_choices(self) -> Iterator[Choice]:
        """Yield the choices of both cells."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an image of the data set."""
        return _DATA_SETS[self.dataset].input_shape

    def _check(self) -> None:
        one_of("dataset", self.dataset, tuple(_DATA_SETS))
        for width in _alternatives("width", self.width):
            a_count("width", width, least=2)
        for num_cells in _alternatives("num_cells", self.num_cells):
            a_count("num_cells", num_cells, least=_FEWEST_CELLS, most=_MOST_CELLS)
        if self.num_labels is not None:
            a_count("num_labels", self.num_labels)
        a_switch("auxiliary_loss", self.auxiliary_loss)
        a_share("drop_path_prob", self.drop_path_prob)

    @property
    def most_blocks(self) -> int:
        """The largest candidate number of cells."""
        return max(self.num_cells) if isinstance(self.num_cells, tuple) else self.num_cells

    def _choices(self) -> SearchSpace:
        sizes = [
            Categorical(label, value)
            for label, value in (("width", self.width), ("depth", self.num_cells))
            if isinstance(value, tuple)
        ]
        return SearchSpace(type(self).__name__, (*sizes, *self._cell_choices()))

    def _network(self, values: Sample) -> nn.Module:
        from model_hub.spaces.nasnet_network import CellNetwork

        return CellNetwork(
            (self.genotype(values, NORMAL), self.genotype(values, REDUCE)),
            width=values.get("width", self.width),
            num_cells=values.get("depth", self.num_cells),
            num_labels=self.num_labels or _DATA_SETS[self.dataset].num_labels,
            stem=self.dataset,
            auxiliary_head=self.auxiliary_loss,
            drop_path_prob=self.drop_path_prob,
        )


class CellSpace(CellNetworkSpace):
    """A space of two searched cells; its subclasses set the three class variables."""

    operations: ClassVar[tuple[str, ...]]
    """Names of the candidates among `CELL_OPERATIONS`, in the order of grid search."""

    num_nodes: ClassVar[int]
    """Number of nodes of each cell."""

    merge: ClassVar[Merge]
    """Which nodes form the output of a cell."""

    def genotype(self, values: Sample, cell: str) -> CellGenotype:
        """Return the cell of a sample; `cell` is `normal` or `reduce`."""
        return CellGenotype.from_sample(values, cell, self.merge)

    @property
    def sharing(self) -> Sharing:
        """Each operation on each earlier state of each node of each cell has separate weights.

        Raises:
            NoSupernetError: The width or the number of cells is a choice.
        """
        for argument in ("width", "num_cells"):
            given = getattr(self, argument)
            if isinstance(given, tuple) and len(given) > 1:
                raise NoSupernetError(
                    f"{type(self).__name__} chooses {argument} of {shown(given)}, and cells share "
                    f"no weights across it: give one, as in {argument}={given[0]}"
                )
        return Sharing()

    def placed(self, values: Sample, name: str) -> tuple[str, View]:
        """Return where the supernet stores a tensor: operations by node, source and name.

        A layer that reads a cell whose output is its unused nodes stores a block for each node.
        """
        stage, place, part, *inside = [*name.split(".")[1:], "", "", ""]
        if name.startswith("stages.") and part == "ops":
            node, k, *rest = filter(None, inside)
            cell, state = _kind(int(stage), int(place)), int(node) + _NUM_INPUTS
            (source,) = values[f"{cell}/input_{state}_{k}"]
            edge = f"stages.{stage}.{place}.edges.{state}_{source}"
            return ".".join((edge, values[f"{cell}/op_{state}_{k}"], *rest)), View()
        read = self._cell_read(values, name)
        if read is None or self.merge == "all":
            return name, View()
        nodes = tuple(state - _NUM_INPUTS for state in self.genotype(values, read).concat)
        return name, View(axis=1, blocks=nodes, of=self.num_nodes)

    def _cell_read(self, values: Sample, name: str) -> str | None:
        """Return the kind of the cell whose output a weight reads; None for other weights."""
        from model_hub.spaces.nasnet_network import stage_sizes

        sizes = stage_sizes(values.get("depth", self.num_cells))
        kinds = [_kind(stage, place) for stage, size in enumerate(sizes) for place in range(size)]
        if name == "classifier.weight":
            return kinds[-1]
        if name == "auxiliary_head.features.2.weight":
            return REDUCE
        if not name.endswith(_READING_TWO_BACK + _READING_ONE_BACK):
            return None
        _, stage, place, *_ = name.split(".")
        back = 2 if name.endswith(_READING_TWO_BACK) else 1
        read = sum(sizes[: int(stage)]) + int(place) - back
        return kinds[read] if read >= 0 else None

    def _cell_choices(self) -> Iterator[Choice]:
        for cell in CELLS:
            yield from cell_choices(cell, self.operations, self.num_nodes)


class NASNet(CellSpace):
    """Cells of NASNet (Zoph et al. 2018, arXiv:1707.07012)."""

    operations = (
        "skip_connect",
        "conv_3x1_1x3",
        "conv_7x1_1x7",
        "dil_conv_3x3",
        "avg_pool_3x3",
        "max_pool_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "conv_1x1",
        "conv_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
    )
    num_nodes = 5
    merge = "loose_end"


class ENAS(CellSpace):
    """Cells of ENAS (Pham et al. 2018, arXiv:1802.03268)."""

    operations = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
    num_nodes = 5
    merge = "loose_end"


class AmoebaNet(CellSpace):
    """Cells of AmoebaNet (Real et al. 2019, arXiv:1802.01548)."""

    operations = (
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "avg_pool_3x3",
        "max_pool_3x3",
        "dil_sep_conv_3x3",
        "conv_7x1_1x7",
    )
    num_nodes = 5
    merge = "loose_end"


class PNAS(CellSpace):
    """Cells of PNAS (Liu et al. 2018, arXiv:1712.00559)."""

    operations = (
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "conv_7x1_1x7",
        "skip_connect",
        "avg_pool_3x3",
        "max_pool_3x3",
        "dil_conv_3x3",
    )
    num_nodes = 5
    merge = "all"


class DARTS(CellSpace):
    """Cells of DARTS (Liu et al. 2019, arXiv:1806.09055).

    The operation `none` is not a candidate: a differentiable search adds it to each edge.
    """

    operations = (
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )
    num_nodes = 4
    merge = "all"


def _kind(stage: int, place: int) -> str:
    """Return the kind of a cell: each stage except the first begins with a reduction cell."""
    return REDUCE if stage and not place else NORMAL


def _alternatives(argument: str, value: object) -> tuple[object, ...]:
    if value == ():
        raise InvalidArgumentError(argument, f"{shown(value)} has nothing to choose from")
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True, kw_only=True)
class NdsCells(CellNetworkSpace):
    """Networks of two given cells; width and depth may be choices.

    Args:
        normal: The normal cell, as a genotype or its dict.
        reduce: The reduction cell, which begins the second and the third stage, likewise.

    Raises:
        InvalidSampleError: A dict does not describe a cell.
        UnknownNameError: An operation is unknown.
    """

    normal: CellGenotype
    reduce: CellGenotype

    def __post_init__(self) -> None:
        for cell in CELLS:
            if isinstance(given := getattr(self, cell), Mapping):
                object.__setattr__(self, cell, CellGenotype.from_dict(given))
        super().__post_init__()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that differ from the defaults, as JSON; cells in the form of `to_dict`."""
        return super().arguments | {cell: getattr(self, cell).to_dict() for cell in CELLS}

    def _check(self) -> None:
        super()._check()
        for cell in CELLS:
            given = getattr(self, cell)
            if not isinstance(given, CellGenotype):
                raise InvalidArgumentError(cell, f"{shown(given)} is not a CellGenotype")
            for name, _ in chain.from_iterable(given.nodes):
                if name not in OPERATIONS:
                    raise UnknownNameError("operation", name, OPERATIONS)
        if min(self.reduce.concat) < self.reduce.num_inputs:
            raise InvalidArgumentError(
                REDUCE, "the output includes an input of the cell, which is larger than its nodes"
            )

    def genotype(self, _: Sample, cell: str) -> CellGenotype:
        """Return the cell `normal` or `reduce`, the same for all samples."""
        genotype: CellGenotype = getattr(self, cell)
        return genotype

    def _cell_choices(self) -> Iterator[Choice]:
        yield from ()
