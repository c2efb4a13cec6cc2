"""Tables on the terminal: whatever its width, no value is shortened."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.cli.output import print_items

NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
ARCHITECTURE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|none~2|"


def printed(
    items: list[dict[str, Any]],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    print_items(items, "title")
    return capsys.readouterr().out


def cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.integers(1, 12),
    fields=st.integers(1, 14),
    width=st.integers(40, 200),
    draw=st.data(),
)
def test_each_number_that_has_a_column_is_whole(
    rows: int,
    fields: int,
    width: int,
    draw: st.DataObject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    items = [
        {f"field_{rank}": draw.draw(NUMBERS) for rank in range(fields)}
        | {"arch_str": ARCHITECTURE[row:], "index": row}
        for row in range(rows)
    ]
    text = printed(items, width, monkeypatch, capsys)
    assert "…" not in text
    left_out = re.findall(r"by --json: (.*)", text)
    missing = set(left_out[0].split(", ")) if left_out else set()
    words = text.split()
    for item in items:
        for name, value in item.items():
            if name not in missing and name != "arch_str" and value is not None:
                assert cell(value) in words
    assert "index" not in missing
    lines = [line for line in text.splitlines() if "by --json" not in line]
    assert rows == 1 or max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 100, 120])
def test_an_architecture_gives_way_to_its_index(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [
        {
            "rank": rank,
            "test_acc": 70.123 - rank,
            "index": 1000 + rank,
            "arch_str": f"{rank}{'x' * 80}",
        }
        for rank in range(10)
    ]
    text = printed(items, width, monkeypatch, capsys)
    assert "69.123" in text
    assert "1009" in text
    shown = f"9{'x' * 80}" in text
    assert shown == (width >= 120)
    assert shown or "not shown here, but by --json: arch_str" in text


def test_what_looks_like_markup_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [{"name": "[red]a[/red]", "value": 1}, {"name": "[link=x]b[/link]", "value": 2}]
    assert "[link=x]b[/link]" in printed(items, 80, monkeypatch, capsys)


def test_a_text_that_alone_identifies_an_item_is_folded_and_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [{"value": row, "hash": f"{row}" * 60} for row in range(8)]
    text = printed(items, 40, monkeypatch, capsys)
    assert text.count("7") >= 60
