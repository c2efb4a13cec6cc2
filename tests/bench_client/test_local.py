from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    ServerFailedError,
)
from missing_extra import install_command

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "runs": lambda bench: bench.query_nb201(0),
    "nothing": lambda bench: bench.query_nb201(15_000),
    "everything": lambda bench: bench.query_nb201(),
    "mean": lambda bench: bench.query_nb201(None, 200, "CIFAR10", reduction="mean"),
    "epochs": lambda bench: bench.query_nb201(0, 200, "cifar100", include_intermediates=True),
    "many": lambda bench: bench.query_nb201_many([0, "1", 15_000], 12, seed=111),
    "curves": lambda bench: bench.curves_nb201(0, 200, reduction="std"),
    "architecture": lambda bench: bench.describe_nb201(0),
    "benchmarks": lambda bench: bench.benchmarks(),
    "benchmark": lambda bench: bench.benchmark("nasbench201"),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))
def test_files_answer_what_the_service_answers(
    server: BenchmarkServer, databases: Path, question: Callable[[Any], Any]
) -> None:
    async def awaited() -> Any:
        async with AsyncBenchClient.local(databases) as bench:
            return await question(bench)

    with BenchClient(server.url) as remote, BenchClient.local(databases) as local:
        assert question(local) == question(remote) == asyncio.run(awaited())


@pytest.mark.parametrize(
    ("question", "kind", "field"),
    [
        (lambda bench: bench.query_nb201("x"), InvalidArchitectureError, "arch"),
        (lambda bench: bench.query_nb201(object()), InvalidArchitectureError, "arch"),
        (lambda bench: bench.describe_nb201(-1), InvalidArchitectureError, "arch"),
        (lambda bench: bench.query_nb201(0, 200, "svhn"), InvalidRequestError, "dataset"),
        (lambda bench: bench.query_nb201(0, 0), InvalidRequestError, "num_epochs"),
        (lambda bench: bench.query_nb201(0, seed=-1), InvalidRequestError, "seed"),
        (lambda bench: bench.query_nb201(0, reduction="sum"), InvalidRequestError, "reduction"),
    ],
)
def test_bad_questions_raise_what_they_raise_over_http(
    databases: Path, question: Callable[[Any], Any], kind: type[Exception], field: str
) -> None:
    with BenchClient.local(databases) as local, pytest.raises(InvalidRequestError) as caught:
        question(local)
    assert type(caught.value) is kind
    assert [error.loc for error in caught.value.errors] == [[field]]
    assert caught.value.problem is None


def test_the_folder_comes_from_the_environment_when_none_is_given(
    databases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCHMARK_DIR", str(databases))
    with BenchClient.local() as local:
        assert repr(local) == f"BenchClient.local({str(databases)!r})"


def test_the_default_folder_is_in_the_home_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NASBENCHMARK_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BenchmarkNotInstalledError, match=rf"{tmp_path}/\.nasbenchmark is not a"):
        BenchClient.local()


def test_a_folder_without_databases_is_told_at_once(tmp_path: Path) -> None:
    for kind in (BenchClient, AsyncBenchClient):
        with pytest.raises(
            BenchmarkNotInstalledError, match=r"holds no database .*nasbench201\.db.*NASBENCHMARK"
        ):
            kind.local(tmp_path)


def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "nasbench201.db").write_text("not a database, whatever its name says")
    with pytest.raises(BenchmarkNotInstalledError, match="not an SQLite database"):
        BenchClient.local(tmp_path)


def test_a_database_that_is_damaged_later_is_a_failure_of_what_answers(
    databases: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "nasbench201.db"
    shutil.copyfile(databases / damaged.name, damaged)
    with closing(sqlite3.connect(damaged)) as connection, connection:
        connection.execute("UPDATE curve SET data = x'00'")
    with BenchClient.local(tmp_path) as local:
        assert local.query_nb201(0)
        with pytest.raises(ServerFailedError, match="damaged"):
            local.curves_nb201(0)


def test_a_scan_leaves_the_event_loop_free(databases: Path) -> None:
    async def turns_meanwhile() -> int:
        turns = 0
        async with AsyncBenchClient.local(databases) as bench:
            scan = asyncio.create_task(bench.query_nb201(None, 200, include_intermediates=True))
            while not scan.done():
                await asyncio.sleep(0)
                turns += 1
            await scan
        return turns

    assert asyncio.run(turns_meanwhile()) > 20


def test_importing_the_client_brings_httpx_and_pydantic_only() -> None:
    program = (
        "import sys; before = set(sys.modules); import bench_client; bench_client.BenchClient;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert {"bench_client", "httpx", "pydantic"} <= loaded
    heavy = {"benchmark_db", "fastapi", "generators", "numpy", "orjson", "peewee", "service"}
    assert loaded & {*heavy, "starlette", "torch", "uvicorn", "playhouse"} == set()


@pytest.mark.parametrize("missing", ["peewee", "numpy", "orjson"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from bench_client import BenchClient\n"
        "try: BenchClient.local('.')\nexcept ImportError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"reading local databases needs {missing}: {install_command('local')}\n"


def test_a_part_of_ours_that_is_missing_is_not_blamed_on_an_extra() -> None:
    program = (
        "import sys; sys.modules['benchmark_db.catalog'] = None\n"
        "from bench_client import BenchClient\n"
        "try: BenchClient.local('.')\nexcept ImportError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "benchmark_db.catalog" in run.stdout
    assert "pip install" not in run.stdout


@pytest.mark.parametrize("value", ["200", 200.0, True, [200]], ids=repr)
@pytest.mark.parametrize("name", ["num_epochs", "seed"])
def test_what_is_no_whole_number_is_refused_by_every_client(
    server: BenchmarkServer, databases: Path, name: str, value: Any
) -> None:
    for bench in (BenchClient(server.url), BenchClient.local(databases)):
        with bench, pytest.raises(InvalidRequestError, match="not a whole number") as caught:
            bench.query_nb201(0, **{name: value})
        assert [error.loc for error in caught.value.errors] == [[name]]
