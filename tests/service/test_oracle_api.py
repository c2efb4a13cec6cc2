"""Samples, neighbors and the oracle: through every client, the command line and bare HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from forked_nbs import nbs
from one_question import TWO_MODES, Ask, asking

from bench_client import (
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    Nb101Hash,
    NdsConfig,
    UnsupportedQuestionError,
)

CIFAR100 = {"dataset": "cifar100", "num_epochs": 200}

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


@pytest.fixture(params=TWO_MODES)
def ask(request: pytest.FixtureRequest, server: str, directory: Path) -> Ask:
    """Puts a question to a client of each mode."""
    return asking(request.param, server, directory)


def test_the_best_within_bounds_come_first(ask: Ask) -> None:
    found = ask(
        lambda bench: bench.top(
            "nasbench201", metric="test_acc", n=3, max_flops=150, min_edgegpu_latency=1, **CIFAR100
        )
    )
    values = [item.value for item in found]
    assert values == sorted(values, reverse=True)
    assert [item.rank for item in found] == [1, 2, 3]
    for item in found:
        assert item.metrics.keys() == {"test_acc", "flops", "edgegpu_latency"}
        assert item.metrics["flops"] <= 150
        (mean,) = ask(
            lambda bench, item=item: bench.query_nb201(
                item.config.index, 200, "cifar100", reduction="mean"
            )
        )
        assert mean.test_acc == item.value
        assert mean.config == item.config


def test_what_was_trained_is_ranked_for_nds(ask: Ask) -> None:
    found = ask(
        lambda bench: bench.top("nds", metric="best_test_acc", n=2, model_family="nas_cell")
    )
    assert all(isinstance(item.config, NdsConfig) for item in found)
    assert {item.config.model_family for item in found} == {"nas_cell"}


def test_trade_offs_run_from_the_best_by_one_metric_to_the_best_by_the_other(ask: Ask) -> None:
    front = ask(
        lambda bench: bench.pareto(
            "natssss", x="test_acc", y="flops", dataset="cifar10", num_epochs=90
        )
    )
    (best,) = ask(
        lambda bench: bench.top("natssss", metric="test_acc", n=1, dataset="cifar10", num_epochs=90)
    )
    (smallest,) = ask(
        lambda bench: bench.top("natssss", metric="flops", n=1, dataset="cifar10", num_epochs=90)
    )
    assert front[0].metrics["test_acc"] == best.value
    assert front[-1].metrics["flops"] == smallest.value
    assert [item.metrics["flops"] for item in front] == sorted(
        (item.metrics["flops"] for item in front), reverse=True
    )


def test_an_architecture_knows_its_rank_and_regret(ask: Ask) -> None:
    ranked = ask(lambda bench: bench.top("nasbench201", metric="test_acc", n=12, **CIFAR100))
    last = ranked[-1]
    standing = ask(
        lambda bench: bench.rank("nasbench201", last.config.arch, metric="test_acc", **CIFAR100)
    )
    assert (standing.rank, standing.of) == (12, 12)
    assert standing.regret == ranked[0].value - last.value
    assert (
        ask(lambda bench: bench.rank("nasbench201", 15_000, metric="test_acc", **CIFAR100)) is None
    )


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "natssss"])
def test_distributions_end_with_everything(ask: Ask, name: str) -> None:
    dataset = {} if name == "nasbench101" else {"dataset": "cifar10"}
    num_epochs = {"nasbench101": 108, "nasbench201": 200, "natssss": 90}[name]
    (found,) = ask(
        lambda bench: bench.distribution(
            name, metric="test_acc", num_epochs=num_epochs, points=5, **dataset
        )
    )
    assert found.count >= 12
    assert found.fraction[-1] == 1.0
    assert len(found.value) == len(found.fraction) <= 5
    assert found.value[-1] == found.max


def test_distributions_of_nds_are_those_of_its_own_question(ask: Ask) -> None:
    one = ask(lambda bench: bench.distribution("nds", metric="best_test_error", dataset="imagenet"))
    other = ask(lambda bench: bench.distribution_nds("best_test_error", dataset="imagenet"))
    assert one == other != []


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201", "natssss", "nds"])
def test_samples_depend_on_the_seed_alone(ask: Ask, name: str) -> None:
    sample = ask(lambda bench: bench.random(name, n=7, seed=5))
    assert ask(lambda bench: bench.random(name, n=3, seed=5)) == sample[:3]
    assert len({item.model_dump_json() for item in sample}) == 7
    assert ask(lambda bench: bench.random(name, n=7, seed=6)) != sample


def test_a_sampled_architecture_has_runs(ask: Ask) -> None:
    for item in ask(lambda bench: bench.random("nds", n=3)):
        arch = {"model_spec": item.model_spec, "cell_spec": item.cell_spec}
        (runs,) = ask(lambda bench, arch=arch: bench.query_nds_many([arch]))
        assert runs
    (cell,) = ask(lambda bench: bench.random("nasbench101"))
    assert cell.in_benchmark


@pytest.mark.parametrize(("name", "count"), [("nasbench201", 24), ("natssss", 35)])
def test_neighbors_are_one_edit_away_and_symmetric(ask: Ask, name: str, count: int) -> None:
    near = ask(lambda bench: bench.neighbors(name, 11))
    assert len({item.index for item in near}) == count
    back = ask(lambda bench: bench.neighbors(name, near[-1].index))
    assert 11 in {item.index for item in back}


def test_neighbors_of_a_cell_are_symmetric_and_say_whether_they_have_runs(ask: Ask) -> None:
    (cell,) = ask(lambda bench: bench.random("nasbench101", seed=4))
    near = ask(lambda bench: bench.neighbors("nasbench101", cell.hash))
    assert near
    assert all(isinstance(item, Nb101Hash) for item in near)
    hashes = [item.hash for item in near]
    assert hashes == sorted(set(hashes))
    back = ask(lambda bench: bench.neighbors("nasbench101", near[0].arch))
    assert cell.hash in {item.hash for item in back}


@pytest.mark.parametrize(
    ("question", "error", "says"),
    [
        (lambda bench: bench.neighbors("nds", {}), UnsupportedQuestionError, "too large to list"),
        (
            lambda bench: bench.rank("nds", "{}", metric="flops"),
            UnsupportedQuestionError,
            "several",
        ),
        (
            lambda bench: bench.top("nasbench201", metric="beauty", **CIFAR100),
            InvalidRequestError,
            "there are 25: `nbs info",
        ),
        (
            lambda bench: bench.top("nasbench201", metric="test_acc", max_beauty=1, **CIFAR100),
            InvalidRequestError,
            "beauty",
        ),
        (
            lambda bench: bench.top("nasbench201", metric="test_acc", dataset="cifar100"),
            InvalidRequestError,
            "num_epochs",
        ),
        (lambda bench: bench.top("nasbench301", metric="x"), BenchmarkNotInstalledError, "known"),
        (lambda bench: bench.random("nasbench201", seed="a"), InvalidRequestError, "whole number"),
        (lambda bench: bench.random("nasbench201", seed=0.5), InvalidRequestError, "whole number"),
        (lambda bench: bench.random("nasbench201", n=13), InvalidRequestError, "1 to 12"),
        (lambda bench: bench.random("nasbench201", n=10_001), InvalidRequestError, "10000|1 to"),
        (lambda bench: bench.neighbors("nasbench201", "x"), InvalidArchitectureError, "'x'"),
        (
            lambda bench: bench.neighbors("nasbench101", "0" * 32),
            InvalidArchitectureError,
            "give the cell itself",
        ),
        (
            lambda bench: bench.rank("nasbench201", -1, metric="test_acc", **CIFAR100),
            InvalidArchitectureError,
            "-1",
        ),
    ],
)
def test_bad_questions_get_the_same_errors_everywhere(
    ask: Ask, question: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ask(question)


class TestHttp:
    def test_bounds_that_exclude_everything_give_an_empty_answer(self, http: httpx.Client) -> None:
        answer = http.get(
            "/v1/nasbench201/top", params={"metric": "test_acc", "max_flops": 0, **CIFAR100}
        )
        assert answer.status_code == 200
        assert answer.json()["items"] == []
        assert answer.json()["provenance"]["synthetic"] is True

    def test_a_question_without_meaning_is_a_404_that_says_why(self, http: httpx.Client) -> None:
        answer = http.post("/v1/nds/architectures/neighbors", json={"arch": {}})
        assert answer.status_code == 404
        assert answer.json()["type"].endswith(":unsupported-question")

    def test_the_document_offers_only_what_has_a_meaning(self, http: httpx.Client) -> None:
        paths = http.get("/openapi.json").json()["paths"]
        for name in ("nasbench101", "nasbench201", "natssss"):
            for topic in ("top", "pareto", "rank", "distribution", "architectures/random"):
                assert "get" in paths[f"/v1/{name}/{topic}"]
            assert "post" in paths[f"/v1/{name}/architectures/neighbors"]
        assert "/v1/nds/top" in paths
        assert "/v1/nds/rank" not in paths
        assert "/v1/nds/architectures/neighbors" not in paths

    def test_answers_are_kept_and_checked_like_all_reads(self, http: httpx.Client) -> None:
        params = {"metric": "valid_acc", **CIFAR100}
        first = http.get("/v1/nasbench201/top", params=params)
        again = http.get("/v1/nasbench201/top", params=params)
        assert again.content == first.content
        assert again.headers["ETag"] == first.headers["ETag"]
        held = {"If-None-Match": first.headers["ETag"]}
        assert http.get("/v1/nasbench201/top", params=params, headers=held).status_code == 304

    @pytest.mark.parametrize(
        "query", ["seed=one", "seed=-1", "n=0", "n=10001", "seed=1.5", "sead=1"]
    )
    def test_numbers_that_are_none_are_refused(self, http: httpx.Client, query: str) -> None:
        answer = http.get(f"/v1/nasbench201/architectures/random?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"]


class TestCommandLine:
    def test_top_is_a_table_or_json(self, directory: Path) -> None:
        options = ["--dataset", "cifar100", "--num-epochs", "200", "--data", directory]
        done = nbs("top", "nasbench201", "--metric", "test_acc", "-n", "2", *options)
        # Into a pipe it is JSON.
        found = json.loads(done.stdout)
        assert [item["rank"] for item in found] == [1, 2]
        assert done.returncode == 0

    @pytest.mark.parametrize(
        "command",
        [
            ("pareto", "natssss", "--x", "test_acc", "--y", "flops", "--max", "flops=1000"),
            ("distribution", "natssss", "--metric", "test_acc", "--min", "test_acc=0"),
            ("rank", "natssss", "0", "--metric", "test_acc"),
        ],
    )
    def test_the_other_questions_about_all(self, directory: Path, command: Any) -> None:
        done = nbs(*command, "--dataset", "cifar10", "--num-epochs", "90", "--data", directory)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)

    def test_samples_and_neighbors(self, directory: Path) -> None:
        done = nbs("random", "natssss", "-n", "3", "--seed", "1", "--data", directory)
        (first, *others) = json.loads(done.stdout)
        assert len(others) == 2
        near = nbs("neighbors", "natssss", first["arch_str"], "--data", directory)
        assert len(json.loads(near.stdout)) == 35

    @pytest.mark.parametrize("content", ['[0, "1", {"0_1": "x"}]', "0\n1\n"])
    def test_a_batch_is_aligned_with_its_file(
        self, directory: Path, tmp_path: Path, content: str
    ) -> None:
        file = tmp_path / "architectures"
        file.write_text(content)
        options = ["--num-epochs", "200", "--dataset", "cifar10", "--reduction", "mean"]
        done = nbs("batch", "nasbench201", file, *options, "--data", directory)
        if "x" in content:
            assert done.returncode == 1
            assert "archs[2]" in done.stderr
        else:
            assert [items[0]["config"]["index"] for items in json.loads(done.stdout)] == [0, 1]

    def test_a_batch_of_no_benchmark_is_told_what_there_is(
        self, directory: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "archs").write_text("1\n")
        done = nbs("batch", "nasbench301", tmp_path / "archs", "--data", directory)
        assert done.returncode == 1
        assert "known are nasbench101, nasbench201" in done.stderr

    def test_cells_of_a_batch_may_be_objects(self, directory: Path, tmp_path: Path) -> None:
        cell = '{"op1": "conv3x3", "input1": [0], "input2": [1]}'
        file = tmp_path / "cells"
        file.write_text(f"{cell}\n{'0' * 32}\n")
        done = nbs("batch", "nasbench101", file, "--data", directory)
        assert [len(items) for items in json.loads(done.stdout)][1] == 0

    def test_a_bad_bound_is_a_usage_error(self, directory: Path) -> None:
        done = nbs(
            *("top", "nasbench201", "--metric", "test_acc", "--max", "flops"),
            *("--data", directory),
        )
        assert done.returncode == 2
        assert "NAME=NUMBER" in done.stderr

    def test_a_bad_metric_is_one_line(self, directory: Path) -> None:
        done = nbs("top", "nasbench201", "--metric", "beauty", "--data", directory)
        assert done.returncode == 1
        assert "unknown metric 'beauty'" in done.stderr
        assert "Traceback" not in done.stderr
