"""The made-up database of all architectures: whole, plausible, and worth searching."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench_client import BenchClient
from benchmark_db.nasbench201.architecture import NUM_ARCHITECTURES, isomorphism_classes
from benchmark_db.nasbench201.benchmark import CURVES
from benchmark_db.verify import verify_database
from generators.registry import SAMPLES
from nas_search import Budget, Study, TableProblem
from nas_search.strategies import RandomSearch, RegularizedEvolution
from service.cli import databases

pytestmark = pytest.mark.filterwarnings("ignore:the numbers of")

PART = {"dataset": "cifar100", "num_epochs": 200}
RECORDED = 2 * 4 * NUM_ARCHITECTURES
"""Two budgets on four data sets."""


@pytest.fixture(scope="module")
def bench(whole_sample: Path) -> BenchClient:
    return BenchClient.local(whole_sample)


def test_it_holds_every_architecture_and_says_that_it_is_made_up(
    bench: BenchClient, whole_sample: Path
) -> None:
    about = bench.benchmark("nasbench201")
    assert about.provenance.synthetic
    assert about.provenance.source_name == "all architectures, seed 0"
    assert about.provenance.contents["architectures"] == NUM_ARCHITECTURES
    for dataset in ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120"):
        for num_epochs in (12, 200):
            found = bench.distribution(
                "nasbench201", metric="train_acc", dataset=dataset, num_epochs=num_epochs
            )
            assert found[0].count == NUM_ARCHITECTURES
    assert (whole_sample / "nasbench201.db").stat().st_size < 5_000 * NUM_ARCHITECTURES


@pytest.mark.usefixtures("unmeasured")
def test_the_same_seed_gives_the_same_numbers(
    bench: BenchClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_FEW", 2)  # of the benchmarks that are not made whole
    databases.sample(tmp_path / "raw", convert=tmp_path / "data")
    again = verify_database(tmp_path / "data/nasbench201.db")
    assert again.content_digest == bench.benchmark("nasbench201").provenance.content_digest
    assert sorted(path.stem for path in (tmp_path / "data").iterdir()) == sorted(SAMPLES)


def test_curves_end_with_what_the_run_recorded(bench: BenchClient) -> None:
    for arch, num_epochs, recorded in ((9_000, 12, 12), (3, 200, 200), (9_000, 200, 0)):
        runs = bench.query_nb201(arch, num_epochs)
        curves = bench.curves_nb201(arch, num_epochs)
        for run, curve in zip(runs, curves, strict=True):
            assert len(curve.current_epoch) == recorded
            for name in CURVES:
                values, ended = getattr(curve, name), getattr(run, name)
                if recorded and ended is not None:
                    assert values[-1] == pytest.approx(ended, rel=1e-6)
                else:
                    assert not any(values)


def test_equals_differ_by_the_noise_of_runs_and_others_by_far_more(bench: BenchClient) -> None:
    accuracy = means_of(bench, 200)
    classes = np.array(isomorphism_classes())
    sizes = np.bincount(classes, minlength=NUM_ARCHITECTURES)
    means = np.bincount(classes, accuracy, NUM_ARCHITECTURES) / np.maximum(sizes, 1)
    within = (accuracy - means[classes])[sizes[classes] > 1]
    assert 0.1 < within.std() < 0.4
    assert 10 < accuracy.std() < 25
    assert accuracy.max() < 75
    assert bench.correlation("nasbench201", x="flops", y="test_acc", **PART).spearman > 0.5
    assert 0.8 < np.corrcoef(means_of(bench, 12), accuracy)[0, 1] < 0.9999


def means_of(bench: BenchClient, num_epochs: int) -> NDArray[np.float64]:
    numbers = range(NUM_ARCHITECTURES)
    found = bench.query_nb201_many(numbers, num_epochs, "cifar100", reduction="mean")
    return np.array([run.test_acc for runs in found for run in runs])


@pytest.mark.usefixtures("unmeasured")
def test_evolution_beats_random_search(bench: BenchClient, tmp_path: Path) -> None:
    problem = TableProblem(bench, "nasbench201", "cifar10-valid", num_epochs=12)
    problem.load()

    def found(name: str, strategy: RandomSearch | RegularizedEvolution) -> float:
        with Study(tmp_path / f"{name}.study", problem, strategy) as study:
            study.run(Budget(trials=120))
            best = study.to_run(oracle=problem.optimum(), name=name).trajectory[-1].best
        return float(best)

    seeds = range(8)
    lucky = [found(f"random-{seed}", RandomSearch(seed=seed)) for seed in seeds]
    evolved = [
        found(
            f"evolution-{seed}",
            RegularizedEvolution(population_size=20, sample_size=5, seed=seed),
        )
        for seed in seeds
    ]
    assert statistics.median(evolved) > statistics.median(lucky) + 0.3
