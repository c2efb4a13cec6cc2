"""The fields of rows: which there are, and how they are read.

A field that no row has is refused, not passed over: it might have made another network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from types import MappingProxyType
from typing import Any, Final, SupportsIndex

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError, nearest, shown

__all__ = ["field", "number", "refuse_unknown_fields", "refuse_unread", "stated_once"]

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
"""Fields of what was trained, by benchmark; as rows have them and as NATS-Bench does."""

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
    """Refuse entries of a dict that nobody reads.

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
