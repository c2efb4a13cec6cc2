"""Real records, converted: every golden figure, every raw value, every trap."""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.verify import verify_database
from generators.nasbench201 import generate

WriteArchive = Callable[[Path, dict[str, Any]], Path]

ARCHITECTURES = (0, 11)
SPLITS = {  # raw-formats.md, section 2: valid, test, ori_test
    "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
    "cifar10": (None, "ori-test", "ori-test"),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "imagenet16-120": ("x-valid", "x-test", "ori-test"),
}


@pytest.fixture(scope="module")
def raw(real_folder: Path) -> dict[tuple[int, int, str, int], dict[str, Any]]:
    """Every raw run, read with Python's own pickle, by its key."""
    runs = {}
    for index in ARCHITECTURES:
        data = bz2.decompress((real_folder / f"{index:06d}.pickle.pbz2").read_bytes())
        for budget, record in pickle.loads(data).items():
            for (dataset, seed), run in record["all_results"].items():
                runs[index, int(budget), dataset.lower(), seed] = run
    return runs


def items(benchmark: NasBench201, **filters: Any) -> list[dict[str, Any]]:
    options = {name: filters.pop(name) for name in ("reduction",) if name in filters}
    page = benchmark.computed_stats(filters, include_intermediates=True, limit=1000, **options)
    return page.items


def key(item: dict[str, Any]) -> tuple[int, int, str, int]:
    config = item["config"]
    return config["index"], config["num_epochs"], config["dataset"], item["seed"]


def test_architecture_0_has_its_golden_figures(real: NasBench201) -> None:
    # raw-formats.md, section 2: cifar100, 200 epochs, seed 999.
    (item,) = items(real, arch=0, dataset="cifar100", num_epochs=200, seed=999)
    assert {name: item[name] for name in ("train_acc", "valid_acc", "test_acc")} == {
        "train_acc": pytest.approx(57.82, abs=1e-6),
        "valid_acc": pytest.approx(53.14, abs=1e-6),
        "test_acc": pytest.approx(53.08, abs=1e-6),
    }
    assert item["ori_test_acc"] == pytest.approx(53.11, abs=1e-6)
    assert item["parameters"] == 0.135156
    assert item["flops"] == 15.65322
    assert item["latency"] == pytest.approx(0.0131829, abs=5e-8)


def test_the_other_seeds_have_their_golden_figures(real: NasBench201) -> None:
    found = {
        i["seed"]: i["test_acc"] for i in items(real, arch=0, dataset="cifar100", num_epochs=200)
    }
    assert found == pytest.approx({777: 51.98, 888: 53.68, 999: 53.08}, abs=1e-6)


def test_the_published_means_come_out(real: NasBench201) -> None:
    # ../shared/data/nasbench201/accuracies.csv, architecture 0.
    (valid,) = items(real, arch=0, dataset="cifar10-valid", num_epochs=200, reduction="mean")
    (test,) = items(real, arch=0, dataset="cifar10", num_epochs=200, reduction="mean")
    assert valid["valid_acc"] == pytest.approx(81.982667, abs=1e-6)
    assert test["test_acc"] == pytest.approx(85.863333, abs=1e-6)


def test_every_raw_run_is_there_once(real: NasBench201, raw: dict[Any, Any]) -> None:
    assert sorted(map(key, items(real))) == sorted(raw)


