"""A table costs one file: a declaration and a raw file in empty folders, and everything answers.

If any list of the product had to be told of a table, this would fail: the table's name is written
nowhere but here and in the declaration.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import forked_nbs
import httpx
import pytest
from bench_server import BenchServer, ending_together
from declared_tables import RAW, archs, rows, written_declaration

from bench_client import BenchClient
from bench_client.errors import (
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    UnsupportedQuestionError,
)
from benchmark_db.registry import INSTALLABLE
from benchmark_spec import RESERVED_NAMES
from service.app import create_app

NAME: Final = "tiny-table"
REPOSITORY: Final = Path(__file__).resolve().parents[2]


def nbs(*arguments: object) -> str:
    """Return what a command prints, in a process of its own."""
    ended = forked_nbs.nbs(*map(str, arguments), cwd=REPOSITORY, HOME="/nonexistent")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that held nothing before `nbs generate --table`."""
    declared, databases = tmp_path_factory.mktemp("declared"), tmp_path_factory.mktemp("databases")
    (declared / "runs.csv").write_bytes(RAW["csv"][1](rows()))
    path = written_declaration(declared)
    nbs("generate", "--table", path, declared / "runs.csv", "--out", databases)
    assert [found.name for found in databases.iterdir()] == [f"{NAME}.db"]
    return databases


@pytest.fixture(scope="module")
def url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ending_together() as start:
        yield start(BenchServer(tmp_path_factory.mktemp("server"), folder)).url


@pytest.fixture(scope="module", params=["http", "local"])
def bench(request: pytest.FixtureRequest, folder: Path, url: str) -> Iterator[BenchClient]:
    with BenchClient(url) if request.param == "http" else BenchClient.local(folder) as client:
        yield client


def test_the_command_line_knows_it(folder: Path, url: str) -> None:
    verified = json.loads(nbs("verify", folder / f"{NAME}.db"))
    (info,) = json.loads(nbs("info", "--data", folder))["installed"]
    assert verified == info
    for place in (["--data", folder], ["--url", url]):
        (run,) = json.loads(
            nbs("query", NAME, archs()[5], "--where", "dataset=one", "--where", "seed=1", *place)
        )
        assert run["test_acc"] == 21.0
        (best,) = json.loads(
            nbs("top", NAME, "--metric", "test_acc", "--dataset", "two", "-n", 1, *place)
        )
        assert best["config"]["arch_str"] == "pool|pool|pool"
        front = json.loads(
            nbs("pareto", NAME, "--x=test_acc", "--y=parameters", "--dataset=one", *place)
        )
        assert len(front) == 27
        exported = list(csv.DictReader(io.StringIO(nbs("export", NAME, "--format", "csv", *place))))
        assert [float(row["test_acc"]) for row in exported[:4]] == [15.0, 16.0, 45.0, 46.0]
        assert len(exported) == 108


