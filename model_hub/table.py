"""Tables as plain text, for profiles and evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Column", "text_table"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        title: Heading of the column.
        cells: Text of each row.
        total: Text of the last line.
        numeric: Whether to align the texts to the right.
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
        """Return heading, cells and total, padded to equal width."""
        texts = [self.title, *self.cells, self.total]
        width = max(map(len, texts))
        return [text.rjust(width) if self.numeric else text.ljust(width) for text in texts]


def text_table(columns: Sequence[Column]) -> str:
    """Return a table with two spaces between columns."""
    rows = zip(*(column.lines() for column in columns), strict=True)
    return "\n".join("  ".join(row).rstrip() for row in rows)
