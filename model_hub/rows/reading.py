"""How a row of a benchmark is read: from fields by name to a space and a sample.

A row may be any object or mapping that has the fields; a mapping with unknown fields is refused.
Each benchmark's `RowReader` stands in a module of its own beside this one.
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
"""Fields of rows besides those of what was trained."""

Located: TypeAlias = tuple[ModelSpace, dict[str, Any]]
"""A space and a sample of it."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class RowReader:
    """What reads the rows of a benchmark.

    Attributes:
        benchmark: Its name.
        datasets: What its networks were trained on.
        fields: Fields that describe the network, of rows and of NATS-Bench's own objects.
        read: Reads them.
        name: What NATS-Bench's own objects say in place of the benchmark, in their `name`.
        spelled: Whether one field, `arch`, is enough, which may then be given by itself.
    """

    benchmark: str
    datasets: tuple[str, ...]
    fields: frozenset[str]
    read: Callable[[object, Asked], Located]
    name: str | None = None
    spelled: bool = True

    def refuse_unknown_fields(self, item: object) -> None:
        """Refuse a dict that has a field which no row of the benchmark has.

        Raises:
            InvalidArgumentError: It has; the message offers the nearest.
        """
        if isinstance(item, Mapping):
            refuse_unread(f"a row of {self.benchmark}", item, self.fields | _MEASURED)

    def refuse_other_kind(self, config: object) -> None:
        """Refuse an object of NATS-Bench for another kind of network.

        Raises:
            InvalidArgumentError: It is one.
        """
        name = field(config, "name")
        if self.name is not None and name not in (None, self.name):
            raise InvalidArgumentError("name", f"{shown(name)} is not {self.name!r}")

    def row(self, arch: object) -> object:
        """Return an architecture as a row has it, unless it is one."""
        if not self.spelled:
            return arch
        is_row = any(field(arch, name) is not None for name in ("config", "arch", "arch_str"))
        if isinstance(arch, Mapping):
            is_row = is_row or not self.fields.isdisjoint(arch)
        return arch if is_row else {"arch": arch}


def field(item: object, name: str) -> Any:
    """Return a field of an object or an entry of a mapping; None if there is none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


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


def of_images(asked: Asked) -> dict[str, int]:
    """Return the arguments of a space that the data set decides on."""
    return {"num_labels": asked.data_set.num_labels, "image_size": asked.data_set.image_size}


def agreed(
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


def needed(item: object, name: str, kind: Any) -> Any:
    """Return a field that a row must have.

    Raises:
        InvalidArgumentError: It lacks it, or has something else than this kind there.
    """
    value = field(item, name)
    if value is None:
        raise InvalidArgumentError(name, "the row lacks it, and the network depends on it")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgumentError(name, f"{shown(value)} is not what a row has there")
    return value


def whole(value: Any) -> Any:
    """Return a number as an integer where it is one: 16 for 16.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