def _splits(run: dict[str, Any], dataset: str) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield each split with a getter of its raw accuracy, loss and seconds at an epoch."""
    for name, split in zip(("valid", "test", "ori_test"), SPLITS[dataset], strict=True):
        columns = (run["eval_acc1es"], run["eval_losses"], run["eval_times"])
        acc, loss, seconds = (
            lambda epoch, column=column, split=split: column.get(f"{split}@{epoch}")
            for column in columns
        )
        yield name, acc, loss, seconds


def test_every_statistic_is_the_raw_double(real: NasBench201, raw: dict[Any, Any]) -> None:
    for item in items(real):
        run, dataset, epochs = raw[key(item)], item["config"]["dataset"], key(item)[1]
        last = epochs - 1
        assert item["train_acc"] == run["train_acc1es"][last]
        assert item["train_loss"] == run["train_losses"][last]
        assert item["parameters"] == run["params"]
        assert item["flops"] == run["flop"]
        assert item["latency"] == (sum(run["latency"]) / len(run["latency"]))
        assert item["training_time"] == run["train_times"][last] * epochs
        assert item["config"]["num_channels"] == run["arch_config"]["channel"]
        assert item["config"]["num_cells"] == run["arch_config"]["num_cells"]
        assert item["config"]["arch_str"] == run["arch_config"]["arch_str"]
        for name, acc, loss, seconds in _splits(run, dataset):
            assert item[f"{name}_acc"] == acc(last)
            assert item[f"{name}_loss"] == loss(last)
            assert item[f"{name}_evaluation_time"] == seconds(last)


def test_every_curve_value_is_within_a_millionth(real: NasBench201, raw: dict[Any, Any]) -> None:
    def near(value: float | None) -> Any:
        return None if value is None else pytest.approx(value, rel=1e-6, abs=0)

    compared = 0
    for item in items(real):
        run, dataset = raw[key(item)], item["config"]["dataset"]
        assert len(item["intermediates"]) == key(item)[1]
        for epoch, found in enumerate(item["intermediates"]):
            assert found["current_epoch"] == epoch + 1
            assert found["train_acc"] == near(run["train_acc1es"][epoch])
            assert found["train_loss"] == near(run["train_losses"][epoch])
            for name, acc, loss, _ in _splits(run, dataset):
                assert found[f"{name}_acc"] == near(acc(epoch))
                assert found[f"{name}_loss"] == near(loss(epoch))
                compared += 2
    assert compared == 6 * (2 * 5 * 12 + 2 * 12 * 200)


def test_cifar10_has_no_validation_split(real: NasBench201) -> None:
    # Trap 2: NNI serves the test accuracy in its place.
    for item in items(real, dataset="cifar10"):
        assert item["valid_acc"] is item["valid_loss"] is item["valid_evaluation_time"] is None
        assert all(epoch["valid_acc"] is None for epoch in item["intermediates"])
        assert item["test_acc"] == item["ori_test_acc"] is not None


def test_latency_is_in_seconds_and_flops_are_millions_counted_once(real: NasBench201) -> None:
    # Trap 3.
    for item in items(real):
        assert 0.005 < item["latency"] < 0.1
        assert 1 < item["flops"] < 200


def test_the_training_time_is_derived_and_the_same_for_every_seed(real: NasBench201) -> None:
    # Trap 4.
    for item in items(real, num_epochs=200, reduction="std"):
        assert item["num_runs"] == 3
        assert item["training_time"] == 0
    assert any("training_time is derived" in note for note in NasBench201.spec.notes)


def test_two_dicts_of_one_content_are_one_architecture(real: NasBench201) -> None:
    # Trap 5.
    edges = items(real, arch=0)[0]["config"]["arch"]
    assert items(real, arch=dict(reversed(edges.items()))) == items(real, arch=edges)


def test_the_same_question_gives_the_same_answer(real: NasBench201) -> None:
    # Trap 10.
    assert items(real, arch=0) == items(real, arch=0)
    assert items(real, arch=0, reduction="mean") == items(real, arch=0, reduction="mean")


def recorded(epoch: dict[str, Any]) -> set[str]:
    names = ("valid", "test", "ori_test")
    found = {name for name in names if epoch[f"{name}_acc"] is not None}
    assert found == {name for name in names if epoch[f"{name}_loss"] is not None}
    return found


ALL = {"valid", "test", "ori_test"}


@pytest.mark.parametrize(
    ("dataset", "num_epochs", "always", "at_the_end"),
    [
        ("cifar10-valid", 12, ALL, ALL),
        ("cifar10", 12, ALL - {"valid"}, ALL - {"valid"}),
        ("cifar100", 12, ALL, ALL),
        ("imagenet16-120", 12, ALL, ALL),
        ("cifar10-valid", 200, {"valid"}, ALL),
        ("cifar10", 200, ALL - {"valid"}, ALL - {"valid"}),
        ("cifar100", 200, {"ori_test"}, ALL),
        ("imagenet16-120", 200, {"ori_test"}, ALL),
    ],
)
def test_each_split_is_null_where_it_was_not_evaluated(
    real: NasBench201, dataset: str, num_epochs: int, always: set[str], at_the_end: set[str]
) -> None:
    # raw-formats.md, section 2.
    for item in items(real, dataset=dataset, num_epochs=num_epochs):
        *before, last = item["intermediates"]
        assert all(recorded(epoch) == always for epoch in before)
        assert recorded(last) == at_the_end
        assert all(epoch["train_acc"] is not None for epoch in item["intermediates"])


def test_both_layouts_of_the_real_records_have_one_digest(
    real: NasBench201, shared: Path, tmp_path: Path
) -> None:
    archive = shared / "data/nasbench201/NAS-Bench-201-v1_1-2archs.pth"
    provenance = generate(archive, tmp_path)
    assert provenance.content_digest == real.provenance.content_digest
    assert provenance.contents == real.provenance.contents
    assert verify_database(tmp_path / "nasbench201.db") == provenance


def test_the_real_records_in_the_oldest_container_have_the_same_digest(
    real: NasBench201,
    real_folder: Path,
    layouts: dict[str, WriteArchive],
    tmp_path: Path,
) -> None:
    names = {"12": "less", "200": "full"}

    def unpacked(name: str) -> Any:
        return pickle.loads(bz2.decompress((real_folder / name).read_bytes()))

    meta = unpacked("meta.pickle.pbz2")
    meta["arch2infos"] = {
        index: {names[k]: v for k, v in unpacked(f"{index:06d}.pickle.pbz2").items()}
        for index in ARCHITECTURES
    }
    for write in (layouts["legacy"], layouts["zip"]):
        provenance = generate(write(tmp_path, meta), tmp_path)
        assert provenance.content_digest == real.provenance.content_digest
