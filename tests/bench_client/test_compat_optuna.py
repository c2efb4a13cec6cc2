"""The objective for Optuna, in real studies."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from declared_tables import RAW, rows, written_declaration
from measuring import unmeasured

from bench_client import BenchClient, BenchmarkNotInstalledError, InvalidRequestError
from bench_client.compat_optuna import Objective, objective
from generators.declared import generate_table
from generators.hw_nas_bench import generate as generate_costs
from generators.nasbench201 import generate as generate_nasbench201
from generators.natssss import generate as generate_natssss
from generators.sample.hw_nas_bench import write_sample as write_costs
from generators.sample.natssss import write_sample as write_sizes
from missing_extra import install_command

optuna = pytest.importorskip("optuna", reason="Optuna is an extra")

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")

ARCH = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
EDGES = {
    "0_1": "avg_pool_3x3",
    "0_2": "nor_conv_1x1",
    "1_2": "skip_connect",
    "0_3": "nor_conv_1x1",
    "1_3": "skip_connect",
    "2_3": "skip_connect",
}
"""Architecture 0 as the parameters of a trial."""

SMALL = {"layer_1": [8], "layer_2": [8], "layer_3": [8]}
"""With the other layers free, the first 64 sizes."""


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(logging.WARNING)
    yield
    optuna.logging.set_verbosity(logging.INFO)


@pytest.fixture(scope="module")
def bench(sample_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchClient]:
    """A client of made-up databases: twelve topologies, their costs, and 60 sizes."""
    out = tmp_path_factory.mktemp("made-up")
    with unmeasured():
        generate_nasbench201(sample_archive, out)
        generate_costs(write_costs(out, seed=0), out)
        generate_natssss(write_sizes(out, architectures=60, seed=0), out)
    with BenchClient.local(out) as client:
        yield client


@pytest.fixture(scope="module")
def cells(nasbench101_folder: Path) -> Iterator[BenchClient]:
    with BenchClient.local(nasbench101_folder) as client:
        yield client


def tried(search: Objective, *parameters: dict[str, Any], **options: Any) -> Any:
    """Return a study in which the objective was called with each choice of parameters."""
    study = optuna.create_study(directions=search.directions, **options)
    for each in parameters:
        study.enqueue_trial(each)
    study.optimize(search, n_trials=len(parameters))
    return study


def parameters_of(edges: set[tuple[int, int]], operation: str = "conv3x3") -> dict[str, Any]:
    """Return a cell of NAS-Bench-101 as the parameters of a trial."""
    return {
        **{f"edge_{i}_{j}": int((i, j) in edges) for j in range(7) for i in range(j)},
        **{f"op_{vertex}": operation for vertex in range(1, 6)},
    }


class TestOneObjective:
    @pytest.mark.usefixtures("unmeasured")
    def test_the_value_is_the_mean_over_the_runs(self, bench: BenchClient) -> None:
        study = tried(objective(bench, "nasbench201", "cifar100", 200), EDGES)
        (mean,) = bench.query_nb201(0, 200, "cifar100", reduction="mean")
        assert study.best_value == mean.valid_acc
        assert study.best_trial.user_attrs == {
            "arch": ARCH,
            "training_time": mean.training_time,
        }

    def test_a_study_finds_the_best_of_a_small_space(self, bench: BenchClient) -> None:
        search = objective(bench, "natssss", "cifar10", 90, "test_acc", choices=SMALL)
        study = optuna.create_study(
            directions=search.directions, sampler=optuna.samplers.TPESampler(seed=0)
        )
        study.optimize(search, n_trials=200)
        (best,) = bench.top("natssss", metric="test_acc", dataset="cifar10", num_epochs=90, n=1)
        assert study.best_trial.user_attrs["arch"] == best.config.arch_str
        assert study.best_value == best.value

    def test_losses_are_minimized(self, bench: BenchClient) -> None:
        search = objective(bench, "nasbench201", "cifar100", 200, "valid_loss")
        assert search.directions == ["minimize"]

    def test_an_address_will_do(self, server: Any) -> None:
        study = tried(objective(server.url, "nasbench201", "cifar100", 200, "test_acc"), EDGES)
        # The mean of 51.98, 53.68 and 53.08 (the specification of raw formats, section 2).
        assert study.best_value == pytest.approx(52.913333333333334, rel=1e-15)

    def test_the_space_of_cells_is_searched(self, cells: BenchClient) -> None:
        search = objective(cells, "nasbench101", None, 108)
        study = tried(search, parameters_of({(0, 1), (1, 6)}))
        (mean,) = cells.query_nb101(
            {"op1": "conv3x3", "input1": [0], "input2": [1]}, 108, reduction="mean"
        )
        assert study.best_value == mean.valid_acc
        assert study.best_trial.user_attrs["arch"] == mean.config.arch

    def test_an_objective_shows_what_it_is(self, bench: BenchClient) -> None:
        shown = repr(objective(bench, "natssss", "cifar10", 90, choices=SMALL))
        assert shown.startswith("Objective(benchmark='natssss', metrics=('valid_acc',), choices=")


class TestSeveralObjectives:
    def test_each_metric_is_a_value(self, bench: BenchClient) -> None:
        metrics = ("test_acc", "parameters", "latency")
        search = objective(bench, "nasbench201", "cifar100", 200, metrics)
        assert search.directions == ["maximize", "minimize", "minimize"]
        study = tried(search, EDGES)
        (mean,) = bench.query_nb201(0, 200, "cifar100", reduction="mean")
        assert study.trials[0].values == [getattr(mean, metric) for metric in metrics]

    def test_costs_on_devices_are_metrics(self, bench: BenchClient) -> None:
        metrics = ("valid_acc", "edgegpu_latency", "eyeriss_arithmetic_intensity")
        search = objective(bench, "nasbench201", "cifar100", 200, metrics)
        assert search.directions == ["maximize", "minimize", "maximize"]
        (cost,) = bench.hardware_nb201(0, "cifar100")
        assert tried(search, EDGES).trials[0].values[1:] == [
            cost.edgegpu_latency,
            cost.eyeriss_arithmetic_intensity,
        ]

    def test_the_front_is_that_of_the_service(self, bench: BenchClient) -> None:
        metrics = ("test_acc", "parameters")
        search = objective(bench, "natssss", "cifar10", 90, metrics, choices=SMALL)
        grid = optuna.samplers.GridSampler(dict(search.choices), seed=0)
        study = optuna.create_study(directions=search.directions, sampler=grid)
        study.optimize(search)
        front = bench.pareto(
            "natssss", x="test_acc", y="parameters", dataset="cifar10", num_epochs=90
        )
        found = {trial.user_attrs["arch"] for trial in study.best_trials}
        assert found == {item.config.arch_str for item in front}


class TestPruning:
    @pytest.mark.parametrize(
        ("edges", "reason"),
        [
            ({(0, 1)}, "cannot be reached"),
            ({(i, j) for j in range(7) for i in range(j)}, "21 edges; at most 9"),
            ({(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)}, "installed data has no runs"),
        ],
    )
    def test_what_is_outside_the_space_or_the_data_is_pruned(
        self, edges: set[tuple[int, int]], reason: str, cells: BenchClient
    ) -> None:
        study = tried(objective(cells, "nasbench101", None, 108), parameters_of(edges))
        (trial,) = study.trials
        assert trial.state == optuna.trial.TrialState.PRUNED
        assert reason in trial.user_attrs["pruned_because"]

    def test_it_is_pruned_among_several_objectives_too(self, cells: BenchClient) -> None:
        search = objective(cells, "nasbench101", None, 108, ("test_acc", "parameters"))
        (trial,) = tried(search, parameters_of({(0, 1)})).trials
        assert trial.state == optuna.trial.TrialState.PRUNED

    def test_the_curve_is_reported(self, bench: BenchClient) -> None:
        search = objective(bench, "nasbench201", "cifar100", 200, "ori_test_acc", report=True)
        study = tried(search, EDGES, pruner=optuna.pruners.NopPruner())
        (curves,) = bench.curves_nb201(0, 200, "cifar100", reduction="mean")
        told = study.trials[0].intermediate_values
        assert told == dict(zip(range(1, 201), curves.ori_test_acc, strict=True))

    def test_epochs_without_record_are_not(self, bench: BenchClient) -> None:
        search = objective(bench, "nasbench201", "cifar100", 200, "valid_acc", report=True)
        study = tried(search, EDGES, pruner=optuna.pruners.NopPruner())
        assert list(study.trials[0].intermediate_values) == [200]

    def test_a_trial_is_stopped_where_the_pruner_says_so(self, bench: BenchClient) -> None:
        search = objective(bench, "nasbench201", "cifar100", 12, "train_acc", report=True)
        pruner = optuna.pruners.ThresholdPruner(lower=100.0, n_warmup_steps=3)
        (trial,) = tried(search, EDGES, pruner=pruner).trials
        (mean,) = bench.query_nb201(0, 12, "cifar100", reduction="mean")
        assert trial.state == optuna.trial.TrialState.PRUNED
        assert list(trial.intermediate_values) == [1, 2, 3]
        assert trial.user_attrs["training_time"] == pytest.approx(mean.training_time * 3 / 12)

    def test_a_cell_is_stopped_half_way(self, cells: BenchClient) -> None:
        search = objective(cells, "nasbench101", None, 108, report=True)
        pruner = optuna.pruners.ThresholdPruner(lower=100.0)
        (trial,) = tried(search, parameters_of({(0, 6)}), pruner=pruner).trials
        (curves,) = cells.curves_nb101({"input1": [0]}, 108, reduction="mean")
        assert trial.intermediate_values == {54: curves.valid_acc[0]}
        assert trial.user_attrs["training_time"] == curves.training_time[0]


class TestDeclaredTables:
    @pytest.fixture
    def tables(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BenchClient]:
        folder = tmp_path_factory.mktemp("declared")
        (folder / "runs.csv").write_bytes(RAW["csv"][1](rows()))
        generate_table(written_declaration(folder), folder / "runs.csv", folder)
        with BenchClient.local(folder) as client:
            yield client

    def test_every_choice_at_a_place_is_a_parameter(self, tables: BenchClient) -> None:
        search = objective(tables, "tiny-table", "two", 12, ["test_acc", "loss"])
        assert search.directions == ["maximize", "minimize"]
        choices = ["skip", "conv", "pool"]
        assert {name: list(found) for name, found in search.choices.items()} == {
            f"choice{place}": choices for place in (1, 2, 3)
        }
        chosen = {"choice1": "pool", "choice2": "skip", "choice3": "conv"}
        (trial,) = tried(search, chosen).trials
        (mean,) = tables.query("tiny-table", "pool|skip|conv", "two", reduction="mean")
        assert trial.values == [mean.test_acc, mean.loss]
        assert trial.user_attrs == {"arch": "pool|skip|conv", "training_time": None}

    def test_an_objective_is_carried_to_other_processes(self, tables: BenchClient) -> None:
        search = pickle.loads(pickle.dumps(objective(tables, "tiny-table", "two", 12, "loss")))
        chosen = {"choice1": "pool", "choice2": "skip", "choice3": "conv"}
        with search._bench:  # A copy opens the files anew.
            (trial,) = tried(search, chosen).trials
        (mean,) = tables.query("tiny-table", "pool|skip|conv", "two", reduction="mean")
        assert trial.values == [mean.loss]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"dataset": None}, "say which dataset of tiny-table: one, two"),
            ({"dataset": "three"}, "has no dataset 'three'; it has one, two"),
            ({"num_epochs": 13}, "has no num_epochs 13; it has 12"),
            ({"task": "sleep"}, "has no axis 'task'; it has dataset, num_epochs"),
            ({"metric": "accuracy"}, "metric 'accuracy'; known are"),
            ({"report": True}, "tiny-table with a curve: none"),
        ],
    )
    def test_what_it_has_not_is_refused(
        self, change: dict[str, Any], message: str, tables: BenchClient
    ) -> None:
        asked = {"benchmark": "tiny-table", "dataset": "one", "num_epochs": None} | change
        with pytest.raises(InvalidRequestError, match=message):
            objective(tables, **{"metric": "test_acc", **asked})

    def test_a_table_that_is_not_there_is_told(self, tables: BenchClient) -> None:
        with pytest.raises(BenchmarkNotInstalledError, match="other-table"):
            objective(tables, "other-table", None, None)


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"benchmark": "nds"},
                "no objective for benchmark 'nds': .*; supported are nasbench101",
            ),
            ({"dataset": "svhn"}, "has no dataset 'svhn'; it has cifar10-valid, cifar10,"),
            ({"dataset": None}, "say which dataset of nasbench201: cifar10-valid, cifar10,"),
            ({"num_epochs": 90}, "has no num_epochs 90; it has 12, 200"),
            ({"task": "sleep"}, "has no axis 'task'; it has num_epochs, dataset"),
            ({"metric": "accuracy"}, "metric 'accuracy'; known are"),
            ({"metric": ()}, "metric is missing; known are"),
            ({"metric": ("valid_acc", "config")}, "metric 'config'; known are"),
            ({"metric": "latency", "report": True}, "report needs one metric with a curve"),
            ({"metric": ("test_acc", "flops"), "report": True}, "not test_acc, flops"),
            ({"choices": {"3_4": ["none"]}}, "no parameter '3_4'; known are 0_1"),
            ({"choices": {"0_1": ["conv_5x5"]}}, r"are \['conv_5x5'\], not a subset of"),
            ({"choices": {"0_1": []}}, r"are \[\], not a subset of"),
        ],
    )
    def test_it_is_refused_before_the_study(
        self, change: dict[str, Any], message: str, bench: BenchClient
    ) -> None:
        asked = {"benchmark": "nasbench201", "dataset": "cifar100", "num_epochs": 200} | change
        with pytest.raises(InvalidRequestError, match=message):
            objective(bench, **asked)

    def test_hardware_is_known_of_one_space_only(self, bench: BenchClient) -> None:
        with pytest.raises(InvalidRequestError, match="metric 'edgegpu_latency'"):
            objective(bench, "natssss", "cifar10", 90, "edgegpu_latency")

    def test_a_benchmark_that_is_not_installed_is_told(self, bench: BenchClient) -> None:
        with pytest.raises(BenchmarkNotInstalledError):
            objective(bench, "nasbench101", None, 108)

    def test_a_metric_without_record_is_an_error_of_the_trial(self, bench: BenchClient) -> None:
        search = objective(bench, "nasbench201", "cifar10", 200, "valid_acc")
        with pytest.raises(InvalidRequestError, match="valid_acc is not recorded for"):
            tried(search, EDGES)


def test_without_optuna_the_error_names_the_extra(databases: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['optuna'] = None\n"
        "from bench_client.compat_optuna import objective\n"
        f"objective({str(databases)!r}, 'nasbench201', 'cifar100', 200)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert install_command("optuna") in ended.stderr
