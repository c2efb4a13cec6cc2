"""Tables as plain text, for profiles and evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Column", "text_table"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        title: Its heading.
        cells: Its text, row by row.
        total: Its last line.
        numeric: Whether it is flush right.
    """

    title: str
    cells: Sequence[str]
    total: str = ""
    numeric: bool = False

    @classmethod
    def of_numbers(cls, title: str, numbers: Sequence[int]) -> Column:
        """Return a column of integers with their sum as total."""
        return cls(title, [f"{number:,}" for number in numbers], f"{sum(numbers):,}", numeric=True)

    def lines(self) -> list[str]:
        """Return heading, cells and total, all of one width."""
        texts = [self.title, *self.cells, self.total]
        width = max(map(len, texts))
        return [text.rjust(width) if self.numeric else text.ljust(width) for text in texts]


def text_table(columns: Sequence[Column]) -> str:
    """Return columns side by side, two spaces between them."""
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join("  ".join(row).rstrip() for row in rows)
