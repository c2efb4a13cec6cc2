"""Shipped declarations against the real files, which the standard library reads a second time."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from benchmark_db.catalog import Catalog
from benchmark_db.verify import verify_database
from benchmark_spec.declaration import shipped_declarations
from generators.declared import generate_table
from safe_pickle import ArchiveError

GRAPHS: Final = {"cora": 26_206, "citeseer": 26_206, "proteins": 2_021}
OPERATIONS: Final = ("none", "skip_connect", "conv_1x1", "conv_3x3")


def raw_of(shared: Path, *parts: str) -> Path:
    raw = shared.joinpath("data/tables", *parts)
    if not raw.exists():
        pytest.skip("the real records are in ../shared, which is not there")
    return raw


def assert_same(benchmark: Any, archs: Sequence[Any], rows: Sequence[Any], **part: str) -> None:
    """Check that each architecture has one run, of these figures."""
    for start in range(0, len(archs), 10_000):
        found = benchmark.computed_stats_many(archs[start : start + 10_000], part)
        for row, (item,) in zip(rows[start : start + 10_000], found, strict=True):
            assert {name: item[name] for name in row} == row


def test_graph_networks_are_what_their_authors_published(shared: Path, tmp_path: Path) -> None:
    raw = raw_of(shared, "nas-bench-graph")
    provenance = generate_table(shipped_declarations()["nasbenchgraph"], raw, tmp_path)
    assert provenance.contents["architectures"] == 26_206
    assert provenance.contents["runs"] == sum(GRAPHS.values())
    catalog = Catalog(tmp_path)
    benchmark = catalog["nasbenchgraph"]
    for dataset, count in GRAPHS.items():
        published = pickle.loads((raw / f"{dataset}.bench").read_bytes())
        assert len(published) == count
        rows = [
            {
                "valid_perf": record["valid_perf"],
                "test_perf": record["perf"],
                "latency": record["latency"],
                "parameters": record["para"],
            }
            for record in published.values()
        ]
        archs = [[int(digit) for digit in f"{number:05}"] for number in published]
        assert_same(benchmark, archs, rows, dataset=dataset)
    # As the authors write it in their README: Arch([0, 1, 1, 2], ['gcn', 'cheb', 'gin', 'fc']).
    names = benchmark.describe(["0-1-1-2", "gcn", "cheb", "gin", "fc"])
    assert benchmark.describe([6, 1, 3, 2, 7]) == names
    assert len(benchmark.neighbors(names["index"])) == 5 * 8
    catalog.close()


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("transnasbench-micro", "all_benchmarks_zen.zip", 4_096),
        ("transnasbench-macro", "tnb101_macro_zen.zip", 3_256),
    ],
)
def test_figures_by_task_are_what_was_published(
    shared: Path, tmp_path: Path, name: str, file: str, count: int
) -> None:
    raw = raw_of(shared, "transnas", file)
    provenance = generate_table(shipped_declarations()[name], raw, tmp_path)
    assert provenance.contents["architectures"] == count
    assert provenance.contents["runs"] == 7 * count
    published: dict[str, list[Any]] = {}
    with zipfile.ZipFile(raw) as container:
        for member in container.namelist():
            if member.endswith(".json"):
                records = json.loads(container.read(member))
                published.setdefault(member.split("--")[2], []).extend(records)
    catalog = Catalog(tmp_path)
    benchmark = catalog[name]
    assert published.keys() == set(benchmark.spec.axes[0].values)
    for task, records in published.items():
        assert len(records) == count
        rows = [
            {
                "valid_figure": record["val_accuracy"],
                "zen": None if record["zen"]["score"] == -1e8 else record["zen"]["score"],
                "zen_seconds": record["zen"]["time"],
            }
            for record in records
        ]
        archs = [record["arch"] for record in records]
        if name.endswith("micro"):
            archs = [[OPERATIONS[number] for number in json.loads(f"[{a[1:-1]}]")] for a in archs]
        assert_same(benchmark, archs, rows, task=task)
    figure = benchmark.metrics()["valid_figure"]
    units = {task: figure.within({"task": task}).unit for task in published}
    assert units == {
        **dict.fromkeys(("class_scene", "class_object", "jigsaw", "segmentsemantic"), "percent"),
        "normal": "ssim",
        "autoencoder": "ssim",
        "room_layout": "negative loss",
    }
    catalog.close()
    verify_database(tmp_path / f"{name}.db")


def test_a_file_of_a_folder_that_was_changed_is_refused(shared: Path, tmp_path: Path) -> None:
    raw = raw_of(shared, "nas-bench-graph", "proteins.bench")
    published = pickle.loads(raw.read_bytes())
    published[1111]["perf"] += 0.001
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / raw.name).write_bytes(pickle.dumps(published))
    with pytest.raises(ArchiveError, match=r"proteins.bench has SHA-256 .* declaration says"):
        generate_table(shipped_declarations()["nasbenchgraph"], folder, tmp_path)
