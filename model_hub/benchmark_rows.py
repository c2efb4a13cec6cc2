"""`build` and `locate`: from a row of a benchmark to its network.

A row is a query result (statistics, curves) or its `config`, which name their benchmark; the dict
of either with the name of the benchmark; or a network configuration of NATS-Bench. Only the names
of its fields matter, so any object that has them is accepted. The client is not needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from model_hub.arguments import one_of
from model_hub.data_sets import DATA_SETS, DataSet
from model_hub.errors import InvalidArgumentError, listed, named, shown
from model_hub.model_space import ModelSpace
from model_hub.rows import READERS
from model_hub.rows.reading import Asked, RowReader, field, number, stated_once

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build", "locate"]

_CLASSES: Final = ("num_classes", "class_num")
"""Names of the number of classes in NATS-Bench's configurations and in its archives."""


def build(row: object, arch: object = None, *, dataset: str | None = None) -> nn.Module:
    """Build the network of a row of a benchmark, with new weights.

    The network has the recorded number of parameters, the classes of the data set, and the shape of
    its images as `input_shape`. Stage networks of nds for ImageNet begin with one of two stems, and
    their rows do not say which. The stem is chosen by the recorded number of parameters, so these
    need the whole row, not only its config.

        model_hub.build(bench.query_nb201(0, 200, "cifar100")[0])
        model_hub.build("nasbench101", {"op1": "conv3x3", "input1": [0], "input2": [1]})
        model_hub.build("nasbench201", row.model_dump())
        model_hub.build(api.get_net_config(0, "cifar100"))

    Args:
        row: A query result or its `config`; a dict from `get_net_config` of NATS-Bench, of which C,
            N, channels and num_classes are used; or the name of a benchmark
            (`model_hub.rows.READERS`). A dict may name its benchmark as `benchmark`.
        arch: With a name, a row of the benchmark, its `config` or the dict of either; or the
            architecture as in `arch` or `arch_str` of a row. An index is not accepted, because
            only a database knows the order of the published list.
        dataset: The data set; by default that of the row, or the one with as many classes as a
            configuration has. If no data set has that number, images have the size of CIFAR's.

    Raises:
        InvalidArgumentError: The row lacks a needed field, has an unknown one or contradicts
            itself, or its parameters fit no stem; the message says which.
        InvalidSampleError: The architecture is not in the benchmark.
        UnknownNameError: The benchmark or an operation is unknown.
        TooLargeError: The weights do not fit into memory.
        ModuleNotFoundError: PyTorch is missing.
    """
    space, sample = locate(row, arch, dataset=dataset)
    return space.freeze(sample)


def locate(
    row: object, arch: object = None, *, dataset: str | None = None
) -> tuple[ModelSpace, dict[str, Any]]:
    """Return the space and the sample of a row; arguments and errors are those of `build`.

    `space.freeze(sample)` builds the network; `space.profile(sample)` counts it for an image of the
    data set.
    """
    reader, row = _named(row, arch) if isinstance(row, str) else (_reader_of(row), row)
    config = field(row, "config") or row
    for part in (row, config):
        reader.refuse_unknown_fields(part)
    reader.refuse_other_kind(config)
    name, data_set = _data_set(reader, config, dataset)
    return reader.read(config, Asked(name, data_set, field(row, "parameters")))


def _data_set(reader: RowReader, config: object, dataset: str | None) -> tuple[str, DataSet]:
    """Return the data set of a configuration, by its name or its number of classes."""
    known = reader.datasets
    given = dataset or field(config, "dataset") or (known[0] if len(known) == 1 else None)
    classes = number(_CLASSES[0], stated_once(config, _CLASSES), least=1)
    if given is None and classes is None:
        raise InvalidArgumentError("dataset", f"{reader.benchmark} has {listed(known)}; say which")
    if given is None and classes is not None:
        alike = [name for name in known if DATA_SETS[name].num_labels == classes]
        if not alike:
            return known[0], replace(DATA_SETS[known[0]], num_labels=classes)
        given = alike[0]
    name = one_of("dataset", str(given).lower(), known)
    if classes not in (None, DATA_SETS[name].num_labels):
        raise InvalidArgumentError(
            _CLASSES[0], f"{classes}, but {name} has {DATA_SETS[name].num_labels} classes"
        )
    return name, DATA_SETS[name]


def _named(benchmark: str, arch: object) -> tuple[RowReader, object]:
    """Return the reader of a benchmark, and an architecture in the form of a row."""
    reader = named("benchmark", benchmark, READERS)
    if arch is None:
        raise InvalidArgumentError("arch", f"an architecture of {benchmark} is needed")
    return reader, reader.row(arch)


def _reader_of(row: object) -> RowReader:
    """Return the reader of the benchmark that a row names."""
    for item in (row, field(row, "config")):
        stated = field(item, "benchmark")
        if isinstance(stated, str) and stated:
            return named("benchmark", stated, READERS)
    kind = field(row, "name")
    for reader in READERS.values():
        if kind is not None and kind == reader.name:
            return reader
    raise InvalidArgumentError(
        "row",
        f"{shown(row)} does not say which benchmark it is of: pass its name first, as in "
        "build('nasbench201', row)",
    )
