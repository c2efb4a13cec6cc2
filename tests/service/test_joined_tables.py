"""Tables that measure the architectures of a benchmark: their columns are metrics of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from bench_server import BenchServer, ending_together

from bench_client import BenchClient
from bench_client.errors import InvalidRequestError
from generators.declared import generate_table

DECLARATION: Final = """
name = "my-scores"
title = "My scores"
citation = "Nobody 2026"
licence = "MIT"

[space]
like = "nasbench201"

[parts]
dataset = { values = ["cifar10"], same_as = { cifar10-valid = "cifar10" } }

[rows]
reader = "csv"
arch = "arch"

[metrics.score]
path = "score"
unit = "score"
better = "larger"

[metrics.milliwatts]
path = "power"
unit = "watts"
better = "smaller"

[check]
range = { score = [-10, 20000], milliwatts = [0, 20000] }
golden = [{ arch = 7, score = 7.0 }]
"""
PART: Final = {"dataset": "cifar10-valid", "num_epochs": 200}


@pytest.fixture(scope="module")
def folder(sample_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of NAS-Bench-201 and of scores: the index of every architecture but the last."""
    folder = tmp_path_factory.mktemp("joined")
    shutil.copy(sample_database, folder)
    (folder / "my.toml").write_text(DECLARATION)
    lines = ["arch,score,power", *(f"{index},{index},{index % 5}" for index in range(15_624))]
    (folder / "my.csv").write_text("\n".join(lines))
    generate_table(folder / "my.toml", folder / "my.csv", folder)
    return folder


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("server"), folder)).url


@pytest.fixture(scope="module", params=["http", "local"])
def bench(request: pytest.FixtureRequest, folder: Path, url: str) -> Iterator[BenchClient]:
    with BenchClient(url) if request.param == "http" else BenchClient.local(folder) as client:
        yield client


@pytest.mark.filterwarnings("ignore::bench_client.errors.SyntheticDataWarning")
class TestMetrics:
    def test_rank(self, bench: BenchClient) -> None:
        found = bench.top("nasbench201", metric="my-scores.score", n=3, **PART)
        having = sorted(run.config.index for run in bench.query_nb201(None, 200, "cifar10-valid"))
        known = sorted({index for index in having if index < 15_624}, reverse=True)
        assert [item.value for item in found] == known[:3] == [i.config.index for i in found]
        standing = bench.rank("nasbench201", known[1], metric="my-scores.score", **PART)
        assert standing is not None
        assert standing.rank == 2

    def test_bound_and_trade_off(self, bench: BenchClient) -> None:
        bound: dict[str, Any] = {"max_my-scores.milliwatts": 1}
        found = bench.top("nasbench201", metric="valid_acc", n=100, **PART, **bound)
        assert found
        assert {item.config.index % 5 for item in found} <= {0, 1}
        front = bench.pareto("nasbench201", x="valid_acc", y="my-scores.milliwatts", **PART)
        assert front[-1].metrics["my-scores.milliwatts"] == min(
            item.metrics["my-scores.milliwatts"] or 0 for item in front
        )

    def test_correlate(self, bench: BenchClient) -> None:
        found = bench.correlation("nasbench201", x="my-scores.score", y="valid_acc", **PART)
        turned = bench.correlation("nasbench201", x="valid_acc", y="my-scores.score", **PART)
        assert found.n == turned.n > 5
        assert found.kendall == pytest.approx(turned.kendall)

    @pytest.mark.parametrize(
        ("ask", "told"),
        [
            (
                lambda b: b.top("nasbench201", metric="my-scores.scor", **PART),
                r"is it my-scores.score.*\? there are \d+: `nbs info",
            ),
            (
                lambda b: b.top("nasbench201", metric="zero-cost-201.synflow", **PART),
                "to zero-cost-201, which is not installed: .*`nbs generate zero-cost-201 RAW`",
            ),
            (
                lambda b: b.top(
                    "nasbench201", metric="my-scores.score", dataset="cifar100", num_epochs=200
                ),
                "unknown dataset 'cifar100'; known are cifar10",
            ),
        ],
    )
    def test_what_they_lack_is_told(
        self, bench: BenchClient, ask: Callable[[Any], Any], told: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=told):
            ask(bench)


def test_a_joined_table_answers_for_itself(bench: BenchClient) -> None:
    (item,) = bench.query("my-scores", 9)
    assert (item.score, item.milliwatts, item.config.index) == (9.0, 4.0, 9)
    assert len(bench.neighbors("my-scores", 9)) == 24
    assert bench.query("my-scores", item.config.arch_str)[0] == item
    assert bench.query("my-scores", 15_624) == []


def test_the_document_has_their_bounds(url: str) -> None:
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    named = {p["name"]: p for p in paths["/v1/nasbench201/top"]["get"]["parameters"]}
    assert "my-scores.score" in named["metric"]["schema"]["enum"]
    assert named["min_my-scores.score"]["description"] == (
        "Minimum of my-scores.score, in score, inclusive."
    )
    others = {p["name"] for p in paths["/v1/natssss/top"]["get"]["parameters"]}
    assert "min_my-scores.score" not in others
