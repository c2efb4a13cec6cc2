"""Metrics: figures of runs and costs on devices, by one registry."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench_client.models import fields_of
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError, UnknownBenchmarkError
from benchmark_db.metrics import METRICS, metric_named, metric_values
from generators import hw_nas_bench, nasbench201


@pytest.fixture(scope="module")
def catalog(
    sample_database: Path, hardware_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("metrics")
    for path in (sample_database, hardware_database):
        shutil.copy(path, folder)
    found = Catalog(folder)
    yield found
    found.close()


@pytest.mark.parametrize("benchmark", METRICS)
def test_units_are_those_of_the_wire(benchmark: str) -> None:
    for metric in METRICS[benchmark].values():
        units = {
            field.name: field.unit
            for field in fields_of(metric.lies_in)
            if field.kind == "computed"
        }
        assert metric.unit == units[metric.name], metric


def test_hardware_costs_are_metrics_as_parameters_and_flops_are() -> None:
    metrics = METRICS["nasbench201"]
    assert {"parameters", "flops", "edgegpu_latency", "fpga_energy"} <= metrics.keys()
    assert [name for name in metrics if metrics[name].larger_is_better] == [
        *("train_acc", "valid_acc", "test_acc", "ori_test_acc"),
        "eyeriss_arithmetic_intensity",
    ]


@pytest.mark.parametrize("name", ["test_acc", "valid_loss", "parameters", "training_time"])
def test_values_are_exactly_the_means_over_runs(catalog: Catalog, name: str) -> None:
    metric = metric_named("nasbench201", name)
    values = metric_values(catalog, metric, dataset="CIFAR100", num_epochs=200)
    assert values.shape == (15_625,)
    items = catalog["nasbench201"].computed_stats(
        {"dataset": "cifar100", "num_epochs": 200}, reduction="mean", limit=1000
    )
    means = {item["config"]["index"]: item[name] for item in items.items}
    assert {int(index): values[index] for index in np.flatnonzero(~np.isnan(values))} == means


def test_what_is_not_recorded_is_nan(catalog: Catalog) -> None:
    metric = metric_named("nasbench201", "valid_acc")
    values = metric_values(catalog, metric, dataset="cifar10", num_epochs=200)
    assert np.isnan(values).all()


def test_costs_are_those_of_the_hardware_table(catalog: Catalog) -> None:
    metric = metric_named("nasbench201", "edgetpu_latency")
    values = metric_values(catalog, metric, dataset="cifar10-valid", num_epochs=200)
    assert values.tolist() == pytest.approx(
        metric_values(catalog, metric, dataset="cifar10").tolist(), nan_ok=True
    )
    items = catalog.hardware().costs({"dataset": "cifar10"}, limit=1000).items
    for index, item in enumerate(items):
        cost = item["edgetpu_latency"]
        assert math.isnan(values[index]) if cost is None else values[index] == cost


def test_real_costs_rank_real_architectures(shared: Path, tmp_path: Path) -> None:
    raw = shared / "data"
    hw_nas_bench.generate(raw / "hw-nas-bench/HW-NAS-Bench-v1_0.pickle", tmp_path)
    nasbench201.generate(raw / "nasbench201/NATS-tss-v1_0-3ffb9-simple", tmp_path)
    catalog = Catalog(tmp_path)
    latency = metric_values(
        catalog, metric_named("nasbench201", "edgegpu_latency"), dataset="cifar10"
    )
    accuracy = metric_values(
        catalog, metric_named("nasbench201", "test_acc"), dataset="cifar100", num_epochs=200
    )
    edgetpu = metric_values(
        catalog, metric_named("nasbench201", "edgetpu_latency"), dataset="cifar100"
    )
    catalog.close()
    assert latency[0] == 5.807418537139893  # raw-formats.md, section 4
    assert accuracy[0] == pytest.approx((51.98 + 53.68 + 53.08) / 3)
    assert np.flatnonzero(~np.isnan(accuracy)).tolist() == [0, 11]
    assert np.isnan(edgetpu).sum() == 4699
    assert np.nanmin(edgetpu) > 0


@pytest.mark.parametrize(
    ("name", "dataset", "num_epochs", "field"),
    [
        ("test_acc", None, 200, "dataset"),
        ("test_acc", "cifar10", None, "num_epochs"),
        ("test_acc", "mnist", 200, "dataset"),
        ("fpga_latency", None, None, "dataset"),
        ("fpga_latency", "mnist", None, "dataset"),
    ],
)
def test_what_the_numbers_differ_by_must_be_said(
    catalog: Catalog, name: str, dataset: str | None, num_epochs: int | None, field: str
) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        metric_values(
            catalog, metric_named("nasbench201", name), dataset=dataset, num_epochs=num_epochs
        )
    assert caught.value.field == field


def test_an_unknown_metric_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidQuestionError, match=r"known are .*fpga_energy"):
        metric_named("nasbench201", "beauty")
    with pytest.raises(InvalidQuestionError, match="nasbench301 has none"):
        metric_named("nasbench301", "test_acc")


def test_costs_that_are_not_installed_say_how_to_install_them(
    sample_database: Path, tmp_path: Path
) -> None:
    shutil.copy(sample_database, tmp_path)
    catalog = Catalog(tmp_path)
    with pytest.raises(UnknownBenchmarkError, match="nbs generate hw-nas-bench RAW"):
        metric_values(catalog, metric_named("nasbench201", "fpga_energy"), dataset="cifar10")
    catalog.close()
