"""The oracle: what it says is what looking at every item says."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from measuring import unmeasured

from benchmark_db import oracle
from benchmark_db.catalog import Catalog
from benchmark_db.errors import (
    InvalidQuestionError,
    UnknownBenchmarkError,
    UnsupportedQuestionError,
)
from benchmark_db.nasbench201.architecture import arch_str, published_order
from benchmark_db.nasbench201.benchmark import TABLES, VIEWS, Architecture, NasBench201, Run
from benchmark_db.nats_bench.tables import Dataset
from benchmark_db.registry import BENCHMARKS, METRICS
from generators.build import DatabaseBuild
from generators.registry import GENERATORS, SAMPLES
from generators.source import Source

CIFAR100 = {"dataset": "cifar100", "num_epochs": 200}


@pytest.fixture(scope="module")
def catalog(hardware_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Everything, made up: forty architectures of each, and the costs of all."""
    folder = tmp_path_factory.mktemp("oracle")
    (folder / hardware_database.name).hardlink_to(hardware_database)
    with unmeasured():
        for name in BENCHMARKS:
            raw = SAMPLES[name](folder / "raw", architectures=40, seed=3)
            GENERATORS[name](raw, folder, progress=lambda *_: None)
    found = Catalog(folder)
    yield found
    found.close()


