"""NDS as callers meet it: over a real socket by both clients and in local mode, and bare HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from forked_nbs import nbs
from one_question import TWO_MODES, Ask, asking

from bench_client import (
    BenchClient,
    InvalidArchitectureError,
    InvalidRequestError,
    SyntheticDataWarning,
)
from bench_client.models import NdsCurves, NdsDistributions, NdsFamilies, NdsStats, Page

RESNET = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


@pytest.fixture
def http(nds_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{nds_server}/v1/nds", timeout=30) as client:
        yield client


@pytest.fixture(params=TWO_MODES)
def ask(request: pytest.FixtureRequest, nds_server: str, nds_folder: Path) -> Ask:
    """Puts a question to each kind of client in turn."""
    return asking(request.param, nds_server, nds_folder)


class TestGoldenFigures:
    """From raw-formats.md, section 3."""

    def test_of_resnet(self, ask: Ask) -> None:
        (run,) = ask(lambda bench: bench.query_nds("residual_basic", model_spec=RESNET))
        assert run.config.model_spec == RESNET
        assert run.config.cell_spec == {}
        assert (run.config.proposer, run.config.generator) == ("resnet", "random")
        assert (run.config.dataset, run.config.num_epochs) == ("cifar10", 100)
        assert (run.config.base_lr, run.config.weight_decay, run.seed) == (0.1, 5e-4, 1)
        assert (run.parameters, run.flops, run.iter_time) == (0.594138, 184.519578, 0.059)
        assert (run.final_train_acc, run.best_train_acc) == (99.772, 99.772)
        assert (run.final_train_loss, run.best_train_loss) == (0.011, 0.011)
        assert (run.final_test_acc, run.best_test_acc) == (93.49, 93.58)

    def test_of_amoeba(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nds(proposer="amoeba", dataset="cifar10"))
        (run,) = (run for run in runs if run.parameters == 4.190314)
        assert run.config.model_family == "nas_cell"
        assert run.config.model_spec == {
            "num_nodes_normal": 5,
            "num_nodes_reduce": 5,
            "depth": 12,
            "width": 32,
            "aux": False,
            "drop_prob": 0.0,
        }
        assert run.config.cell_spec["normal_0_op_x"] == "avg_pool_3x3"
        assert run.config.cell_spec["reduce_4_input_y"] == 5
        assert run.config.cell_spec["normal_concat"] == [3, 5, 6]
        assert len(run.config.cell_spec) == 42
        assert run.flops == 664.400586
        assert (run.final_test_acc, run.best_test_acc) == (93.27, 93.37)

    def test_of_amoeba_by_its_cells_in_another_order(self, ask: Ask) -> None:
        (found,) = ask(
            lambda bench: bench.query_nds(
                proposer="amoeba", min_parameters=4.190314, max_parameters=4.190314
            )
        )
        shuffled = dict(sorted(found.config.cell_spec.items(), reverse=True))
        for spelling in (shuffled, json.dumps(shuffled)):
            (same,) = ask(lambda bench, cell=spelling: bench.query_nds(cell_spec=cell))
            assert same == found


class TestEveryClient:
    def test_takes_the_filters_in_the_known_order(self, ask: Ask) -> None:
        runs = ask(
            lambda bench: bench.query_nds(
                "vanilla", "vanilla", "tune_lr_wd", None, {}, "imagenet", 50
            )
        )
        assert runs
        assert {run.config.num_epochs for run in runs} == {50}
        assert {run.config.generator for run in runs} == {"tune_lr_wd"}

    def test_sorts_and_stops(self, ask: Ask) -> None:
        everything = ask(lambda bench: bench.query_nds())
        best = ask(lambda bench: bench.query_nds(sort="-best_test_acc", limit=7))
        accuracies = sorted((run.best_test_acc for run in everything), reverse=True)
        assert [run.best_test_acc for run in best] == accuracies[:7]

    def test_bounds_include_their_ends(self, ask: Ask) -> None:
        (run,) = ask(
            lambda bench: bench.query_nds(
                "residual_basic", min_flops=184.519578, max_flops=184.519578
            )
        )
        assert run.config.model_spec == RESNET

    def test_reduces_the_runs_of_a_configuration(self, ask: Ask) -> None:
        means = ask(
            lambda bench: bench.query_nds(
                proposer="vanilla", generator="random", dataset="cifar10", reduction="mean"
            )
        )
        assert {mean.num_runs for mean in means} == {5}
        assert {mean.seed for mean in means} == {None}

    def test_sends_curves_along_and_in_columns(self, ask: Ask) -> None:
        (run,) = ask(
            lambda bench: bench.query_nds(
                "residual_basic", model_spec=RESNET, include_intermediates=True
            )
        )
        (curve,) = ask(lambda bench: bench.curves_nds("residual_basic", model_spec=RESNET))
        assert curve.current_epoch == list(range(1, 101))
        assert curve.test_acc == [epoch.test_acc for epoch in run.intermediates]
        assert curve.test_acc[-2:] == [93.58, 93.49]

    def test_answers_a_batch_in_the_order_asked(self, ask: Ask) -> None:
        archs = [{"model_spec": {"ds": [99]}}, {"model_spec": RESNET, "cell_spec": {}}]
        nothing, found = ask(lambda bench: bench.query_nds_many(archs, "residual_basic"))
        assert nothing == []
        assert [run.config.model_spec for run in found] == [RESNET]

    def test_names_the_malformed_members_of_a_batch(self, ask: Ask) -> None:
        archs = [{"model_spec": RESNET}, {"cell_spec": {}}]
        with pytest.raises(InvalidArchitectureError) as caught:
            ask(lambda bench: bench.query_nds_many(archs))
        assert list(caught.value.positions) == [1]

    def test_lists_the_design_spaces(self, ask: Ask) -> None:
        spaces = ask(lambda bench: bench.families_nds())
        info = ask(lambda bench: bench.benchmark("nds"))
        assert sum(space.runs for space in spaces) == info.provenance.contents["runs"]
        assert info.num_architectures is None

    def test_tells_how_an_error_is_distributed(self, ask: Ask) -> None:
        (space,) = ask(
            lambda bench: bench.distribution_nds(
                "best_test_error", "residual_basic", "resnet", "random", "cifar10", points=10
            )
        )
        means = ask(
            lambda bench: bench.query_nds(
                "residual_basic", "resnet", "random", dataset="cifar10", reduction="mean"
            )
        )
        errors = sorted(100 - mean.best_test_acc for mean in means)
        assert space.count == len(means)
        assert space.min == pytest.approx(errors[0])
        assert space.value == pytest.approx(errors)
        assert space.fraction[-1] == 1

    def test_is_asked_by_name_too(self, ask: Ask) -> None:
        named = ask(lambda bench: bench.query("nds", proposer="enas"))
        assert named == ask(lambda bench: bench.query_nds(proposer="enas"))
        assert named

    @pytest.mark.parametrize(
        "question",
        [
            {"model_family": "transformer"},
            {"dataset": "mnist"},
            {"model_spec": "nonsense"},
            {"cell_spec": {"a": {"b": 1}}},
            {"sort": "iter_time"},
            {"min_iter_time": 1.0},
            {"max_flops": float("nan")},
            {"num_epochs": "100"},
            {"limit": 0},
            {"reduction": "median"},
        ],
    )
    def test_refuses_what_cannot_be_meant(self, ask: Ask, question: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequestError):
            ask(lambda bench: bench.query_nds(**question))

    def test_returns_nothing_for_a_question_that_matches_nothing(self, ask: Ask) -> None:
        assert ask(lambda bench: bench.query_nds(min_best_test_acc=99.9)) == []

    def test_refuses_what_the_archive_never_has_and_says_what_it_has(self, ask: Ask) -> None:
        for question in (
            lambda bench: bench.query_nds(num_epochs=13),
            lambda bench: bench.distribution_nds(num_epochs=13),
        ):
            with pytest.raises(InvalidRequestError, match="unknown num_epochs 13; known are "):
                ask(question)
        with pytest.raises(InvalidRequestError, match="unknown seed 123456789; known are "):
            ask(lambda bench: bench.query_nds(seed=123456789))
        with pytest.raises(InvalidRequestError, match="no design space has model_family=vanilla"):
            ask(lambda bench: bench.distribution_nds(model_family="vanilla", proposer="amoeba"))


@pytest.mark.filterwarnings("default::bench_client.SyntheticDataWarning")
@pytest.mark.parametrize("question", ["query_nds", "families_nds", "distribution_nds"])
def test_made_up_numbers_are_warned_of(nds_server: str, question: str) -> None:
    with (
        BenchClient(nds_server) as bench,
        pytest.warns(SyntheticDataWarning, match="numbers of nds are made up"),
    ):
        getattr(bench, question)()


class TestOverHttp:
    @pytest.mark.parametrize(
        ("path", "model"),
        [
            ("computed-stats?include_intermediates=true", Page[NdsStats]),
            ("computed-stats?reduction=std&sort=-base_lr", Page[NdsStats]),
            ("intermediate-stats?sort=flops&limit=3", Page[NdsCurves]),
            ("families", NdsFamilies),
            ("distribution?metric=flops&points=3", NdsDistributions),
        ],
    )
    def test_every_field_is_in_its_model(self, http: httpx.Client, path: str, model: Any) -> None:
        answer = http.get(path)
        assert answer.status_code == 200
        read = model.model_validate_json(answer.content, strict=True)
        assert json.loads(read.model_dump_json(exclude_unset=True)) == answer.json()

    def test_pages_go_on_where_they_stopped(self, http: httpx.Client) -> None:
        question = {"sort": "-final_test_acc", "dataset": "cifar10", "limit": 25}
        items, cursor = [], None
        while True:
            page = http.get(
                "computed-stats", params={**question, **({"cursor": cursor} if cursor else {})}
            ).json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        accuracies = [item["final_test_acc"] for item in items]
        assert accuracies == sorted(accuracies, reverse=True)
        assert {item["config"]["dataset"] for item in items} == {"cifar10"}

    def test_answers_may_be_kept(self, http: httpx.Client) -> None:
        for path in ("computed-stats?proposer=pnas", "families", "distribution"):
            tag = http.get(path).headers["ETag"]
            assert http.get(path, headers={"If-None-Match": tag}).status_code == 304

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("computed-stats?proposer=me", "proposer"),
            ("computed-stats?model_spec=%7B", "model_spec"),
            ("computed-stats?sort=me", "sort"),
            ("computed-stats?min_flops=many", "min_flops"),
            ("computed-stats?max_flops=inf", "max_flops"),
            ("computed-stats?reduction=mean&sort=flops", "sort"),
            ("computed-stats?cursor=me", "cursor"),
            ("computed-stats?arch=0", "arch"),
            ("distribution?metric=me", "metric"),
            ("distribution?points=0", "points"),
            ("distribution?model_spec=%7B%7D", "model_spec"),
        ],
    )
    def test_a_problem_names_the_field(self, http: httpx.Client, path: str, field: str) -> None:
        answer = http.get(path)
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["errors"][0]["loc"] == ["query", field]


class TestCommandLine:
    def test_asks(self, nds_folder: Path) -> None:
        asked = nbs(
            *("query", "nds", "--data", nds_folder, "--where", "model_family=residual_basic"),
            *("--where", f"model_spec={json.dumps(RESNET)}"),
            *("--min", "flops=100", "--max", "flops=200"),
            *("--where", "sort=-best_test_acc", "--where", "limit=1"),
        )
        (run,) = json.loads(asked.stdout)
        assert run["best_test_acc"] == 93.58

    @pytest.mark.parametrize("option", ["--min=flops", "--max=flops=many"])
    def test_a_bound_is_a_name_and_a_number(self, nds_folder: Path, option: str) -> None:
        asked = nbs("query", "nds", "--data", nds_folder, option)
        assert asked.returncode == 2
        assert "NAME=NUMBER" in asked.stderr

    def test_converts_a_part_when_asked(self, nds_archive: Path, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        raw.mkdir()
        (raw / "ENAS.json").write_bytes((nds_archive / "ENAS.json").read_bytes())
        refused = nbs("generate", "nds", raw, "--out", tmp_path)
        assert refused.returncode == 1
        assert "--partial" in refused.stderr
        assert not (tmp_path / "nds.db").exists()
        assert nbs("generate", "nds", raw, "--out", tmp_path, "--partial").returncode == 0
        assert (tmp_path / "nds.db").exists()

    def test_other_benchmarks_have_no_parts(self, tmp_path: Path) -> None:
        asked = nbs("generate", "nasbench201", tmp_path, "--partial")
        assert asked.returncode == 2
