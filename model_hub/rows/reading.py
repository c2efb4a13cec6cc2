"""`RowReader`, which converts the fields of a row to a space and a sample, and its helpers.

A row may be any object or mapping that has the fields; a mapping with unknown fields is refused.
The readers of the benchmarks are in the other modules of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Final, SupportsIndex, TypeAlias

from model_hub.arguments import a_count
from model_hub.data_sets import DataSet
from model_hub.errors import InvalidArgumentError, nearest, shown
from model_hub.model_space import ModelSpace

__all__ = [
    "Asked",
    "Located",
    "RowReader",
    "agreed",
    "field",
    "needed",
    "number",
    "of_images",
    "refuse_unread",
    "stated_once",
    "whole",
]

_MEASURED: Final = frozenset(
    {
        *("benchmark", "best_test_acc", "best_train_acc", "best_train_loss", "config"),
        "current_epoch",
        *("final_test_acc", "final_train_acc", "final_train_loss", "flops", "intermediates"),
        *("iter_time", "latency", "num_runs", "ori_test_acc", "ori_test_evaluation_time"),
        "size_source",
        *("ori_test_loss", "parameters", "prec_time", "repeat", "seed", "test_acc"),
        *("test_evaluation_time", "test_loss", "train_acc", "train_loss", "training_time"),
        *("valid_acc", "valid_evaluation_time", "valid_loss"),
    }
)
"""Fields of rows that do not describe the network."""

Located: TypeAlias = tuple[ModelSpace, dict[str, Any]]
"""A space and a sample of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Facts about a row that a reader needs besides the architecture.

    Args:
        dataset: Name of the data set.
        data_set: Its number of classes and image size.
        parameters: Recorded number of parameters in millions, or None.
    """

    dataset: str
    data_set: DataSet
    parameters: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RowReader:
    """The reader of the rows of a benchmark.

    Attributes:
        benchmark: Name of the benchmark.
        datasets: Data sets of the benchmark.
        fields: Fields that describe the network, in rows and in NATS-Bench's objects.
        read: Converts a row to a space and a sample.
        name: The field `name` of NATS-Bench's objects, which do not name the benchmark.
        spelled: Whether the field `arch` alone determines the network.
    """

    benchmark: str
    datasets: tuple[str, ...]
    fields: frozenset[str]
    read: Callable[[object, Asked], Located]
    name: str | None = None
    spelled: bool = True

    def refuse_unknown_fields(self, item: object) -> None:
        """Refuse a dict with a field that rows of the benchmark do not have.

        Raises:
            InvalidArgumentError: A field is unknown; the message suggests the nearest.
        """
        if isinstance(item, Mapping):
            refuse_unread(f"a row of {self.benchmark}", item, self.fields | _MEASURED)

    def refuse_other_kind(self, config: object) -> None:
        """Refuse a NATS-Bench object for another kind of network.

        Raises:
            InvalidArgumentError: The object has another `name`.
        """
        name = field(config, "name")
        if self.name is not None and name not in (None, self.name):
            raise InvalidArgumentError("name", f"{shown(name)} is not {self.name!r}")

    def row(self, arch: object) -> object:
        """Return a row with an architecture, or the argument if it is a row already."""
        if not self.spelled:
            return arch
        is_row = any(field(arch, name) is not None for name in ("config", "arch", "arch_str"))
        if isinstance(arch, Mapping):
            is_row = is_row or not self.fields.isdisjoint(arch)
        return arch if is_row else {"arch": arch}


def field(item: object, name: str) -> Any:
    """Return a field of an object or an entry of a mapping; None if it is missing."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def refuse_unread(what: str, item: Mapping[str, Any], known: frozenset[str] | set[str]) -> None:
    """Refuse a dict with unknown entries.

    Raises:
        InvalidArgumentError: An entry is unknown; the message suggests the nearest.
    """
    for name in item:
        if name not in known:
            near = nearest(name, sorted(known), or_all=False)
            raise InvalidArgumentError(str(name), f"{what} has no such field{near}")


def stated_once(item: object, names: Sequence[str]) -> Any:
    """Return the value of a field that has several names; None if it is missing.

    Raises:
        InvalidArgumentError: Two names have different values.
    """
    stated = {name: value for name in names if (value := field(item, name)) is not None}
    first = next(iter(stated.values()), None)
    for name, value in stated.items():
        if value != first:
            raise InvalidArgumentError(name, f"{shown(value)}, and also {shown(first)}")
    return first


def number(name: str, value: object, *, least: int = 0) -> int | None:
    """Return a value as an int, also from numpy; None for None.

    Raises:
        InvalidArgumentError: The value is not an integer, or less than `least`.
    """
    if value is None:
        return None
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        value = index(value)
    return a_count(name, value, least=least)


def of_images(asked: Asked) -> dict[str, int]:
    """Return the arguments of a space that depend on the data set."""
    return {"num_labels": asked.data_set.num_labels, "image_size": asked.data_set.image_size}


def agreed(
    config: object,
    names: Sequence[str],
    read: Callable[[object], dict[str, Any]],
    *,
    wanted: bool = True,
) -> dict[str, Any]:
    """Return the sample that the named fields describe.

    Raises:
        InvalidArgumentError: All fields are missing although `wanted`, or two fields differ.
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


def needed(item: object, name: str, kind: Any) -> Any:
    """Return a required field of a row.

    Raises:
        InvalidArgumentError: The field is missing or of another type than `kind`.
    """
    value = field(item, name)
    if value is None:
        raise InvalidArgumentError(name, "the row lacks it, and the network depends on it")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgumentError(name, f"{shown(value)} is not what a row has there")
    return value


def whole(value: Any) -> Any:
    """Return a whole number as an int: 16 for 16.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
