"""Tables on the terminal: whatever its width, no value is shortened."""

from __future__ import annotations

import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench_client import BenchClient
from nas_search import Budget, Study, TableProblem
from nas_search.strategies import RandomSearch
from service.cli import commands
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


def left_out(text: str) -> set[str]:
    """Return the fields that a table has no column for."""
    found = re.search(r"by --json:\s(.*)", text, re.DOTALL)
    return set(found[1].replace(",", " ").split()) if found else set()


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
    missing = left_out(text)
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
    assert shown or "omitted here, printed by --json: arch_str" in text


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


TABLES: Final = [
    "hash {cell}",
    "query nasbench101 --num-epochs 108",
    "query nasbench201 0 --num-epochs 200",
    "query natssss 0 --dataset cifar10",
    "query nds --where proposer=amoeba --where limit=8",
    "query hw-nas-bench 0",
    "top nasbench201 --metric test_acc --num-epochs 200 --dataset cifar100",
    "top nasbench101 --metric valid_acc --num-epochs 108",
    "pareto nasbench201 --x test_acc --y flops --num-epochs 200 --dataset cifar10",
    "rank nasbench201 0 --metric test_acc --num-epochs 200 --dataset cifar10",
    "correlation nasbench201 --x test_acc --y flops --num-epochs 200 --dataset cifar10",
    "distribution nasbench201 --metric test_acc --num-epochs 200 --dataset cifar10",
    "random nasbench201 -n 8",
    "neighbors nasbench201 0",
    "study {runs}",
    "search show {study}",
    "keys list",
    "zoo list",
    "zoo info spos",
    "jobs list --url {url}",
    "jobs checkpoints --url {url}",
    "plan show --url {url}",
]
"""A command of each table that is printed."""


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def told(line: str, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """Run `nbs` in this process and return what it prints, on a terminal or into a pipe."""
    out = _Terminal() if terminal else StringIO()
    monkeypatch.setattr(sys, "argv", ["nbs", *line.split(), *([] if terminal else ["--json"])])
    monkeypatch.setattr(sys, "stdout", out)
    assert commands.run() == 0, line
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def numbers_in(value: Any, name: str = "") -> dict[str, set[str]]:
    """Return what a terminal shows of the numbers of a JSON answer, by the field they are in."""
    if isinstance(value, dict):
        parts = [numbers_in(each, field) for field, each in value.items()]
    elif isinstance(value, list):
        parts = [numbers_in(each, name) for each in value]
    else:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {name: {cell(value)}} if is_number and name else {}
    found: dict[str, set[str]] = {}
    for part in parts:
        for field, cells in part.items():
            found.setdefault(field, set()).update(cells)
    return found


@pytest.fixture(scope="module")
def places(directory: Path, job_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the commands are asked about, beside the databases."""
    folder = tmp_path_factory.mktemp("tables")
    with BenchClient.local(directory) as bench:
        problem = TableProblem(bench, "nasbench201", "cifar100", num_epochs=12)
        with Study(folder / "s.study", problem, RandomSearch(seed=0)) as study:
            study.run(Budget(trials=8))
            study.to_run(oracle=problem.optimum()).write(folder / "run.json")
    cell = json.dumps({"op1": "conv3x3", "input1": [0], "input2": [0, 1]}, separators=(",", ":"))
    return {
        "cell": cell,
        "runs": folder / "run.json",
        "study": folder / "s.study",
        "url": job_server.url,
    }


@pytest.mark.filterwarnings("ignore:the numbers of")
@pytest.mark.parametrize("line", TABLES)
def test_every_table_of_a_command_has_whole_numbers_at_every_width(
    line: str, places: dict[str, Any], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCHMARK_DIR", str(directory))
    monkeypatch.setenv("NO_COLOR", "1")
    command = line.format(**places)
    numbers = numbers_in(json.loads(told(command, monkeypatch, terminal=False)))
    for width in (60, 80, 100, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        text = told(command, monkeypatch, terminal=True)
        assert "…" not in text
        title, *lines = text.splitlines()
        # A field that is one long text, such as an address, goes on in the next line.
        rows = [row for row in lines if not re.match(r"  +[^ ].*?  ", row)]
        assert max(map(len, rows), default=0) <= width, title
        words = {word.replace(",", "") for word in re.split(r"[\s%]+|, ", text)}
        hidden = left_out(text)
        shown = {name for name in numbers if re.search(rf"(^|\s){re.escape(name)}(\s|$)", text)}
        for name in shown - hidden:
            assert numbers[name] <= words, (name, width)
