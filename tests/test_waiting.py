"""What waits in tests: it returns what it saw, and says what it did not see."""

from __future__ import annotations

from itertools import count

import pytest
from waiting import until


def test_what_is_waited_for_is_returned() -> None:
    numbers = count()
    assert until(lambda: next(numbers), lambda number: number > 2, what="3", pause=0) == 3
    assert until(lambda: "seen", what="anything") == "seen"


def test_a_wait_in_vain_says_for_what_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"^the end: not within 0 s; last seen: \['begun'\]$"):
        until(lambda: ["begun"], lambda seen: seen == [], what="the end", patience=0)
    with pytest.raises(AssertionError, match=r"last seen: first .* last$"):
        until(lambda: f"first {'x' * 10_000} last", lambda _: False, what="the end", patience=0)
