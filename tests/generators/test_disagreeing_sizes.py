"""Sizes on which the runs of an architecture disagree: counted wherever runs are taken together."""

from __future__ import annotations

import copy
import csv
import io
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bench_client import BenchClient
from benchmark_db.benchmark import Benchmark
from benchmark_db.digests import content_digest, seal
from benchmark_db.errors import UnusableDatabaseError
from benchmark_db.nasbench201.architecture import arch_str, operations_at, parse
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.nats_bench.network_size import size_of_topology, size_of_widths
from benchmark_db.natssss.architecture import channels_at
from benchmark_db.verify import verify_database
from generators.nasbench201 import generate
from generators.natssss import generate as generate_sizes
from model_hub.data_sets import DATA_SETS
from model_hub.spaces import NasBench201 as TopologySpace
from model_hub.spaces import NatsSss as SizeSpace

EXAMPLE: Final = (
    "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
SIZES: Final = {  # of the example; NATS-Bench issue 36 has the one on cifar10
    "cifar10-valid": (0.802426, 113.95137),
    "cifar10": (0.802426, 113.95137),
    "cifar100": (0.808276, 113.95722),
    "imagenet16-120": (0.809576, 28.49548),
}
WRONG: Final = (0.316346, 40.0)
SEEDS: Final = (777, 888, 999)

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

Change = Callable[[int, str, int], tuple[float, float]]


def archive(content: dict[str, Any], sizes: dict[int, Change]) -> dict[str, Any]:
    """Return an archive of architectures at both budgets with all seeds, and sizes of these."""
    budgets = content["arch2infos"][0]
    infos = {}
    for index, size_of in sizes.items():
        infos[index] = copy.deepcopy(budgets)
        for name, epochs in (("less", 12), ("full", 200)):
            record = infos[index][name]
            record |= {"arch_index": index, "arch_str": arch_str(operations_at(index))}
            results = {dataset: run for (dataset, _), run in record["all_results"].items()}
            record["all_results"] = {
                (dataset, seed): {
                    **run,
                    "seed": str(seed),
                    "arch_config": {**run["arch_config"], "arch_str": record["arch_str"]},
                    **dict(zip(("params", "flop"), size_of(epochs, dataset, seed), strict=True)),
                }
                for dataset, run in results.items()
                for seed in SEEDS
            }
    return {**content, "arch2infos": infos, "evaluated_indexes": set(infos)}


def one_of_three_is_wrong(epochs: int, dataset: str, seed: int) -> tuple[float, float]:
    return WRONG if (epochs, seed) == (200, 888) else SIZES[dataset.lower()]


def agreed(_: int, dataset: str, seed: int) -> tuple[float, float]:
    del dataset, seed
    return 0.5, 70.0


@pytest.fixture(scope="module")
def folder(
    pickled_content: bytes,
    layouts: dict[str, Callable[..., Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the database of disagreeing runs; not to be written to."""
    folder = tmp_path_factory.mktemp("disagreeing")
    content = pickle.loads(pickled_content)
    made = archive(content, {0: agreed, parse(EXAMPLE): one_of_three_is_wrong})
    generate(layouts["zip"](folder, made), folder)
    return folder


@pytest.fixture
def bench(folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(folder) as client:
        yield client


@pytest.mark.parametrize("reduction", ["mean", "min", "max", "std"])
@pytest.mark.parametrize("num_epochs", [12, 200])
@pytest.mark.parametrize("dataset", SIZES)
def test_reduced_items_have_the_size_of_the_network_and_say_so(
    bench: BenchClient, dataset: str, num_epochs: int, reduction: Any
) -> None:
    question: dict[str, Any] = {
        "num_epochs": num_epochs,
        "dataset": dataset,
        "reduction": reduction,
    }
    (item,) = bench.query("nasbench201", EXAMPLE, **question)
    (batch,) = bench.query_nb201_many([EXAMPLE], **question)
    assert batch == [item]
    expected = (0.0, 0.0) if reduction == "std" else SIZES[dataset]
    assert (item.parameters, item.flops, item.size_source) == (*expected, "counted")
    (other,) = bench.query("nasbench201", 0, **question)
    assert other.size_source == "recorded"
    assert other.parameters == (0.0 if reduction == "std" else 0.5)


def test_runs_keep_what_they_recorded(bench: BenchClient) -> None:
    runs = bench.query("nasbench201", EXAMPLE, num_epochs=200, dataset="cifar10")
    assert [run.parameters for run in runs] == [0.802426, WRONG[0], 0.802426]
    assert {run.size_source for run in runs} == {"recorded"}


def test_questions_that_compare_architectures_go_by_the_size_of_the_network(
    bench: BenchClient,
) -> None:
    part = {"dataset": "cifar10", "num_epochs": 200}
    best = bench.top("nasbench201", metric="parameters", **part)
    assert [one.value for one in best] == [0.5, 0.802426]
    assert [one.size_source for one in best] == ["recorded", "counted"]
    # The mean over its runs would be 0.6403993.
    assert len(bench.top("nasbench201", metric="parameters", max_parameters=0.7, **part)) == 1
    assert len(bench.top("nasbench201", metric="flops", min_flops=113.9, **part)) == 1
    front = bench.pareto("nasbench201", x="parameters", y="flops", **part)
    assert [one.size_source for one in front] == ["recorded"]
    standing = bench.rank("nasbench201", EXAMPLE, metric="parameters", **part)
    assert standing is not None
    assert (standing.value, standing.rank, standing.size_source) == (0.802426, 2, "counted")
    (spread,) = bench.distribution("nasbench201", metric="flops", **part)
    assert spread.max == 113.95137
    accuracies = bench.top("nasbench201", metric="test_acc", **part)
    assert {one.size_source for one in accuracies} == {"recorded"}


def test_a_simulated_search_sees_the_size_of_the_network(bench: BenchClient) -> None:
    clock = bench.simulate("nasbench201", "cifar100", 200, budget=1e9, metric="parameters")
    assert clock.evaluate(EXAMPLE).value == 0.808276


@pytest.mark.parametrize("reduction", [None, "mean", "std"])
def test_exports_have_the_size_of_the_network_where_they_reduce(
    bench: BenchClient, reduction: Any
) -> None:
    file = io.BytesIO()
    bench.export_to(
        file,
        "nasbench201",
        format="csv",
        reduction=reduction,
        arch=EXAMPLE,
        dataset="cifar10",
        num_epochs=200,
    )
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode())))
    sizes = [(float(row["parameters"]), row.get("size_source")) for row in rows]
    expected = {
        None: [(size, None) for size in (0.802426, WRONG[0], 0.802426)],
        "mean": [(0.802426, "counted")],
        "std": [(0.0, "counted")],
    }
    assert sizes == expected[reduction]


def test_only_what_runs_disagree_on_is_counted(
    content: dict[str, Any], layouts: dict[str, Callable[..., Path]], tmp_path: Path
) -> None:
    def only_flops(_: int, dataset: str, seed: int) -> tuple[float, float]:
        return 0.7, float(seed) if dataset == "cifar100" else 70.0

    generate(layouts["folder"](tmp_path, archive(content, {3: only_flops})), tmp_path)
    with BenchClient.local(tmp_path) as client:
        items = client.query("nasbench201", 3, num_epochs=12, reduction="mean")
    size = size_of_topology(operations_at(3), 2, num_channels=16, num_cells=5)
    assert [(item.parameters, item.flops, item.size_source) for item in items] == [
        (0.7, 70.0, "recorded"),
        (0.7, 70.0, "recorded"),
        (0.7, size.in_millions()[1], "counted"),
        (0.7, 70.0, "recorded"),
    ]


def test_a_database_of_disagreeing_runs_is_proven(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(folder / "nasbench201.db", tmp_path))
    provenance = verify_database(path)
    assert provenance.contents["sizes_counted"] == 8
    benchmark = NasBench201(path)
    assert content_digest(benchmark.all_rows()) == provenance.content_digest
    benchmark.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE counted_size SET parameters = 0.64 WHERE dataset = 1")
    connection.close()
    with path.open("r+b") as file:
        seal(file.fileno())
    with pytest.raises(UnusableDatabaseError, match="its computed sizes are not those of its runs"):
        verify_database(path)


def test_the_real_records_agree_with_the_count(real: Benchmark) -> None:
    items = real.computed_stats({}, limit=1000).items
    assert len(items) > 20
    for item in items:
        config = item["config"]
        size = size_of_topology(
            operations_at(config["index"]),
            list(SIZES).index(config["dataset"]),
            num_channels=16,
            num_cells=5,
        )
        assert (item["parameters"], item["flops"]) == size.in_millions()


@pytest.mark.parametrize("index", [0, 11, 284, 15_474, 15_624, 857])
@pytest.mark.parametrize(("dataset", "name"), list(enumerate(SIZES)))
def test_topologies_are_counted_as_the_networks_are(index: int, dataset: int, name: str) -> None:
    images = DATA_SETS[name]
    space = TopologySpace(num_labels=images.num_labels, image_size=images.image_size)
    operations = operations_at(index)
    sample = dict(zip(space.choices.labels, operations, strict=True))
    built = space.profile(space.choices.validate(_short(sample)))
    size = size_of_topology(operations, dataset, num_channels=16, num_cells=5)
    # The records count the biases of the classifier.
    assert size == (built.parameters, built.macs + images.num_labels)


def _short(sample: dict[str, str]) -> dict[str, str]:
    return {label: name.removeprefix("nor_") for label, name in sample.items()}


@pytest.mark.parametrize("index", [0, 11, 4095, 32_767, 12_345])
@pytest.mark.parametrize(("dataset", "name"), list(enumerate(SIZES)))
def test_widths_are_counted_as_the_networks_are(index: int, dataset: int, name: str) -> None:
    images = DATA_SETS[name]
    space = SizeSpace(num_labels=images.num_labels, image_size=images.image_size)
    channels = channels_at(index)
    built = space.profile(dict(zip(space.choices.labels, channels, strict=True)))
    assert size_of_widths(channels, dataset) == (
        built.parameters,
        built.macs + images.num_labels,
    )


def test_the_size_space_counts_as_the_topology_space_does(shared: Path, tmp_path: Path) -> None:
    generate_sizes(shared / "data/natssss/NATS-sss-v1_0-50262-simple", tmp_path)
    path = tmp_path / "natssss.db"
    assert verify_database(path).contents["sizes_counted"] == 0
    with BenchClient.local(tmp_path) as client:
        items = client.query("natssss", "8:8:8:16:32", num_epochs=90)
    assert [(item.parameters, item.flops) for item in items] == [
        size_of_widths((8, 8, 8, 16, 32), dataset).in_millions() for dataset in range(4)
    ]
