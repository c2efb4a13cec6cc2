"""From a row of a benchmark to its network.

A row is what a query answers (statistics, curves) or its `config`, which say of which benchmark
they are; the dict of either with the name of the benchmark; or the configuration of a network as
NATS-Bench writes it. It is read by the names of its fields, so any object that has them will do.
Nothing here needs the client.
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
"""What the configurations of NATS-Bench and the records in its archives call them."""


def build(row: object, arch: object = None, *, dataset: str | None = None) -> nn.Module:
    """Build the network of a row of a benchmark, with new weights.

    It has as many parameters as the row says, a class for each of the data set, and in
    `input_shape` the shape of an image of it. Networks of stages for ImageNet, of nds, begin with
    one of two stems and their rows do not say which: that one is built that gives as many
    parameters as are recorded, so they need the row and not its config alone.

        model_hub.build(bench.query_nb201(0, 200, "cifar100")[0])
        model_hub.build("nasbench101", {"op1": "conv3x3", "input1": [0], "input2": [1]})
        model_hub.build("nasbench201", row.model_dump())
        model_hub.build(api.get_net_config(0, "cifar100"))

    Args:
        row: What a query answers, or its `config`; the dict of a network that `get_net_config` of
            NATS-Bench returns, whose C, N, channels and num_classes count; or the name of a
            benchmark (`model_hub.rows.READERS`). A dict may say its benchmark as `benchmark`.
        arch: With a name, a row of the benchmark, its `config` or the dict of either; or the
            architecture as a row spells it: what `arch` or `arch_str` is there. Not an index: only
            a database knows the order of the published list.
        dataset: The data set; that of the row by default, or the one with as many classes as a
            configuration states. For a number that none has, images are as large as CIFAR's.

    Raises:
        InvalidArgumentError: The row lacks what makes a network, has a field that is none of a
            row, contradicts itself, or its parameters are those of no stem; the message says what.
        InvalidSampleError: Its architecture is not of the benchmark.
        UnknownNameError: There is no such benchmark or operation.
        TooLargeError: The weights do not fit into memory.
        ModuleNotFoundError: PyTorch is missing.
    """
    space, sample = locate(row, arch, dataset=dataset)
    return space.freeze(sample)


def locate(
    row: object, arch: object = None, *, dataset: str | None = None
) -> tuple[ModelSpace, dict[str, Any]]:
    """Return the space of a row and its sample there; arguments and errors are those of `build`.

    `space.freeze(sample)` is the network, `space.profile(sample)` counts it for an image of the
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
    """Return the data set of a configuration, by its name or by its classes."""
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
    """Return the reader of a benchmark, and an architecture as a row would have it."""
    reader = named("benchmark", benchmark, READERS)
    if arch is None:
        raise InvalidArgumentError("arch", f"an architecture of {benchmark} is needed")
    return reader, reader.row(arch)


def _reader_of(row: object) -> RowReader:
    """Return the reader of the benchmark that a row says it is of."""
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
        f"{shown(row)} does not say which benchmark it is of: name that first, as in "
        "build('nasbench201', row)",
    )
