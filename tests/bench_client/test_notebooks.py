"""What answers show of themselves in notebooks and Python sessions."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from pydantic import Field

from bench_client import BenchClient
from bench_client.frames import Batch, Items
from bench_client.models import WireModel
from bench_client.models.quantities import Percent

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.errors.SyntheticDataWarning")

_ELEMENTS = set("div p b br small table thead tbody tr th td".split())  # noqa: SIM905


class _Item(WireModel):
    name: str = Field(description="<b>bold</b>")
    acc: Percent = None


def parsed(shown: object) -> ET.Element:
    """Return the table that something shows; malformed HTML is an error."""
    html = shown._repr_html_()  # type: ignore[attr-defined]
    return ET.fromstring(  # noqa: S314 - our own
        html.replace("<br>", "<br/>")
    )


def cells(table: ET.Element, row: str) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in found] for found in table.iterfind(row)]


def test_runs_are_a_table_with_units(sample_bench: BenchClient) -> None:
    runs = sample_bench.query_nb201(0, 200, "cifar100")
    table = parsed(runs)
    names, units = cells(table, ".//thead/tr")
    told = dict(zip(names, units, strict=True))
    assert told["test_acc"] == "percent"
    assert told["train_loss"] == "cross-entropy"
    rows = cells(table, ".//tbody/tr")
    assert [row[names.index("test_acc")] for row in rows] == [f"{r.test_acc:.6g}" for r in runs]
    # What all have in common is said once; the operations are in the name of the architecture.
    above = "".join(next(table.iter("p")).itertext())
    assert "num_epochs = 200 epochs" in above
    assert "op_0_1" not in above
    assert "dataset" not in names


def test_a_long_answer_shows_its_beginning(sample_bench: BenchClient) -> None:
    runs = sample_bench.query_nb201(num_epochs=200)
    assert len(runs) > 100
    table = parsed(runs)
    assert len(cells(table, ".//tbody/tr")) == 20
    assert f"the first of {len(runs):,} items" in "".join(table.itertext())
    assert len(repr(runs)) < 5000
    assert repr(runs).endswith(f"… {len(runs):,} of Nb201Stats]")
    assert repr(runs[:2]) == f"[{runs[0]!r}, {runs[1]!r}]"


def test_a_batch_says_which_architecture(sample_bench: BenchClient) -> None:
    found = sample_bench.query_nb201_many(range(3), 200, "cifar10", reduction="mean")
    names, _ = cells(parsed(found), ".//thead/tr")
    assert (names[0], names[-1]) == ("position", "arch_str")


def test_one_answer_shows_its_fields(sample_bench: BenchClient) -> None:
    (curves,) = sample_bench.curves_nb201(0, 12, "cifar10", seed=777)
    told = {row[0]: row[1:] for row in cells(parsed(curves), ".//table/tr")}
    assert told["config.num_epochs"][:2] == ["12", "epochs"]
    assert told["train_acc"][0].endswith("… 12 values")
    assert re.search(r"train_acc=\[.{10,60}, … 12 values\]", repr(curves))
    assert "34 of FieldDescription" in "".join(
        parsed(sample_bench.benchmark("nasbench201")).itertext()
    )


def test_what_is_long_shows_its_beginning(sample_bench: BenchClient) -> None:
    info = sample_bench.benchmark("nasbench201")
    assert len(repr(info)) < 2500
    assert "fields=[34 of FieldDescription]" in repr(info)
    many = sample_bench.query_nb201_many(range(12), 200)
    rows = sum(map(len, many))
    assert repr(many) == f"<12 lists, {rows:,} of Nb201Stats in all>"
    pytest.importorskip("pandas")
    found = sample_bench.benchmarks()
    assert found.to_pandas().name.tolist() == ["nasbench201"]
    columns = sample_bench.columns("nasbench201", dataset="cifar10", num_epochs=200)
    frame = columns.to_pandas()
    assert frame.name.tolist() == [column.name for column in columns.items]


def test_a_completion_shows_what_there_is(sample_bench: BenchClient) -> None:
    (run, *_) = sample_bench.query_nb201(0, 200)
    shown = {name for name in dir(run) if not name.startswith("_")}
    fields = set(type(run).model_fields)
    assert fields < shown
    assert {"model_dump", "model_copy"} <= shown - fields
    assert not shown & {"dict", "json", "schema", "parse_raw", "model_fields", "model_config"}
    assert "benchmark" in dir(run.config)


def test_a_simulation_and_a_picture_show_themselves(sample_bench: BenchClient) -> None:
    simulation = sample_bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
    evaluations = [simulation.evaluate(arch) for arch in range(12)]
    told = {row[0]: row[1:] for row in cells(parsed(evaluations[0]), ".//table/tr")}
    assert told["cost"] == [f"{evaluations[0].cost:.6g}", "seconds"]
    assert "item" not in told
    assert len(repr(evaluations[0])) < 300
    table = parsed(simulation.trajectory)
    assert cells(table, ".//thead/tr") == [["time", "value", "best"], ["seconds", "", ""]]
    assert len(cells(table, ".//tbody/tr")) == 12
    assert repr(simulation.trajectory).endswith("… 12 points of valid_acc)")
    picture = sample_bench.picture("nasbench201", 0)
    assert picture._repr_svg_() == picture
    assert type(picture._repr_svg_()) is str


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "a&b", '"><script>', "x" * 500])
def test_what_a_server_says_stays_text(text: str) -> None:
    items = Items([_Item(name=text), _Item(name="b", acc=1 / 3)], _Item)
    for shown in (items, Batch([items], _Item), items[0]):
        table = parsed(shown)
        assert {element.tag for element in table.iter()} <= _ELEMENTS
        assert text[:100] in "".join(table.itertext())


def test_nothing_is_told_as_nothing() -> None:
    assert Items([], _Item)._repr_html_() == "<p>no _Item</p>"
    assert Batch([[], []], _Item)._repr_html_() == "<p>no _Item</p>"
