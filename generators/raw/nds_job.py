"""Reads and checks the record of one training job of NDS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmark_db.errors import shown
from benchmark_db.nds.specification import CELLS, without_empty_lists
from benchmark_db.nds.tables import CELL_FAMILY
from safe_pickle import DamagedArchiveError

__all__ = ["SYNTHETIC", "Job", "Network", "read_job"]

SYNTHETIC: Final = "synthetic"
"""Name of a field in jobs with made-up numbers; no published job has it."""

_BLOCKS: Final = {
    "res_bottleneck": "residual_bottleneck",
    "res_basic": "residual_basic",
    "double_plain": "vanilla",
}
"""Prefixes of families, by block type."""

_READ: Final = frozenset(
    {
        *("net", "optim", "rng_seed", "params", "flops", "iter_time", "prec_time"),
        *("train_ep_top1", "test_ep_top1", "train_ep_loss", "min_test_top1", SYNTHETIC),
    }
)
_CONCATS: Final = tuple(f"{cell}_concat" for cell in CELLS)
_INPUTS_OF_NODE: Final = 2
_MOST_EPOCHS: Final = 2**16 - 1
_MOST_SEED: Final = 2**63 - 1
_MOST_COUNT: Final = 2**50
"""Far more than any network needs, and small enough to be exact as a double in millions."""


@dataclass(frozen=True)
class Network:
    """A trained network: its specification as in answers, and its cell as recorded, if any."""

    family: str
    model_spec: dict[str, Any]
    genotype: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training run: errors in percent, times in seconds.

    Attributes:
        network: The trained network.
        base_lr: Learning rate at the start.
        weight_decay: Weight decay.
        num_epochs: Length of the training.
        seed: Random seed.
        parameters: Number of parameters.
        flops: Number of multiply-adds, by the archive's convention.
        iter_time: Seconds per iteration; None when not recorded.
        prec_time: Seconds for computing precise batch statistics; None when not recorded.
        train_error: At each epoch, from 0.
        test_error: At each epoch, from 0.
        train_loss: At each epoch; NaN where it was not a number.
        smallest_test_error: As recorded in addition to the curve; None when not recorded.
        synthetic: Whether the job declares itself as made up.
        unknown: Names of fields that are ignored.
    """

    network: Network
    base_lr: float
    weight_decay: float
    num_epochs: int
    seed: int
    parameters: int
    flops: int
    iter_time: float | None
    prec_time: float | None
    train_error: NDArray[np.float64]
    test_error: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    smallest_test_error: float | None
    synthetic: bool
    unknown: frozenset[str]


def read_job(record: Mapping[str, Any], where: str) -> Job:
    """Decode and check a job.

    Args:
        record: The job as in the archive.
        where: Its name in errors.

    Raises:
        DamagedArchiveError: A field is missing, of the wrong type or out of range, the curves
            differ in length, or the block type is unknown.
    """
    optim = _member(record, "optim", dict, where)
    in_optim = f"{where}, optim"
    num_epochs = _count(optim, "max_ep", in_optim, _MOST_EPOCHS)
    curves = [_curve(record, name, where) for name in ("train_ep_top1", "test_ep_top1")]
    curves.append(_curve(record, "train_ep_loss", where, is_loss=True))
    lengths = [len(curve) for curve in curves]
    if lengths != [num_epochs] * len(curves) or not num_epochs:
        raise DamagedArchiveError(
            f"{where}: max_ep is {num_epochs}, but train_ep_top1, test_ep_top1 and train_ep_loss "
            f"hold {', '.join(map(str, lengths))} values"
        )
    return Job(
        network=_network(_member(record, "net", dict, where), f"{where}, net"),
        base_lr=_positive(optim, "base_lr", in_optim),
        weight_decay=_positive(optim, "wd", in_optim),
        num_epochs=num_epochs,
        seed=_count(record, "rng_seed", where, _MOST_SEED),
        parameters=_count(record, "params", where, _MOST_COUNT),
        flops=_count(record, "flops", where, _MOST_COUNT),
        iter_time=_optional(record, "iter_time", where),
        prec_time=_optional(record, "prec_time", where),
        train_error=curves[0],
        test_error=curves[1],
        train_loss=curves[2],
        smallest_test_error=_optional(record, "min_test_top1", where),
        synthetic=SYNTHETIC in record,
        unknown=frozenset(record.keys() - _READ),
    )


def _network(net: Mapping[str, Any], where: str) -> Network:
    if "genotype" in net:
        return _cell_network(net, where)
    block = _member(net, "block_type", str, where)
    family = next((known for prefix, known in _BLOCKS.items() if block.startswith(prefix)), None)
    if family is None:
        known = ", ".join(f"{prefix}…" for prefix in _BLOCKS)
        raise DamagedArchiveError(f"{where}: unknown block_type {shown(block)}; known are {known}")
    for name in ("ds", "ss", "ws"):
        _counts(net, name, where)
    spec = {name: value for name, value in net.items() if name != "block_type"}
    return Network(family, without_empty_lists(spec), None)


