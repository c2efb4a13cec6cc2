"""Answers in pages: what ties a cursor to its question, where a page starts and where it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmark_db.items import Item, Row
from benchmark_db.questions import Page, decode_cursor, encode_cursor, fingerprint

__all__ = ["Paging"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paging:
    """How the answer to one question is cut into pages.

    Attributes:
        question: What the answer depends on, page aside; a cursor is good for nothing else.
        columns: Names of the columns of a row.
        place: Those of them that tell its place in the order of the answer.
        by_number: Whether the first of them may be any number, and not only a whole one.
        limit: Items in a page.
    """

    question: Sequence[Any]
    columns: Sequence[str]
    place: Sequence[str]
    by_number: bool
    limit: int

    def position(self, cursor: Any) -> list[float | str]:
        """Return the place after which a page starts; empty for the first one.

        Raises:
            InvalidQuestionError: It is no cursor, or one of another question.
        """
        if cursor is None:
            return []
        return decode_cursor(cursor, self._mark(), len(self.place), by_number=self.by_number)

    def page(self, items: Iterable[tuple[Row, Item]]) -> Page:
        """Return the page that starts with the first of some items, each behind its first row."""
        # One more than asked for tells whether there is a next page.
        found = list(islice(items, self.limit + 1))
        shown = [item for _, item in found[: self.limit]]
        if len(found) <= self.limit:
            return Page(shown, None)
        last, _ = found[self.limit - 1]
        position = [last[self.columns.index(name)] for name in self.place]
        return Page(shown, encode_cursor(position, self._mark()))

    def _mark(self) -> str:
        # Computed where a cursor is read or written: most answers have neither.
        return fingerprint(*self.question)
