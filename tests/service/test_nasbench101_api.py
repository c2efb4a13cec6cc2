"""NAS-Bench-101 as any HTTP client sees it, and as every client of ours does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from nasbench101_cells import ARCH, HASH, MATRIX, MODULE, NAMES
from one_question import TWO_MODES, Ask, asking

from bench_client import (
    InvalidArchitectureError,
    InvalidRequestError,
    Nb101Stats,
)

STATS = "/v1/nasbench101/computed-stats"
BATCH = "/v1/nasbench101/computed-stats/query"
CURVES = "/v1/nasbench101/intermediate-stats"
HASHES = "/v1/nasbench101/hash"

STRANDED = {"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [1], "input3": [1]}
CHAIN = {"op1": "conv3x3", "input1": [0], "input2": [1]}
OUTSIDE = {"op1": "conv3x3", "input1": [0], "input2": []}


@pytest.fixture
def http(nasbench101_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=nasbench101_server, timeout=30) as client:
        yield client


def items(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["items"]
    return found


def refused(response: httpx.Response) -> str:
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["errors"][0]["loc"]
    return str(problem["detail"])


class TestComputedStats:
    def test_the_published_figures_of_the_golden_cell(self, http: httpx.Client) -> None:
        runs = items(http.get(STATS, params={"arch": HASH, "num_epochs": 108}))
        assert [run["repeat"] for run in runs] == [0, 1, 2]
        assert [run["valid_acc"] for run in runs] == pytest.approx(
            [92.41786599, 92.45793223, 93.04887652], abs=1e-8
        )
        assert [run["test_acc"] for run in runs] == pytest.approx(
            [92.11738706, 91.90705419, 92.15745330], abs=1e-8
        )
        assert [run["train_acc"] for run in runs] == [100, 100, 100]
        assert [run["training_time"] for run in runs] == pytest.approx(
            [1769.1279, 1768.2510, 1768.9760], abs=1e-4
        )
        assert {run["parameters"] for run in runs} == {8.55553}
        assert runs[0]["config"] == {
            "arch": ARCH,
            "num_vertices": 7,
            "hash": HASH,
            "num_epochs": 108,
            "trainable_parameters": 8_555_530,
        }

    @pytest.mark.parametrize("arch", [ARCH, MODULE, dict(reversed(ARCH.items()))])
    def test_every_spelling_gives_the_same_answer(self, http: httpx.Client, arch: Any) -> None:
        expected = http.get(STATS, params={"arch": HASH}).json()
        assert len(expected["items"]) == 12
        assert http.get(STATS, params={"arch": json.dumps(arch)}).json() == expected

    def test_isomorphism_false_matches_the_very_cell_alone(self, http: httpx.Client) -> None:
        for arch, found in ((CHAIN, 3), (STRANDED, 0)):
            asked = {"arch": json.dumps(arch), "num_epochs": 4}
            assert len(items(http.get(STATS, params=asked))) == 3
            assert len(items(http.get(STATS, params={**asked, "isomorphism": "true"}))) == 3
            assert len(items(http.get(STATS, params={**asked, "isomorphism": "false"}))) == found

    def test_intermediates_come_along(self, http: httpx.Client) -> None:
        asked = {"arch": HASH, "num_epochs": 108, "include_intermediates": "true"}
        runs = items(http.get(STATS, params=asked))
        assert [run["intermediates"][0]["valid_acc"] for run in runs] == pytest.approx(
            [77.76442170, 82.91265965, 81.15985394], abs=1e-8
        )
        assert [epoch["current_epoch"] for epoch in runs[0]["intermediates"]] == [54, 108]

    def test_a_reduction_leaves_one_item(self, http: httpx.Client) -> None:
        asked = {"arch": HASH, "num_epochs": 108, "reduction": "mean"}
        (mean,) = items(http.get(STATS, params=asked))
        assert (mean["repeat"], mean["num_runs"]) == (None, 3)
        assert mean["valid_acc"] == pytest.approx(92.64155825)

    def test_what_is_not_there_is_an_empty_list(self, http: httpx.Client) -> None:
        assert items(http.get(STATS, params={"arch": "0" * 32})) == []

    def test_a_budget_of_no_run_is_refused_with_those_that_there_are(
        self, http: httpx.Client
    ) -> None:
        answer = http.get(STATS, params={"arch": HASH, "num_epochs": 107})
        assert answer.status_code == 422
        assert "unknown num_epochs 107; known are 4, 12, 36, 108" in answer.text

    def test_an_etag_spares_the_second_answer(self, http: httpx.Client) -> None:
        first = http.get(STATS, params={"arch": HASH})
        again = http.get(
            STATS, params={"arch": HASH}, headers={"If-None-Match": first.headers["etag"]}
        )
        assert again.status_code == 304

    @pytest.mark.parametrize(
        ("params", "reason"),
        [
            ({"arch": json.dumps(OUTSIDE)}, "cannot be reached"),
            ({"arch": "nonsense"}, "JSON or a hash"),
            ({"arch": json.dumps({**CHAIN, "op1": "conv9x9"})}, "not an operation"),
            ({"arch": json.dumps({**CHAIN, "input1": [2]})}, "upper triangular"),
            ({"isomorphism": "perhaps"}, "isomorphism"),
            ({"num_epochs": "many"}, "num_epochs"),
            ({"num_epochs": "0"}, "num_epochs"),
            ({"seed": "1"}, "seed"),
            ({"reduction": "median"}, "reduction"),
            ({"limit": "1001"}, "limit"),
            ({"cursor": "x"}, "cursor"),
        ],
    )
    def test_a_malformed_question_is_refused(
        self, http: httpx.Client, params: dict[str, str], reason: str
    ) -> None:
        for path in (STATS, CURVES):
            assert reason in refused(http.get(path, params=params))


class TestBatch:
    def test_is_aligned_whatever_is_in_it(self, http: httpx.Client) -> None:
        archs = [HASH, OUTSIDE, MODULE, "0" * 32, STRANDED, 5]
        asked = {"archs": archs, "num_epochs": 36, "reduction": "max"}
        answer = http.post(BATCH, json=asked).json()
        first, outside, module, unknown, stranded, number = answer["results"]
        assert (
            first
            == module
            == items(http.get(STATS, params={"arch": HASH, "num_epochs": 36, "reduction": "max"}))
        )
        assert "cannot be reached" in outside["error"]["detail"]
        assert number["error"]["status"] == 422
        assert unknown == []
        assert stranded[0]["config"]["arch"] == CHAIN
        assert answer["provenance"]["benchmark"] == "nasbench101"

    def test_takes_isomorphism_and_intermediates(self, http: httpx.Client) -> None:
        asked = {"archs": [STRANDED, CHAIN], "num_epochs": 4, "isomorphism": False}
        answer = http.post(BATCH, json={**asked, "include_intermediates": True}).json()
        assert [len(runs) for runs in answer["results"]] == [0, 3]
        assert [epoch["current_epoch"] for epoch in answer["results"][1][0]["intermediates"]] == [
            2,
            4,
        ]

    @pytest.mark.parametrize(
        "body",
        [
            {"archs": [HASH] * 10_001},
            {"archs": HASH},
            {},
            {"archs": [HASH], "isomorphism": "false"},
            {"archs": [HASH], "dataset": "cifar10"},
        ],
        ids=lambda body: str(body)[:40],
    )
    def test_a_malformed_one_is_refused(self, http: httpx.Client, body: dict[str, Any]) -> None:
        refused(http.post(BATCH, json=body))


class TestCurves:
    def test_come_in_columns(self, http: httpx.Client) -> None:
        curve, *_ = items(http.get(CURVES, params={"arch": HASH, "num_epochs": 108}))
        assert curve["current_epoch"] == [54, 108]
        assert curve["valid_acc"] == pytest.approx([77.76442170, 92.41786599], abs=1e-8)
        assert curve["training_time"] == [883.4580078125, 1769.1279296875]


class TestHash:
    def test_of_one_cell(self, http: httpx.Client) -> None:
        expected = {
            "hash": HASH,
            "num_vertices": 7,
            "num_edges": 9,
            "arch": ARCH,
            "in_benchmark": True,
        }
        for arch in (ARCH, MODULE, json.dumps(ARCH), HASH):
            assert http.post(HASHES, json={"arch": arch}).json() == expected

    def test_tells_the_pruned_cell(self, http: httpx.Client) -> None:
        told = http.post(HASHES, json={"arch": STRANDED}).json()
        assert (told["num_vertices"], told["num_edges"], told["arch"]) == (3, 2, CHAIN)

    def test_of_a_hash_without_runs_knows_no_more(self, http: httpx.Client) -> None:
        told = http.post(HASHES, json={"arch": "0" * 32}).json()
        assert told == {
            "hash": "0" * 32,
            "num_vertices": None,
            "num_edges": None,
            "arch": None,
            "in_benchmark": False,
        }

    def test_of_many_is_aligned(self, http: httpx.Client) -> None:
        results = http.post(HASHES, json={"archs": [ARCH, OUTSIDE, CHAIN]}).json()["results"]
        assert [result.get("hash") for result in results] == [
            HASH,
            None,
            "b49ac8c578b4561d79ac7087988f1c61",
        ]
        assert "cannot be reached" in results[1]["error"]["detail"]
        assert http.post(HASHES, json={"archs": []}).json() == {"results": []}

    def test_of_a_cell_outside_the_space_is_refused_with_the_reason(
        self, http: httpx.Client
    ) -> None:
        assert "cannot be reached" in refused(http.post(HASHES, json={"arch": OUTSIDE}))
        eight = {"module_adjacency": [[0] * 8] * 8, "module_operations": NAMES}
        assert "8 vertices" in refused(http.post(HASHES, json={"arch": eight}))

    @pytest.mark.parametrize(
        "body",
        [{}, {"arch": None}, {"arch": HASH, "archs": [HASH]}, {"archs": None}, {"archs": HASH}],
        ids=str,
    )
    def test_a_question_for_neither_or_both_is_refused(
        self, http: httpx.Client, body: dict[str, Any]
    ) -> None:
        refused(http.post(HASHES, json=body))


def test_the_benchmark_describes_itself(http: httpx.Client) -> None:
    info = http.get("/v1/benchmarks/nasbench101").json()
    assert (info["num_architectures"], info["budgets"]) == (423_624, [4, 12, 36, 108])
    units = {(field["kind"], field["name"]): field["unit"] for field in info["fields"]}
    assert units["computed", "training_time"] == "seconds"
    assert units["computed", "parameters"] == "millions"
    assert units["intermediate", "valid_acc"] == "percent"
    assert units["config", "trainable_parameters"] is None


class TestEveryClient:
    @pytest.fixture(params=TWO_MODES)
    def ask(
        self, request: pytest.FixtureRequest, nasbench101_server: str, nasbench101_folder: Path
    ) -> Ask:
        return asking(request.param, nasbench101_server, nasbench101_folder)

    def test_returns_typed_runs(self, ask: Ask) -> None:
        runs = ask(lambda bench: bench.query_nb101(ARCH, 108))
        assert all(isinstance(run, Nb101Stats) for run in runs)
        assert [run.repeat for run in runs] == [0, 1, 2]
        assert runs[0].config.arch == ARCH
        assert runs[0].config.trainable_parameters == 8_555_530
        assert runs[0].intermediates is None

    @pytest.mark.parametrize(
        "arch",
        [HASH, MODULE, {**MODULE, "module_adjacency": np.array(MATRIX)}, json.dumps(ARCH)],
        ids=["hash", "module", "array", "text"],
    )
    def test_understands_every_spelling(self, ask: Ask, arch: Any) -> None:
        (mean,) = ask(lambda bench: bench.query_nb101(arch, 108, reduction="mean"))
        assert math.isclose(mean.valid_acc, 92.64155825, abs_tol=1e-8)
        assert ask(lambda bench: bench.hash_nb101(arch)).hash == HASH

    def test_takes_isomorphism(self, ask: Ask) -> None:
        assert len(ask(lambda bench: bench.query_nb101(STRANDED, 4))) == 3
        assert ask(lambda bench: bench.query_nb101(STRANDED, 4, isomorphism=False)) == []
        assert len(ask(lambda bench: bench.query_nb101(CHAIN, 4, isomorphism=False))) == 3

    def test_asks_for_many(self, ask: Ask) -> None:
        many = ask(
            lambda bench: bench.query_nb101_many(
                iter([HASH, "0" * 32, CHAIN]), 12, include_intermediates=True
            )
        )
        assert [len(runs) for runs in many] == [3, 0, 3]
        assert [epoch.current_epoch for epoch in many[0][0].intermediates] == [6, 12]

    def test_names_the_members_outside_the_space(self, ask: Ask) -> None:
        for question in ("query_nb101_many", "hash_nb101_many"):
            with pytest.raises(InvalidArchitectureError, match="cannot be reached") as caught:
                ask(lambda bench, name=question: getattr(bench, name)([HASH, OUTSIDE]))
            assert caught.value.positions == (1,)
            assert caught.value.results[0]

    def test_gives_curves_in_columns(self, ask: Ask) -> None:
        curves = ask(lambda bench: bench.curves_nb101(HASH, 108))
        assert curves[0].current_epoch == [54, 108]
        assert curves[0].training_time == [883.4580078125, 1769.1279296875]

    def test_hashes_one_or_many(self, ask: Ask) -> None:
        one = ask(lambda bench: bench.hash_nb101(STRANDED))
        assert (one.num_vertices, one.in_benchmark) == (3, True)
        assert ask(lambda bench: bench.hash_nb101_many([STRANDED, ARCH]))[1].hash == HASH

    def test_pages_through_everything(self, ask: Ask) -> None:
        assert len(ask(lambda bench: bench.query_nb101())) == 1104
        assert len(ask(lambda bench: bench.query("nasbench101", None, 108))) == 276

    def test_raises_for_what_is_malformed(self, ask: Ask) -> None:
        with pytest.raises(InvalidArchitectureError, match="cannot be reached"):
            ask(lambda bench: bench.query_nb101(OUTSIDE))
        with pytest.raises(InvalidArchitectureError, match="cannot be reached"):
            ask(lambda bench: bench.hash_nb101(OUTSIDE))
        with pytest.raises(InvalidRequestError):
            ask(lambda bench: bench.query_nb101(HASH, isomorphism="no"))
        with pytest.raises(InvalidRequestError):
            ask(lambda bench: bench.query_nb101(HASH, "108"))
