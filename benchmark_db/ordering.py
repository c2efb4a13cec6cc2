"""In which order the runs of an answer come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark_db.errors import InvalidQuestionError, shown

__all__ = ["Order", "sorted_by"]


@dataclass(frozen=True)
class Order:
    """An order in which no two runs are equal.

    Attributes:
        columns: What runs are compared by, in turn.
        descending: Whether the largest comes first, ties included.
        through: A bounded column whose index finds the runs, to be sorted then; without it, an
            index of the order gives them out sorted.
    """

    columns: tuple[str, ...]
    descending: bool = False
    through: str | None = None


def sorted_by(sort: Any, sortable: Sequence[str], key: Sequence[str]) -> Order:
    """Return the order that a caller asks for.

    Args:
        sort: A field, with a leading minus for descending.
        sortable: The fields there are.
        key: Columns that order runs with the same value.

    Raises:
        InvalidQuestionError: There is no such field.
    """
    field = sort.removeprefix("-") if isinstance(sort, str) else ""
    if field not in sortable:
        known = f"known are {', '.join(sortable)}" if sortable else "this benchmark has one order"
        raise InvalidQuestionError("sort", f"cannot sort by {shown(sort)}; {known}")
    return Order((field, *key), descending=sort.startswith("-"))