def _cell_network(net: Mapping[str, Any], where: str) -> Network:
    genotype = _member(net, "genotype", dict, where)
    unknown = genotype.keys() - {*CELLS, *_CONCATS}
    if unknown:
        raise DamagedArchiveError(f"{where}: unknown {min(unknown)!r:.80} in genotype")
    nodes = {
        f"num_nodes_{cell}": _cell_nodes(genotype, cell, f"{where}, genotype") for cell in CELLS
    }
    for name in ("depth", "width"):
        _count(net, name, where, _MOST_COUNT)
    _member(net, "aux", bool, where)
    _positive(net, "drop_prob", where)
    spec = {name: value for name, value in net.items() if name != "genotype"}
    return Network(CELL_FAMILY, without_empty_lists(nodes | spec), genotype)


def _cell_nodes(genotype: Mapping[str, Any], cell: str, where: str) -> int:
    """Check a cell and return the number of its nodes, each with two operations and inputs."""
    entries = _member(genotype, cell, list, where)
    if not entries or len(entries) % _INPUTS_OF_NODE:
        raise DamagedArchiveError(
            f"{where}, {cell}: {len(entries)} entries are not two for each node"
        )
    for rank, entry in enumerate(entries):
        place = f"{where}, {cell} {rank}"
        if not isinstance(entry, list) or [type(part) for part in entry] != [str, int]:
            raise DamagedArchiveError(f"{place}: {shown(entry)} is not [operation, input]")
        earlier = rank // _INPUTS_OF_NODE + _INPUTS_OF_NODE
        if not 0 <= entry[1] < earlier:
            raise DamagedArchiveError(
                f"{place}: input {shown(entry[1])} is not in 0 to {earlier - 1}"
            )
    nodes = len(entries) // _INPUTS_OF_NODE
    most = nodes + _INPUTS_OF_NODE - 1
    concat = _counts(genotype, f"{cell}_concat", where)
    if not all(0 <= number <= most for number in concat):
        raise DamagedArchiveError(f"{where}, {cell}_concat: {shown(concat)} is not in 0 to {most}")
    return nodes


def _curve(
    record: Mapping[str, Any], name: str, where: str, *, is_loss: bool = False
) -> NDArray[np.float64]:
    values = _member(record, name, list, where)
    wrong = set(map(type, values)) - {float, int}
    if wrong:
        epoch, value = next((e, v) for e, v in enumerate(values, 1) if type(v) in wrong)
        raise DamagedArchiveError(f"{where}: {name} is {shown(value)} at epoch {epoch}, no number")
    try:
        curve = np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise DamagedArchiveError(f"{where}: {name}: {error}") from error
    if is_loss:
        # A loss beyond the largest number says as little as one that is not a number.
        return np.where(np.isinf(curve), np.nan, curve)
    # Archives of made-up numbers may exceed 100.
    sound = np.isfinite(curve) & (curve >= 0)
    if not sound.all():
        epoch = int(np.argmin(sound))
        raise DamagedArchiveError(
            f"{where}: {name} is {values[epoch]} at epoch {epoch + 1}, no error in percent"
        )
    return curve


def _member(record: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    value = record.get(name)
    if type(value) is not kind:
        found = shown(value) if name in record else "missing"
        raise DamagedArchiveError(f"{where}: {name} is {found}, expected a {kind.__name__}")
    return value


def _counts(record: Mapping[str, Any], name: str, where: str) -> Sequence[int]:
    values: Sequence[int] = _member(record, name, list, where)
    if set(map(type, values)) - {int}:
        raise DamagedArchiveError(f"{where}: {name} is {shown(values)}, no list of whole numbers")
    return values


def _count(record: Mapping[str, Any], name: str, where: str, most: int) -> int:
    value = record.get(name)
    if type(value) is not int or not 0 <= value <= most:
        found = shown(value) if name in record else "missing"
        raise DamagedArchiveError(
            f"{where}: {name} is {found}, expected a whole number from 0 to {most}"
        )
    return value


def _positive(record: Mapping[str, Any], name: str, where: str) -> float:
    value = record.get(name)
    if type(value) not in (int, float) or not 0 <= value < math.inf:  # type: ignore[operator]  # a number
        found = shown(value) if name in record else "missing"
        raise DamagedArchiveError(f"{where}: {name} is {found}, expected a number from 0")
    return float(value)  # type: ignore[arg-type]  # a number


def _optional(record: Mapping[str, Any], name: str, where: str) -> float | None:
    """Return a number, or None if it is missing, null or NaN: not recorded."""
    value = record.get(name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return _positive(record, name, where)