def items_of(catalog: Catalog, name: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every item, the runs of each configuration as their mean."""
    benchmark = catalog[name]
    known = {field: value for field, value in filters.items() if field in benchmark.filters}
    page = benchmark.computed_stats(known, reduction="mean", limit=1000)
    assert page.next_cursor is None
    return page.items


CASES = [
    ("nasbench101", {"num_epochs": 108}, "test_acc", "training_time"),
    ("nasbench101", {"num_epochs": 4, "dataset": "CIFAR10"}, "training_time", "parameters"),
    ("nasbench201", CIFAR100, "test_acc", "flops"),
    ("nasbench201", {"dataset": "cifar10-valid", "num_epochs": 12}, "valid_loss", "latency"),
    ("natssss", {"dataset": "cifar10", "num_epochs": 90}, "test_acc", "parameters"),
    ("nds", {"dataset": "cifar10"}, "best_test_acc", "flops"),
    ("nds", {"model_family": "nas_cell", "proposer": "amoeba"}, "final_train_loss", "flops"),
]


@pytest.mark.parametrize(("name", "filters", "metric", "_other"), CASES)
def test_top_is_the_sorted_list_of_all(
    catalog: Catalog, name: str, filters: dict[str, Any], metric: str, _other: str
) -> None:
    everything = [item for item in items_of(catalog, name, filters) if item[metric] is not None]
    sign = -1 if METRICS[name][metric].larger_is_better else 1
    expected = sorted(everything, key=lambda item: sign * item[metric])
    found = oracle.top(catalog, name, filters, metric=metric, bounds={}, n=1000)
    assert [item["value"] for item in found] == [item[metric] for item in expected]
    assert [item["rank"] for item in found] == list(range(1, len(expected) + 1))
    assert all(item["metrics"] == {metric: item["value"]} for item in found)
    by_config = {str(item["config"]): item[metric] for item in everything}
    assert all(by_config[str(item["config"])] == item["value"] for item in found)
    few = oracle.top(catalog, name, filters, metric=metric, bounds={}, n=3)
    assert few == found[:3]


@pytest.mark.parametrize(("name", "filters", "metric", "other"), CASES)
def test_bounds_are_kept_on_both_sides(
    catalog: Catalog, name: str, filters: dict[str, Any], metric: str, other: str
) -> None:
    everything = items_of(catalog, name, filters)
    values = sorted(item[other] for item in everything if item[other] is not None)
    low, high = values[len(values) // 4], values[3 * len(values) // 4]
    bounds = {f"min_{other}": low, f"max_{other}": high}
    found = oracle.top(catalog, name, filters, metric=metric, bounds=bounds, n=1000)
    kept = [
        item
        for item in everything
        if item[metric] is not None and item[other] is not None and low <= item[other] <= high
    ]
    assert 0 < len(found) == len(kept)
    assert all(low <= item["metrics"][other] <= high for item in found)


@pytest.mark.parametrize(("name", "filters", "x", "y"), CASES)
def test_the_front_is_what_nothing_dominates(
    catalog: Catalog, name: str, filters: dict[str, Any], x: str, y: str
) -> None:
    signs = [-1 if METRICS[name][metric].larger_is_better else 1 for metric in (x, y)]
    losses = [
        (signs[0] * item[x], signs[1] * item[y], str(item["config"]))
        for item in items_of(catalog, name, filters)
        if item[x] is not None and item[y] is not None
    ]
    expected = {
        config
        for first, second, config in losses
        if not any(a <= first and b <= second and (a < first or b < second) for a, b, _ in losses)
    }
    found = oracle.pareto(catalog, name, filters, x=x, y=y, bounds={})
    assert {str(item["config"]) for item in found} == expected
    ordered = [signs[0] * item["metrics"][x] for item in found]
    assert ordered == sorted(ordered)


def test_equals_are_all_on_the_front_and_come_in_the_order_of_their_numbers(
    catalog: Catalog,
) -> None:
    front = oracle.pareto(
        catalog, "natssss", CIFAR100 | {"num_epochs": 90}, x="flops", y="flops", bounds={}
    )
    top = oracle.top(catalog, "nasbench201", CIFAR100, metric="flops", bounds={}, n=1000)
    smallest = [item for item in top if item["value"] == top[0]["value"]]
    indices = [item["config"]["index"] for item in smallest]
    assert len(front) >= 1
    assert len(indices) > 1
    assert indices == sorted(indices)


@pytest.mark.parametrize(("name", "filters", "metric", "_other"), CASES[:5])
def test_rank_and_regret_agree_with_top(
    catalog: Catalog, name: str, filters: dict[str, Any], metric: str, _other: str
) -> None:
    found = oracle.top(catalog, name, filters, metric=metric, bounds={}, n=1000)
    for item in found[::7]:
        config = item["config"]
        arch = config["hash"] if "hash" in config else config["arch"]
        (standing,) = oracle.rank(catalog, name, filters, arch=arch, metric=metric)
        better = next(one for one in found if one["value"] == item["value"])
        assert standing["rank"] == better["rank"]
        assert standing["of"] == len(found)
        assert standing["best"] == found[0]["value"]
        assert standing["regret"] == abs(item["value"] - found[0]["value"])
        assert standing["config"] == config


def test_an_architecture_without_runs_has_no_rank(catalog: Catalog) -> None:
    assert oracle.rank(catalog, "nasbench201", CIFAR100, arch=15_000, metric="test_acc") == []


@pytest.mark.parametrize("num_epochs", [12, 200])
@pytest.mark.parametrize("lacking", ["valid_acc", "valid_loss", "valid_evaluation_time"])
def test_a_metric_that_a_data_set_never_records_is_refused_with_those_that_it_does(
    catalog: Catalog, lacking: str, num_epochs: int
) -> None:
    part = {"dataset": "cifar10", "num_epochs": num_epochs}
    name, bound = "nasbench201", {f"min_{lacking}": 1.0}
    ask: dict[str, Callable[[], Any]] = {
        "metric": lambda: oracle.top(catalog, name, part, metric=lacking, bounds={}),
        "x": lambda: oracle.pareto(catalog, name, part, x=lacking, y="flops", bounds={}),
        "y": lambda: oracle.pareto(catalog, name, part, x="flops", y=lacking, bounds={}),
        f"min_{lacking}": lambda: oracle.top(catalog, name, part, metric="test_acc", bounds=bound),
    }
    others: list[Callable[[], Any]] = [
        lambda: oracle.rank(catalog, name, part, arch=0, metric=lacking),
        lambda: oracle.rank(catalog, name, part, arch=15_000, metric=lacking),
        lambda: oracle.distribution(catalog, name, part, metric=lacking, bounds={}),
    ]
    says = (
        f"NAS-Bench-201 records no {lacking} of num_epochs {num_epochs}, dataset cifar10; "
        "recorded are train_acc, test_acc, "
    )
    for field, question in (*ask.items(), *(("metric", other) for other in others)):
        with pytest.raises(InvalidQuestionError, match=says) as caught:
            question()
        assert caught.value.field == field


def test_distributions_count_everything_once(catalog: Catalog) -> None:
    values = sorted(item["test_acc"] for item in items_of(catalog, "nasbench201", CIFAR100))
    (found,) = oracle.distribution(
        catalog, "nasbench201", CIFAR100, metric="test_acc", bounds={}, points=1000
    )
    assert found["count"] == len(values)
    assert (found["min"], found["max"]) == (values[0], values[-1])
    assert found["mean"] == pytest.approx(math.fsum(values) / len(values), rel=1e-15)
    assert found["value"] == sorted(set(values))
    assert found["fraction"][-1] == 1.0


def test_costs_on_devices_bound_and_rank_like_any_other_metric(catalog: Catalog) -> None:
    costs = {
        item["config"]["index"]: item["edgegpu_latency"]
        for item in catalog.hardware().costs({"dataset": "cifar100"}, limit=1000).items
    }
    found = oracle.top(
        catalog,
        "nasbench201",
        CIFAR100,
        metric="edgegpu_latency",
        bounds={"min_edgegpu_latency": 2.0, "max_parameters": 1.0},
        n=1000,
    )
    assert found
    for item in found:
        assert item["value"] == costs[item["config"]["index"]] >= 2.0
        assert item["metrics"]["parameters"] <= 1.0


def test_bounds_that_exclude_everything_give_an_empty_answer(catalog: Catalog) -> None:
    bounds = {"max_flops": 0.0}
    assert oracle.top(catalog, "nasbench201", CIFAR100, metric="test_acc", bounds=bounds) == []
    front = oracle.pareto(catalog, "nasbench201", CIFAR100, x="test_acc", y="flops", bounds=bounds)
    assert front == []
    (nothing,) = oracle.distribution(
        catalog, "nasbench201", CIFAR100, metric="test_acc", bounds=bounds
    )
    assert (nothing["count"], nothing["mean"], nothing["value"]) == (0, None, [])


def test_filters_that_leave_no_design_space_are_refused_with_those_that_there_are(
    catalog: Catalog,
) -> None:
    nowhere = {"model_family": "vanilla", "proposer": "amoeba"}
    says = r"no design space has model_family=vanilla, proposer=amoeba; known are \(model_family/"
    with pytest.raises(InvalidQuestionError, match=says) as caught:
        oracle.top(catalog, "nds", nowhere, metric="flops", bounds={"max_flops": 1e9})
    assert caught.value.field == "model_family"
    with pytest.raises(InvalidQuestionError, match=says):
        oracle.pareto(catalog, "nds", nowhere, x="flops", y="flops", bounds={})


def test_a_budget_that_was_never_trained_is_refused(catalog: Catalog) -> None:
    never = {"dataset": "cifar100", "num_epochs": 13}
    with pytest.raises(InvalidQuestionError, match="unknown num_epochs 13; known are 12, 200"):
        oracle.top(catalog, "nasbench201", never, metric="test_acc", bounds={})


@pytest.mark.parametrize(
    ("name", "filters", "options", "field"),
    [
        ("nasbench201", CIFAR100, {"metric": "beauty"}, "metric"),
        ("nasbench201", CIFAR100, {"metric": None}, "metric"),
        ("nasbench201", CIFAR100, {"bounds": {"max_beauty": 1.0}}, "max_beauty"),
        ("nasbench201", CIFAR100, {"bounds": {"most_flops": 1.0}}, "most_flops"),
        ("nasbench201", CIFAR100, {"bounds": {"max_flops": math.nan}}, "max_flops"),
        ("nasbench201", CIFAR100, {"bounds": {"max_flops": "much"}}, "max_flops"),
        ("nasbench201", CIFAR100, {"n": 0}, "n"),
        ("nasbench201", CIFAR100, {"n": 1001}, "n"),
        ("nasbench201", CIFAR100, {"n": True}, "n"),
        ("nasbench201", {"dataset": "cifar100"}, {}, "num_epochs"),
        ("nasbench201", {"num_epochs": 200}, {}, "dataset"),
        ("nasbench201", {"num_epochs": 200, "dataset": "mnist"}, {}, "dataset"),
        ("nasbench101", {"num_epochs": 108, "dataset": "cifar100"}, {}, "dataset"),
        ("nds", {"proposer": "nobody"}, {"metric": "flops"}, "proposer"),
    ],
)
def test_bad_questions_name_their_field(
    catalog: Catalog, name: str, filters: dict[str, Any], options: dict[str, Any], field: str
) -> None:
    question: dict[str, Any] = {"metric": "test_acc", "bounds": {}, **options}
    with pytest.raises(InvalidQuestionError) as caught:
        oracle.top(catalog, name, filters, **question)
    assert caught.value.field == field


def test_networks_trained_in_several_ways_have_no_rank(catalog: Catalog) -> None:
    with pytest.raises(UnsupportedQuestionError, match="several"):
        oracle.rank(catalog, "nds", {}, arch={"model_spec": {}}, metric="flops")
    with pytest.raises(UnsupportedQuestionError, match="too large to list"):
        catalog["nds"].neighbors({"model_spec": {}})


def test_costs_that_are_not_installed_say_how_to_install_them(
    sample_database: Path, tmp_path: Path
) -> None:
    shutil.copy(sample_database, tmp_path)
    catalog = Catalog(tmp_path)
    with pytest.raises(UnknownBenchmarkError, match="nbs generate hw-nas-bench RAW"):
        oracle.top(catalog, "nasbench201", CIFAR100, metric="fpga_energy", bounds={})
    catalog.close()


def test_real_costs_rank_real_architectures(
    real_hardware_database: Path, real_database: Path, tmp_path: Path
) -> None:
    for path in (real_hardware_database, real_database):
        (tmp_path / path.name).hardlink_to(path)
    catalog = Catalog(tmp_path)
    found = oracle.top(
        catalog,
        "nasbench201",
        {"dataset": "cifar10-valid", "num_epochs": 200},
        metric="edgegpu_latency",
        bounds={"min_edgetpu_latency": 0.0},
    )
    catalog.close()
    costs = {item["config"]["index"]: item["metrics"] for item in found}
    # raw-formats.md, section 4; the networks of cifar10-valid are those of cifar10.
    assert costs[0]["edgegpu_latency"] == 5.807418537139893
    assert costs[0]["edgetpu_latency"] == 0.9571811309997429
    assert set(costs) <= {0, 11}


def test_the_published_best_architecture_is_found(shared: Path, tmp_path: Path) -> None:
    """On a table of the published means over seeds: CIFAR-10 at 200 epochs."""
    table = shared / "data/nasbench201/accuracies.csv"
    with table.open(newline="") as file:
        accuracies = [float(row["cifar10_x_valid_200"]) for row in csv.DictReader(file)]
    runs = (
        (index, index, 200, 0, 777, *blank_stats(valid_acc=accuracy), 16, 5)
        for index, accuracy in enumerate(accuracies)
    )
    with DatabaseBuild(tmp_path / "nasbench201.db", NasBench201, TABLES, VIEWS) as build:
        names = [arch_str(operations) for operations in published_order()]
        build.insert(Dataset, [(0, "cifar10-valid")])
        build.insert(Architecture, ((n, name, n) for n, name in enumerate(names)))
        build.insert(Run, runs)
        build.complete(Source("accuracies.csv", 0, ""), {"runs": len(names)}, synthetic=False)
    catalog = Catalog(tmp_path)
    which = {"dataset": "cifar10-valid", "num_epochs": 200}
    (best,) = oracle.top(catalog, "nasbench201", which, metric="valid_acc", bounds={}, n=1)
    catalog.close()
    # raw-formats.md, section 2: best by mean at 200 epochs.
    assert best["config"]["index"] == 6111
    assert round(best["value"], 4) == 91.6067


def blank_stats(**given: float) -> list[float | None]:
    return [given.get(name) for name in NasBench201.stats]
