"""Metrics: figures of runs and costs on devices, by one registry."""

from __future__ import annotations

import pytest

from bench_client.models import fields_of
from benchmark_db.errors import InvalidQuestionError
from benchmark_db.metrics import metric_named
from benchmark_db.registry import METRICS
from benchmark_spec.published import PUBLISHED


@pytest.mark.parametrize("benchmark", METRICS)
def test_units_are_those_of_the_wire(benchmark: str) -> None:
    for metric in METRICS[benchmark].values():
        units = {
            field.name: field.unit
            for field in fields_of(PUBLISHED[metric.lies_in])
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


def test_an_unknown_metric_is_told_the_nearest_how_many_there_are_and_where() -> None:
    metrics = METRICS["nasbench201"]
    told = rf"there are {len(metrics)}: `nbs info BENCHMARK`, bench.columns"
    with pytest.raises(InvalidQuestionError, match=rf"is it test_acc, ori_test_acc\? {told}"):
        metric_named(metrics, "tset_acc")
    with pytest.raises(InvalidQuestionError, match=rf"'beauty'; {told}"):
        metric_named(metrics, "beauty")
