"""From a row of a benchmark to its network.

A row is what a query answers (statistics, curves), its `config`, or the dict of either; it is read
by the names of its fields, so any object that has them will do. Nothing here needs the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from model_hub.arguments import one_of
from model_hub.errors import InvalidArgumentError, UnknownNameError, listed, shown
from model_hub.model_space import ModelSpace
from model_hub.row_readers import READERS, Asked, field

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "locate"]

_NATS: Final = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "imagenet16-120": 120}

_NUM_LABELS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "nasbench101": {"cifar10": 10},
        "nasbench201": _NATS,
        "natssss": _NATS,
        "nds": {"cifar10": 10, "imagenet": 1000},
    }
)
"""Classes of the data sets of each benchmark."""


def build(row: object, arch: object = None, *, dataset: str | None = None) -> nn.Module:
    """Build the network of a row of a benchmark, with new weights.

    It has as many parameters as the row says, and a class for each of the data set. Networks of
    stages for ImageNet, of nds, begin with one of two stems and their rows do not say which: that
    one is built that gives as many parameters as are recorded, so they need the row and not its
    config alone.

        model_hub.build(bench.query_nb201(0, 200, "cifar100")[0])
        model_hub.build("natssss", "8:8:8:16:32", dataset="cifar100")

    Args:
        row: What a query answers, its `config` or the dict of either; or the name of a benchmark:
            nasbench101, nasbench201, natssss or nds.
        arch: With a name, the architecture as a row of that benchmark spells it: what `arch` or
            `arch_str` is there, for nds the whole `config`, or the row. Not an index: only a
            database knows the order of the published list.
        dataset: The data set; that of the row by default.

    Raises:
        InvalidArgumentError: The row lacks what makes a network, or its parameters are those of
            no stem; the message says what.
        InvalidSampleError: Its architecture is not of the benchmark.
        UnknownNameError: There is no such benchmark or operation.
        TooLargeError: The weights do not fit into memory.
    """
    space, sample = locate(row, arch, dataset=dataset)
    return space.freeze(sample)


def locate(
    row: object, arch: object = None, *, dataset: str | None = None
) -> tuple[ModelSpace, dict[str, Any]]:
    """Return the space of a row and its sample there; arguments and errors are those of `build`.

    `space.freeze(sample)` is the network, `space.profile(sample)` counts it.
    """
    named, row = _named(row, arch) if isinstance(row, str) else (None, row)
    config = field(row, "config") or row
    benchmark = named or _benchmark_of(config)
    known = _NUM_LABELS[benchmark]
    given = dataset or field(config, "dataset") or (next(iter(known)) if len(known) == 1 else None)
    if given is None:
        raise InvalidArgumentError("dataset", f"{benchmark} has {listed(known)}; say which")
    name = one_of("dataset", str(given).lower(), tuple(known))
    return READERS[benchmark](config, Asked(name, known[name], field(row, "parameters")))


def _named(benchmark: str, arch: object) -> tuple[str, object]:
    """Return a benchmark and an architecture as a row would have it."""
    if benchmark not in _NUM_LABELS:
        raise UnknownNameError("benchmark", benchmark, _NUM_LABELS)
    if arch is None:
        raise InvalidArgumentError("arch", f"an architecture of {benchmark} is needed")
    return benchmark, arch if benchmark == "nds" else {"arch": arch}


def _benchmark_of(config: object) -> str:
    """Return the benchmark whose rows have such fields."""
    if field(config, "model_spec") is not None:
        return "nds"
    text = field(config, "arch_str")
    if isinstance(text, str):
        return "nasbench201" if "|" in text else "natssss"
    if isinstance(field(config, "arch"), Mapping):
        return "nasbench101"
    raise InvalidArgumentError(
        "row", f"{shown(config)} has no arch_str, model_spec or arch: it is no row of a benchmark"
    )
