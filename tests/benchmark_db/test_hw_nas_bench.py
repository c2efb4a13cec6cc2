"""Hardware costs: filters, pages, and joining them to NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError
from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import DATASETS, DEVICES, METRICS
from benchmark_db.nasbench201.architecture import arch_dict, arch_str, operations_at


@pytest.fixture(scope="module")
def costs(hardware_database: Path) -> Iterator[HwNasBench]:
    found = HwNasBench(hardware_database)
    yield found
    found.close()


def test_every_metric_is_of_one_device() -> None:
    assert sorted(name for names in DEVICES.values() for name in names) == sorted(METRICS)


def test_wildcards_match_everything_in_the_order_of_the_index(costs: HwNasBench) -> None:
    page = costs.costs({}, limit=5)
    keys = [(item["config"]["index"], item["config"]["dataset"]) for item in page.items]
    assert keys == [(0, name) for name in DATASETS] + [(1, name) for name in DATASETS[:2]]


def test_pages_hold_each_item_once(costs: HwNasBench) -> None:
    filters = {"dataset": "cifar100", "device": "fpga"}
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = costs.costs(filters, limit=1000, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [item["config"]["index"] for item in seen] == list(range(15_625))


def test_every_spelling_of_an_architecture_is_understood(costs: HwNasBench) -> None:
    operations = operations_at(7)
    expected = costs.costs({"arch": 7}).items
    assert len(expected) == 3
    for spelling in ("7", arch_str(operations), arch_dict(operations), list(operations)):
        assert costs.costs({"arch": spelling}).items == expected


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_leaves_its_own_costs(costs: HwNasBench, device: str) -> None:
    (item,) = costs.costs({"arch": 7, "dataset": "CIFAR10", "device": device.upper()}).items
    assert list(item) == ["config", *DEVICES[device]]
    (whole,) = costs.costs({"arch": 7, "dataset": "cifar10"}).items
    assert list(whole) == ["config", *METRICS]
    assert item.items() <= whole.items()


def test_cifar10_valid_costs_what_cifar10_does(costs: HwNasBench) -> None:
    given = costs.costs({"arch": 7, "dataset": "cifar10-valid"})
    assert given == costs.costs({"arch": 7, "dataset": "cifar10"})
    assert given.items[0]["config"]["dataset"] == "cifar10"


@pytest.mark.parametrize(
    ("filters", "field", "reason"),
    [
        ({"dataset": "mnist"}, "dataset", "known are cifar10, cifar100, imagenet16-120"),
        ({"device": "abacus"}, "device", "known are edgegpu, raspi4"),
        ({"device": 3}, "device", "unknown device 3"),
        ({"seed": 3}, "seed", "unknown filter"),
    ],
)
def test_an_unknown_name_is_told_the_known_ones(
    costs: HwNasBench, filters: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidQuestionError, match=reason) as caught:
        costs.costs(filters)
    assert caught.value.field == field


def test_a_malformed_architecture_is_refused(costs: HwNasBench) -> None:
    with pytest.raises(InvalidArchitectureError):
        costs.costs({"arch": "8:8:8:8:8"})


def test_a_cursor_of_another_question_is_refused(costs: HwNasBench) -> None:
    cursor = costs.costs({"device": "fpga"}, limit=1).next_cursor
    for filters in ({}, {"device": "raspi4"}, {"device": "fpga", "dataset": "cifar10"}):
        with pytest.raises(InvalidQuestionError, match="another question"):
            costs.costs(filters, cursor=cursor)


@pytest.mark.parametrize("limit", [0, 1001, True, "5"])
def test_a_limit_out_of_range_is_refused(costs: HwNasBench, limit: Any) -> None:
    with pytest.raises(InvalidQuestionError, match="is not in 1 to 1000"):
        costs.costs({}, limit=limit)
