"""Features are what the architectures say, and columns of damaged or empty parts are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from declared_tables import RAW, rows, written_declaration

from benchmark_db.candidates import Candidates
from benchmark_db.catalog import Catalog
from benchmark_db.columns import column, columns, spellings
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.features import product_features
from benchmark_db.nasbench201.architecture import operations_at
from benchmark_db.nasbench201.features import architecture_features
from benchmark_spec import Equal, Product
from generators.declared import generate_table

PARTS = {
    "nasbench101": {"num_epochs": 108},
    "nasbench201": {"num_epochs": 200, "dataset": "cifar10"},
    "natssss": {"num_epochs": 90, "dataset": "cifar10"},
}


@pytest.fixture(scope="module")
def catalog(every_sample: Path) -> Iterator[Catalog]:
    opened = Catalog(every_sample)
    yield opened
    opened.close()


def told(catalog: Catalog, name: str) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """Return the architectures of a part, and its features in the words of their legends."""
    part = PARTS[name]
    items = columns(catalog, name, part)["items"]
    features = {}
    for item in items:
        if item["kind"] not in {"metric", "number"}:
            values = column(catalog, name, part, metric=item["name"]).values.tolist()
            legend = item["legend"]
            features[item["name"]] = [legend[value] if legend else value for value in values]
    numbers = column(catalog, name, part, metric="@number").values.tolist()
    archs = [item["arch"] for item in spellings(catalog, name, {}, numbers=numbers)]
    return [catalog[name].describe(arch) for arch in archs], features


def test_the_operations_of_a_cell_are_those_of_its_string(catalog: Catalog) -> None:
    archs, features = told(catalog, "nasbench201")
    for place, arch in enumerate(archs):
        found = {name.removeprefix("@op."): values[place] for name, values in features.items()}
        assert found.pop("@equal") == ("yes" if len(arch["isomorphic_indices"]) > 1 else "no")
        assert found.pop("@connected") in {"yes", "no"}
        short = {edge: name.replace("nor_", "") for edge, name in found.items()}
        assert short == arch["arch"]


def test_cells_that_carry_nothing_are_not_connected() -> None:
    (connected,) = (f for f in architecture_features() if f.name == "@connected")
    flags = connected.values((), np.arange(15_625))
    for index in range(0, 15_625, 97):
        first, second, third, fourth, fifth, sixth = (o != "none" for o in operations_at(index))
        paths = (fourth, first and fifth, second and sixth, first and third and sixth)
        assert bool(flags[index]) == any(paths)


def test_the_vertices_of_a_graph_are_those_of_its_cell(catalog: Catalog) -> None:
    archs, features = told(catalog, "nasbench101")
    for place, arch in enumerate(archs):
        found = {name: values[place] for name, values in features.items()}
        cell, size = arch["arch"], arch["num_vertices"]
        assert (found["@vertices"], found["@edges"]) == (size, arch["num_edges"])
        for vertex in range(1, 6):
            assert found[f"@op.{vertex}"] == cell.get(f"op{vertex}", "none")
        for target in range(1, 7):
            sources = [s for s in range(target) if found[f"@edge.{s}_{target}"] == "yes"]
            assert sources == cell.get(f"input{target}", [])


def test_the_widths_of_a_size_are_those_of_its_list(catalog: Catalog) -> None:
    archs, features = told(catalog, "natssss")
    for place, arch in enumerate(archs):
        widths = [int(features[f"@op.{layer}"][place]) for layer in range(1, 6)]
        assert widths == arch["arch"]


def test_the_networks_of_nds_have_depth_and_width(catalog: Catalog) -> None:
    items = columns(catalog, "nds", {})["items"]
    legends = {item["name"]: item["legend"] for item in items}
    found = {
        name: column(catalog, "nds", {}, metric=f"@{name}").values.tolist()
        for name in ("model_family", "depth", "width", "number")
    }
    numbers = found.pop("number")
    configs: list[dict[str, Any]] = []
    for part, of_part in Candidates(catalog, "nds", {}).by_part():
        by_number = catalog["nds"].configs_of(part, of_part.tolist())
        configs += [by_number[number] for number in of_part.tolist()]
    assert len(configs) == len(numbers)
    for config, family, depth, width in zip(configs, *found.values(), strict=True):
        spec = config["model_spec"]
        assert legends["@model_family"][family] == config["model_family"]
        assert depth == spec.get("depth", sum(spec.get("ds", ())))
        assert width == spec.get("width", max(spec.get("ws", (0,))))


def test_choices_that_differ_by_place_and_equals_are_features_of_a_product() -> None:
    mixed = Product(length=2, choices=(("a", "b", "c"), ("d", "e")))
    places = product_features(mixed)
    assert [feature.legend for feature in places] == [("a", "b", "c"), ("d", "e")]
    numbers = np.arange(mixed.size)
    chosen = np.stack([feature.values((), numbers) for feature in places], 1).tolist()
    named = [[f.legend[v] for f, v in zip(places, row, strict=True)] for row in chosen]
    assert named == [mixed.names(number)["arch"] for number in range(mixed.size)]
    dropping = Product(
        length=2, choices=("skip", "conv"), equal=Equal(within=((0, 1),), drop="skip")
    )
    *_, equal = product_features(dropping)
    assert equal.values((), np.arange(4)).tolist() == [False, True, True, False]


def test_many_choices_take_more_than_a_byte() -> None:
    wide = Product(length=1, choices=tuple(f"c{n}" for n in range(300)))
    (feature,) = product_features(wide)
    assert feature.type == "int32"
    assert feature.values((), np.arange(300)).tolist() == list(range(300))


def test_what_is_not_recorded_is_nan_and_a_part_without_runs_is_refused(tmp_path: Path) -> None:
    runs = [row for row in rows() if row["data"] == "one"]
    (tmp_path / "runs.csv").write_bytes(RAW["csv"][1](runs))
    declaration = written_declaration(tmp_path, ("complete = true", "complete = false"))
    generate_table(declaration, tmp_path / "runs.csv", tmp_path)
    catalog = Catalog(tmp_path)
    loss = column(catalog, "tiny-table", {"dataset": "one"}, metric="loss").values
    assert np.isnan(loss).tolist() == [True] + [False] * 26
    assert loss[1:].tolist() == [index / 4 for index in range(1, 27)]
    (said,) = (
        item
        for item in columns(catalog, "tiny-table", {"dataset": "one"})["items"]
        if item["name"] == "loss"
    )
    figures = [said[name] for name in ("missing", "smallest", "largest", "distinct")]
    assert figures == [1, 0.25, 6.5, 26]
    for ask in (
        lambda: column(catalog, "tiny-table", {"dataset": "two"}, metric="@number"),
        lambda: columns(catalog, "tiny-table", {"dataset": "two"}),
    ):
        with pytest.raises(InvalidQuestionError, match="there are no runs"):
            ask()
    catalog.close()


def test_a_malformed_filter_is_refused_though_no_part_is_named(catalog: Catalog) -> None:
    with pytest.raises(InvalidQuestionError, match="unknown dataset"):
        columns(catalog, "nasbench201", {"dataset": "mnist"})
    listed = columns(catalog, "nasbench201", {"dataset": "cifar10"})
    assert listed["rows"] is None
    assert {item["missing"] for item in listed["items"]} == {None}
