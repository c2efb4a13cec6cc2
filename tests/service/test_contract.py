"""The contract, exercised over a real socket by both clients and in local mode: one test each."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from one_question import EVERY_MODE, Ask, asking

from bench_client import (
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    SyntheticDataWarning,
)
from benchmark_db.nasbench201.architecture import (
    EDGES,
    arch_dict,
    arch_str,
    operations_at,
)

ARCHITECTURE = 3


@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
class TestEveryClient:
    @pytest.fixture(params=EVERY_MODE)
    def ask(self, request: pytest.FixtureRequest, server: str, directory: Path) -> Ask:
        return asking(request.param, server, directory)

    def test_returns_every_run_of_an_architecture(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201(ARCHITECTURE))
        assert {run.config.index for run in runs} == {ARCHITECTURE}
        assert {run.config.num_epochs for run in runs} == {12, 200}
        assert {run.config.dataset for run in runs} == {
            *("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")
        }

    def test_understands_every_spelling_alike(self, ask: Ask) -> None:
        operations = operations_at(ARCHITECTURE)
        spellings = [
            arch_str(operations),
            arch_dict(operations),
            dict(reversed(arch_dict(operations).items())),
            dict(zip(EDGES, operations, strict=True)),
            list(operations),
            str(ARCHITECTURE),
        ]
        expected = ask(lambda bench: bench.query_nb201(ARCHITECTURE, 200))
        for spelling in spellings:
            assert ask(lambda bench, arch=spelling: bench.query_nb201(arch, 200)) == expected

    def test_reads_data_set_names_in_any_case(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201(ARCHITECTURE, 200, "ImageNet16-120"))
        assert {run.config.dataset for run in runs} == {"imagenet16-120"}

    def test_reduces_the_runs_of_a_configuration_to_one(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201(ARCHITECTURE, 12, "cifar10-valid"))
        (mean,) = ask(
            lambda bench: bench.query_nb201(ARCHITECTURE, 12, "cifar10-valid", reduction="mean")
        )
        assert mean.seed is None
        assert mean.num_runs == len(runs)
        assert mean.test_acc == pytest.approx(sum(run.test_acc for run in runs) / len(runs))

    def test_sends_learning_curves_along(self, ask: Ask) -> None:
        (run, *_) = ask(
            lambda bench: bench.query_nb201(
                ARCHITECTURE, 200, "cifar100", include_intermediates=True
            )
        )
        assert [epoch.current_epoch for epoch in run.intermediates] == list(range(1, 201))
        assert run.intermediates[-1].train_acc == pytest.approx(run.train_acc, rel=1e-6)

    def test_sends_curves_in_columns(self, ask: Ask) -> None:
        (curve, *_) = ask(lambda bench: bench.curves_nb201(ARCHITECTURE, 200, "cifar100"))
        assert curve.current_epoch == list(range(1, 201))
        assert len(curve.ori_test_acc) == 200
        assert curve.valid_acc[:-1] == [None] * 199

    def test_answers_a_batch_in_the_order_asked(self, ask: Ask) -> None:
        archs = [5, 3, 14_000, 5]
        results = ask(lambda bench: bench.query_nb201_many(archs, 200, "cifar10", reduction="mean"))
        assert [[item.config.index for item in result] for result in results] == [[5], [3], [], [5]]

    def test_names_the_malformed_members_of_a_batch(self, ask: Ask) -> None:
        with pytest.raises(InvalidArchitectureError) as caught:
            ask(lambda bench: bench.query_nb201_many([3, "nonsense", 5], 200))
        assert list(caught.value.positions) == [1]
        assert caught.value.results[0]

    def test_pages_through_everything(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201())
        info = ask(lambda bench: bench.benchmark("nasbench201"))
        assert len(runs) == info.provenance.contents["runs"]
        keys = [(r.config.index, r.config.num_epochs, r.config.dataset, r.seed) for r in runs]
        assert len(set(keys)) == len(keys)

    def test_returns_nothing_for_a_question_that_matches_nothing(self, ask: Ask) -> None:
        assert ask(lambda bench: bench.query_nb201(14_000)) == []
        assert ask(lambda bench: bench.query_nb201(0, 200, seed=111)) == []

    @pytest.mark.parametrize(
        ("question", "says"),
        [
            (lambda bench: bench.query_nb201(num_epochs=13), "unknown num_epochs 13; .* 12, 200"),
            (lambda bench: bench.query_nb201(0, seed=5), "unknown seed 5; known are 111, 777"),
            (lambda bench: bench.query_nb201_many([0], 201), "unknown num_epochs 201"),
            (lambda bench: bench.query_nb201_many([0], seed=0), "unknown seed 0"),
            (lambda bench: bench.curves_nb201(0, 90), "unknown num_epochs 90"),
            (
                lambda bench: bench.export_to(BytesIO(), "nasbench201", num_epochs=201),
                "unknown num_epochs 201",
            ),
            (
                lambda bench: bench.top(
                    "nasbench201", metric="valid_acc", dataset="cifar10", num_epochs=200
                ),
                "records no valid_acc of num_epochs 200, dataset cifar10; recorded are train_acc",
            ),
        ],
    )
    def test_refuses_what_the_benchmark_never_has_and_says_what_it_has(
        self, ask: Ask, question: Any, says: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=says):
            ask(question)

    def test_describes_an_architecture(self, ask: Ask) -> None:
        described = ask(lambda bench: bench.describe_nb201(0))
        assert described.arch_str == arch_str(operations_at(0))
        assert described.isomorphic_indices == [0, 3599, 4980, 6642, 8444, 8975, 11273, 13000]

    def test_lists_fields_with_their_units(self, ask: Ask) -> None:
        info = ask(lambda bench: bench.benchmark("nasbench201"))
        units = {field.name: field.unit for field in info.fields if field.kind == "computed"}
        assert units["test_acc"] == "percent"
        assert units["latency"] == "seconds"
        assert units["flops"] == "millions"
        assert [field.name for field in info.fields if field.derived] == ["training_time"]

    def test_queries_a_benchmark_by_name(self, ask: Ask) -> None:
        named = ask(lambda bench: bench.query("nasbench201", ARCHITECTURE, 200, "cifar100"))
        assert named == ask(lambda bench: bench.query_nb201(ARCHITECTURE, 200, "cifar100"))

    @pytest.mark.parametrize("arch", ["nonsense", 15_625, -1, ["none"] * 5, {"0_1": "none"}])
    def test_refuses_what_is_no_architecture(self, ask: Ask, arch: Any) -> None:
        with pytest.raises(InvalidArchitectureError):
            ask(lambda bench: bench.query_nb201(arch))

    def test_names_the_known_data_sets_to_who_asks_for_another(self, ask: Ask) -> None:
        with pytest.raises(InvalidRequestError, match="cifar10-valid, cifar10, cifar100"):
            ask(lambda bench: bench.query_nb201(3, 200, "mnist"))

    def test_names_the_reductions(self, ask: Ask) -> None:
        with pytest.raises(InvalidRequestError, match="mean"):
            ask(lambda bench: bench.query_nb201(3, reduction="median"))

    def test_says_how_to_install_a_benchmark(self, ask: Ask) -> None:
        with pytest.raises(BenchmarkNotInstalledError):
            ask(lambda bench: bench.benchmark("nasbench301"))


@pytest.mark.parametrize("mode", EVERY_MODE)
def test_made_up_numbers_are_warned_of(mode: str, server: str, directory: Path) -> None:
    ask = asking(mode, server, directory)
    with pytest.warns(SyntheticDataWarning, match="made up"):
        ask(lambda bench: bench.query_nb201(ARCHITECTURE))


class TestGoldenFigures:
    """From raw-formats.md, section 2, through every client."""

    @pytest.fixture(params=EVERY_MODE)
    def ask(self, request: pytest.FixtureRequest, real_server: str, real_directory: Path) -> Ask:
        return asking(request.param, real_server, real_directory)

    def test_of_architecture_0_on_cifar100(self, ask: Ask) -> None:
        (run,) = ask(lambda bench: bench.query_nb201(0, 200, "cifar100", 999))
        golden = {"train_acc": 57.82, "valid_acc": 53.14, "test_acc": 53.08, "ori_test_acc": 53.11}
        assert {name: round(getattr(run, name), 4) for name in golden} == golden
        assert run.parameters == 0.135156
        assert run.flops == 15.65322
        assert round(run.latency, 7) == 0.0131829

    def test_of_the_other_seeds(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201(0, 200, "cifar100"))
        assert {run.seed: round(run.test_acc, 4) for run in runs} == {
            777: 51.98,
            888: 53.68,
            999: 53.08,
        }

    def test_cifar10_has_no_validation_accuracy(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb201(0, 200, "cifar10"))
        assert {(run.valid_acc, run.valid_loss, run.valid_evaluation_time) for run in runs} == {
            (None, None, None)
        }
        assert all(run.test_acc == run.ori_test_acc for run in runs)
