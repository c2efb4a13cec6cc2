"""The size space: real records converted, made-up ones, and what is refused."""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark_db.natssss.benchmark import NatsSss
from benchmark_db.verify import verify_database
from generators import nasbench201
from generators.natssss import generate
from generators.sample.natssss import write_sample
from safe_pickle import ArchiveError

SPLITS = {  # raw-formats.md, section 2: valid, test, ori_test
    "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
    "cifar10": (None, "ori-test", "ori-test"),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "imagenet16-120": ("x-valid", "x-test", "ori-test"),
}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data/natssss/NATS-sss-v1_0-50262-simple"


@pytest.fixture(scope="module")
def real(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsSss]:
    out = tmp_path_factory.mktemp("real")
    generate(folder, out)
    benchmark = NatsSss(out / "natssss.db")
    yield benchmark
    benchmark.close()


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "raw", architectures=2, seed=0)


def items(benchmark: NatsSss, **filters: Any) -> list[dict[str, Any]]:
    return benchmark.computed_stats(filters, include_intermediates=True, limit=1000).items


def rewritten(folder: Path, change: Any) -> None:
    """Change the first record of an archive."""
    path = folder / "000000.pickle.pbz2"
    record = pickle.loads(bz2.decompress(path.read_bytes()))
    change(record)
    path.write_bytes(bz2.compress(pickle.dumps(record)))


def test_architecture_11_has_its_golden_figures(real: NatsSss) -> None:
    # raw-formats.md, section 2b.
    found = items(real, arch="8:8:8:16:32", dataset="cifar10")
    assert {item["config"]["index"] for item in found} == {11}
    for item in found:
        assert item["parameters"] == 0.049202
        assert item["flops"] == 6.84065
        assert round(item["latency"], 7) == 0.0153008


def test_budgets_and_seeds_are_those_of_the_archive(real: NatsSss) -> None:
    found = {
        (item["config"]["num_epochs"], item["seed"]) for item in items(real, arch=0, dataset=None)
    }
    assert found == {(1, 777), (12, 777), (12, 888), (12, 999), (90, 777)}


@pytest.mark.parametrize("index", [0, 11])
def test_no_number_of_the_archive_is_lost(folder: Path, real: NatsSss, index: int) -> None:
    served = {
        (item["config"]["num_epochs"], item["config"]["dataset"], item["seed"]): item
        for item in items(real, arch=index)
    }
    records = pickle.loads(bz2.decompress((folder / f"{index:06d}.pickle.pbz2").read_bytes()))
    for budget, record in records.items():
        epochs = range(int(budget))
        for (dataset, seed), run in record["all_results"].items():
            item = served.pop((int(budget), dataset.lower(), seed))
            last = epochs[-1]
            assert item["train_acc"] == run["train_acc1es"][last]
            for name, split in zip(
                ("valid", "test", "ori_test"), SPLITS[dataset.lower()], strict=True
            ):
                if split is None:
                    assert item[f"{name}_acc"] is item[f"{name}_evaluation_time"] is None
                    continue
                assert item[f"{name}_acc"] == run["eval_acc1es"][f"{split}@{last}"]
                assert item[f"{name}_loss"] == run["eval_losses"][f"{split}@{last}"]
                assert item[f"{name}_evaluation_time"] == run["eval_times"][f"{split}@{last}"]
                curve = [epoch[f"{name}_acc"] for epoch in item["intermediates"]]
                raw = [run["eval_acc1es"][f"{split}@{epoch}"] for epoch in epochs]
                assert curve == pytest.approx(raw, rel=1e-6)
    assert served == {}


def test_the_database_of_the_real_records_is_sound(real: NatsSss) -> None:
    provenance = verify_database(real.database.path)
    assert provenance.contents["runs"] == 40
    assert provenance.contents["architectures_missing"] == 32_766
    assert not provenance.synthetic


def test_the_view_has_the_names_of_the_service(real: NatsSss) -> None:
    sql = (
        'SELECT arch_str, "index", num_epochs, dataset, seed, test_acc FROM computed_stats '
        "WHERE dataset = 'cifar10' AND num_epochs = 1 ORDER BY 2"
    )
    assert [row[:5] for row in real.database.rows(sql)] == [
        ("8:8:8:8:8", 0, 1, "cifar10", 777),
        ("8:8:8:16:32", 11, 1, "cifar10", 777),
    ]


def test_a_made_up_archive_says_so(made_up: Path, tmp_path: Path) -> None:
    assert generate(made_up, tmp_path).synthetic


def test_the_same_seed_makes_the_same_database(tmp_path: Path) -> None:
    digests = {
        generate(
            write_sample(tmp_path / name, architectures=2, seed=seed), tmp_path / name
        ).content_digest
        for name, seed in (("one", 3), ("two", 3), ("three", 4))
    }
    assert len(digests) == 2


def test_a_smaller_sample_leaves_nothing_of_a_larger_one(made_up: Path, tmp_path: Path) -> None:
    assert write_sample(tmp_path / "raw", architectures=1, seed=0) == made_up
    assert generate(made_up, tmp_path).contents["architectures"] == 1


def test_the_other_space_is_refused_by_either_generator(
    made_up: Path, real_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match="32768 architectures that are not the published 15625"):
        nasbench201.generate(made_up, tmp_path / "out")
    with pytest.raises(ArchiveError, match="15625 architectures that are not the published 32768"):
        generate(real_folder, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update({"200": record.pop("90")}), "200 epochs: not a training"),
        (lambda record: record.update({"1": record["01"]}), "a training budget recorded twice"),
        (lambda record: record["12"].update(arch_str="8:8:8:8:16"), "is of '8:8:8:8:16'"),
        (
            lambda record: record["01"]["all_results"]["cifar10", 777].update(epochs=12),
            "a run of 12 epochs among runs of 1",
        ),
        (
            lambda record: record["01"]["all_results"].update({("mnist", 1): {}}),
            r"architecture 0, 1 epochs, mnist seed 1",
        ),
    ],
)
def test_a_malformed_record_is_named_and_leaves_nothing(
    made_up: Path, tmp_path: Path, change: Any, reason: str
) -> None:
    rewritten(made_up, change)
    with pytest.raises(ArchiveError, match=reason):
        generate(made_up, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
