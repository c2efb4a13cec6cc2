"""Reads and checks one architecture's record of NAS-Bench-201 or of a NATS-Bench space.

A record holds the runs of one architecture at one training budget by (data set, seed). Each run is
normalised: every curve becomes an array of one value per epoch, from the first to the last, NaN
where the archive has no value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from benchmark_db.errors import shown
from safe_pickle import ArchiveError

__all__ = ["RawRun", "SplitResults", "read_runs"]

_MAX_PERCENT: Final = 100.0
# Sums of float32 batches may exceed 100 slightly: 100.00000001 is in the archive.
_ROUNDING: Final = 1e-3
_MAX_SEED: Final = 2**63 - 1
_LARGEST_AMOUNT: Final = 1e18
"""Most seconds or millions: far above all recorded values, and below overflow in a sum."""
_CURVE_TYPES: Final = frozenset({float, type(None)})


@dataclass(frozen=True, slots=True)
class SplitResults:
    """The recorded results of a run on one split.

    Attributes:
        acc: Top-1 accuracy in percent, float64 of shape (epochs,).
        loss: Cross-entropy, float64 of shape (epochs,).
        seconds: Time of the last evaluation, or of the last training epoch.
    """

    acc: NDArray[np.float64]
    loss: NDArray[np.float64]
    seconds: float | None

    @classmethod
    def absent(cls, num_epochs: int) -> SplitResults:
        """Return the results for a split on which a run was not evaluated."""
        nothing = np.full(num_epochs, np.nan)
        return cls(nothing, nothing, None)


@dataclass(frozen=True, slots=True)
class RawRun:
    """One training run.

    Attributes:
        dataset: Lower-case name.
        seed: The random seed.
        config: The recorded `arch_config`: channel, num_cells, class_num and more.
        parameters: Millions.
        flops: Millions of multiply-adds.
        latency: Seconds, the mean of the recorded measurements; None without measurements.
        train: Results on the training split; `seconds` is the time of one epoch.
        evaluations: Results on the other splits by their recorded name, such as ``x-valid``.
    """

    dataset: str
    seed: int
    config: Mapping[str, Any]
    parameters: float
    flops: float
    latency: float | None
    train: SplitResults
    evaluations: Mapping[str, SplitResults]


def read_runs(record: Any, num_epochs: int, where: str) -> Iterator[RawRun]:
    """Yield the runs of a record.

    Args:
        record: The decoded record.
        num_epochs: The training budget of the record.
        where: Its name in errors.

    Raises:
        ArchiveError: The record is malformed, or a value is impossible.
    """
    results = _field(record, "all_results", dict, where)
    seen = set()
    for key, run in results.items():
        match key:
            case (str(dataset), int(seed)) if type(seed) is int and 0 <= seed <= _MAX_SEED:
                place = f"{where}, {dataset} seed {seed}"
                read = _read_run(run, dataset.lower(), seed, num_epochs, place)
                if (read.dataset, read.seed) in seen:
                    raise ArchiveError(f"{place}: recorded twice")
                seen.add((read.dataset, read.seed))
                yield read
            case _:
                raise ArchiveError(f"{where}: {shown(key)} is not a data set and a seed")


def _read_run(run: Any, dataset: str, seed: int, num_epochs: int, where: str) -> RawRun:
    epochs = _field(run, "epochs", int, where)
    if epochs != num_epochs:
        raise ArchiveError(f"{where}: a run of {epochs} epochs among runs of {num_epochs}")
    names = _field(run, "eval_names", list, where)
    accuracies = _field(run, "eval_acc1es", dict, where)
    losses = _field(run, "eval_losses", dict, where)
    seconds = _times(run, "eval_times", where)
    evaluations = {}
    for name in names:
        keys = _keys(str(name), num_epochs)
        evaluations[str(name)] = SplitResults(
            _accuracies(accuracies, keys, f"{where}, {name}"),
            _curve(losses, keys, f"{where}, {name}"),
            _amount(seconds.get(keys[-1]), f"{where}, evaluation time of {name}"),
        )
    epoch_keys = tuple(range(num_epochs))
    train = SplitResults(
        _accuracies(_field(run, "train_acc1es", dict, where), epoch_keys, f"{where}, training"),
        _curve(_field(run, "train_losses", dict, where), epoch_keys, f"{where}, training"),
        _amount(_times(run, "train_times", where).get(num_epochs - 1), f"{where}, time"),
    )
    return RawRun(
        dataset=dataset,
        seed=seed,
        config=_field(run, "arch_config", dict, where),
        parameters=_required(run, "params", where),
        flops=_required(run, "flop", where),
        latency=_latency(run, where),
        train=train,
        evaluations=evaluations,
    )


@cache
def _keys(split: str, num_epochs: int) -> tuple[str, ...]:
    return tuple(f"{split}@{epoch}" for epoch in range(num_epochs))


def _field(record: Any, name: str, kind: type, where: str) -> Any:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise ArchiveError(f"{where}: no usable {name!r} ({shown(value)})")
    return value


def _times(run: Any, name: str, where: str) -> Mapping[Any, Any]:
    """Return recorded times; archives before v1_1 of NAS-Bench-201 have None or no such field."""
    return {} if run.get(name) is None else cast("dict[Any, Any]", _field(run, name, dict, where))


def _accuracies(
    values: Mapping[Any, Any], keys: tuple[Any, ...], where: str
) -> NDArray[np.float64]:
    curve = _curve(values, keys, where)
    # NaN compares false with everything and passes: it means "not recorded".
    wrong = (curve < -_ROUNDING) | (curve > _MAX_PERCENT + _ROUNDING)
    if wrong.any():
        raise ArchiveError(f"{where}: accuracy {curve[wrong][0]!r} is not a percentage")
    return curve


def _curve(values: Mapping[Any, Any], keys: tuple[Any, ...], where: str) -> NDArray[np.float64]:
    recorded = list(map(values.get, keys))
    if not _CURVE_TYPES.issuperset(map(type, recorded)):
        wrong = next(value for value in recorded if type(value) not in _CURVE_TYPES)
        raise ArchiveError(f"{where}: {shown(wrong)} is not a decimal number")
    return np.array(recorded, dtype=np.float64)


def _amount(value: Any, where: str) -> float | None:
    """Return a non-negative number, None if it is missing or not finite."""
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value < 0 or _LARGEST_AMOUNT < value < math.inf:
        raise ArchiveError(f"{where}: {shown(value)} is not an amount")
    return float(value) if math.isfinite(value) else None


def _required(run: Mapping[str, Any], name: str, where: str) -> float:
    amount = _amount(run.get(name), f"{where}, {name}")
    if amount is None:
        raise ArchiveError(f"{where}: no {name!r}")
    return amount


def _latency(run: Mapping[str, Any], where: str) -> float | None:
    values = run.get("latency") or []
    if not isinstance(values, list):
        raise ArchiveError(f"{where}: latency {shown(values)} is not a list")
    measured = [_amount(value, f"{where}, latency") for value in values]
    recorded = [value for value in measured if value is not None]
    return math.fsum(recorded) / len(recorded) if recorded else None
