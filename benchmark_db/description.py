"""What people need to know of a benchmark before they ask it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Description"]


@dataclass(frozen=True, kw_only=True)
class Description:
    """What people need to know of a benchmark before they ask it.

    Attributes:
        name: Name in addresses and file names.
        title: Name in prose.
        citation: The paper.
        licence: Licence of the published data.
        datasets: Names of the data sets, as served.
        budgets: The training budgets of the benchmark, in epochs.
        num_architectures: Size of the whole space; None where too large to count.
        notes: Peculiarities of the data that change how an answer must be read.
    """

    name: str
    title: str
    citation: str
    licence: str
    datasets: tuple[str, ...]
    budgets: tuple[int, ...]
    num_architectures: int | None
    notes: tuple[str, ...] = ()