def test_every_question_is_answered(bench: BenchClient) -> None:
    name = NAME
    (run,) = bench.query(name, 5, "one", 12, 0)
    assert (run.test_acc, run.loss, run.seed, run.config.arch) == (
        *(20.0, 1.25, 0),
        ["skip", "conv", "pool"],
    )
    assert len(bench.query(name)) == 108
    (mean,) = bench.query(name, ["skip", "conv", "pool"], dataset="one", reduction="mean")
    assert (mean.test_acc, mean.seed, mean.num_runs) == (20.5, None, 2)
    several = bench.query_many(name, archs(), dataset="two", seed=1)
    assert [found[0].test_acc for found in several] == [46.0 + index for index in range(27)]
    assert [item.value for item in bench.top(name, metric="loss", dataset="one", n=2)] == [
        0.25,
        0.5,
    ]
    (worst,) = bench.top(name, metric="test_acc", dataset="one", max_test_acc=15.5)
    assert worst.config.index == 0
    standing = bench.rank(name, "pool|pool|pool", metric="test_acc", dataset="two")
    assert standing is not None
    assert (standing.rank, standing.of, standing.regret) == (1, 27, 0.0)
    (spread,) = bench.distribution(name, metric="test_acc", dataset="one", points=5)
    assert (spread.count, spread.min, spread.max) == (27, 15.5, 41.5)
    agreement = bench.correlation(
        name, x="test_acc", y="loss", dataset="one", y_dataset="two", top_k=3, resamples=20
    )
    assert (agreement.n, agreement.kendall, agreement.top_k_overlap) == (26, 1.0, 0.0)
    assert agreement.intervals is not None
    assert agreement.intervals.kendall == [1.0, 1.0]
    assert len({item.index for item in bench.random(name, n=27, seed=1)}) == 27
    assert [item.arch_str for item in bench.neighbors(name, 0)] == [
        *("conv|skip|skip", "pool|skip|skip", "skip|conv|skip", "skip|pool|skip"),
        *("skip|skip|conv", "skip|skip|pool"),
    ]
    info = bench.benchmark(name)
    assert [field.name for field in info.fields] == [
        *("arch", "arch_str", "index", "dataset", "num_epochs"),
        *("seed", "num_runs", "test_acc", "loss", "parameters"),
    ]
    assert {field.name: field.unit for field in info.fields}["loss"] == "cross-entropy"


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda b: b.query(NAME, datset="one"), InvalidRequestError, "did you mean dataset"),
        (lambda b: b.query(NAME, dataset="three"), InvalidRequestError, "known are one, two"),
        (lambda b: b.query(NAME, num_epochs="12"), InvalidRequestError, "whole number"),
        (
            lambda b: b.query(NAME, 0, seed=7),
            InvalidRequestError,
            "unknown seed 7; known are 0, 1$",
        ),
        (lambda b: b.query_many(NAME, [0], seed=2), InvalidRequestError, "known are 0, 1$"),
        (lambda b: b.curves(NAME, 0), InvalidRequestError, "records no learning curves"),
        (lambda b: b.query(NAME, "skip"), InvalidArchitectureError, "choices|no architecture"),
        (lambda b: b.query_many(NAME, [1, True, 27]), InvalidArchitectureError, "2 of 3"),
        (lambda b: b.top(NAME, metric="test_acc"), InvalidRequestError, "which dataset"),
        (lambda b: b.top(NAME, metric="beauty", dataset="one"), InvalidRequestError, "known are"),
        (lambda b: b.query("other-table"), BenchmarkNotInstalledError, "other-table"),
        (lambda b: b.top("other-table", metric="x"), BenchmarkNotInstalledError, "other-table"),
    ],
)
def test_what_cannot_be_asked_is_told(
    bench: BenchClient, ask: Callable[[Any], Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        ask(bench)


def test_a_frame_has_a_column_for_each_place(bench: BenchClient) -> None:
    frame = bench.query(NAME, dataset="one", seed=0).to_pandas()
    assert list(frame.columns) == [
        *("arch_str", "index", "dataset", "num_epochs", "choice1", "choice2", "choice3"),
        *("seed", "num_runs", "test_acc", "loss", "parameters"),
    ]
    assert list(frame.choice3[:3]) == ["skip", "conv", "pool"]


def test_the_document_describes_it(url: str) -> None:
    document = httpx.get(f"{url}/openapi.json").json()
    topics = [path.removeprefix(f"/v1/{NAME}/") for path in document["paths"] if NAME in path]
    assert sorted(topics) == [
        *("architecture", "architectures/neighbors", "architectures/random", "column", "columns"),
        *("computed-stats", "computed-stats/query", "correlation", "density", "distribution"),
        *("export", "pareto", "picture", "rank", "spellings", "top"),
    ]
    parameters = document["paths"][f"/v1/{NAME}/top"]["get"]["parameters"]
    named = {parameter["name"]: parameter for parameter in parameters}
    assert named["metric"]["schema"]["enum"] == ["test_acc", "loss", "parameters"]
    assert named["dataset"]["required"]
    assert named["max_loss"]["description"] == "Maximum of loss, in cross-entropy, inclusive."
    stats = document["components"]["schemas"]["TinyTableStats"]["properties"]
    assert stats["parameters"]["unit"] == "millions"


def test_its_answers_may_be_kept(url: str) -> None:
    path = f"{url}/v1/{NAME}/top?metric=test_acc&dataset=one"
    tag = httpx.get(path).headers["ETag"]
    assert httpx.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_batch_needs_no_more_than_reading(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    key = nbs("keys", "create", "reader", "--scope", "read", "--data", data).strip()
    with ending_together() as start:
        server = start(BenchServer(tmp_path, data, NASBENCH_READ_ACCESS="keyed"))
        with BenchClient(server.url, api_key=key) as client:
            assert len(client.query_many(NAME, [1, 2])) == 2


def test_hw_costs_have_no_query_of_a_table(bench: BenchClient) -> None:
    with pytest.raises((BenchmarkNotInstalledError, UnsupportedQuestionError)):
        bench.query_many("hw-nas-bench", [1])


def test_no_table_can_be_called_what_an_address_means() -> None:
    document = create_app().openapi()
    first = {path.split("/")[2] for path in document["paths"] if path.startswith("/v1/")}
    assert first - set(INSTALLABLE) <= RESERVED_NAMES
