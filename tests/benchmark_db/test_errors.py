"""Errors: what they say and what they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db import errors
from benchmark_db.errors import BenchmarkDataError, shown


def _doubled() -> list[Any]:
    """Return two to the 60th lists, of which there are 60."""
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    return value


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        (None, "None"),
        (10**5000, "a int too large to show"),
        ([10**5000], "a list too large to show"),
        (_deep(), "[[[[[...]]]]]"),
        (
            _doubled(),
            "[[[[[...], [...]], [[...], [...]]], [[[...], [...]], [[...], [...]]]], [[[[.....",
        ),
        ("x" * 100, f"'{'x' * 76}..."),
    ],
    ids=["text", "none", "integer", "list", "deep list", "doubled list", "long text"],
)
def test_a_value_is_shown_on_one_short_line(value: Any, text: str) -> None:
    assert shown(value) == text


@given(value=st.text() | st.binary() | st.integers() | st.floats() | st.lists(st.text()))
def test_what_is_shown_is_always_short_and_can_be_printed(value: Any) -> None:
    text = shown(value)
    assert len(text) <= 80
    assert "\n" not in text
    text.encode()


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_every_error_of_the_package_has_one_base(name: str) -> None:
    assert issubclass(getattr(errors, name), BenchmarkDataError)


def test_a_malformed_question_is_a_value_error_and_a_missing_benchmark_a_lookup_error() -> None:
    assert issubclass(errors.InvalidQuestionError, ValueError)
    assert issubclass(errors.UnknownBenchmarkError, LookupError)
    assert issubclass(errors.TimeBudgetExceededError, TimeoutError)
