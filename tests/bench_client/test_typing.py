from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bench_client

PROGRAM = """
from collections.abc import Coroutine
from typing import Any, assert_type

from bench_client import (
    AsyncBenchClient,
    Batch,
    BenchClient,
    BenchmarkInfo,
    InvalidArchitectureError,
    Items,
    Nb101Curves,
    Nb101Hash,
    Nb101Stats,
    Nb201Architecture,
    Nb201Curves,
    Nb201Stats,
)


def blocking(bench: BenchClient) -> float | None:
    runs = bench.query_nb201("0", 200, dataset="cifar100", reduction="mean")
    assert_type(runs, Items[Nb201Stats])
    assert_type(runs[0].test_acc, float | None)
    assert_type(runs[:2], Items[Nb201Stats])
    assert_type(Items((run for run in runs if run.seed), Nb201Stats), Items[Nb201Stats])
    as_list: list[Nb201Stats] = runs
    runs.to_pandas(intermediates=True)
    assert_type(runs[0].config.arch, dict[str, str])
    assert_type(bench.query_nb201_many(range(3)), Batch[Nb201Stats])
    assert_type(bench.query_nb201_many(range(3))[0][0], Nb201Stats)
    assert_type(bench.curves_nb201(arch=0), Items[Nb201Curves])
    assert_type(bench.describe_nb201(["none"] * 6), Nb201Architecture)
    assert_type(bench.query_nb101({"op1": "conv3x3"}, 108, isomorphism=False), Items[Nb101Stats])
    assert_type(bench.query_nb101_many(["0" * 32]), Batch[Nb101Stats])
    assert_type(bench.query_nb101()[0].config.arch, dict[str, str | list[int]])
    assert_type(bench.curves_nb101(), Items[Nb101Curves])
    assert_type(bench.hash_nb101({}), Nb101Hash)
    assert_type(bench.hash_nb101_many([{}]), Items[Nb101Hash])
    assert_type(bench.benchmarks(), list[BenchmarkInfo])
    assert_type(bench.benchmark("nasbench201"), BenchmarkInfo)
    assert_type(bench.query("nasbench201", 0, 200), list[Any])
    assert_type(BenchClient.query_nb201(bench, 0), Items[Nb201Stats])
    assert_type(BenchClient.local("x"), BenchClient)
    with BenchClient("http://lab:8000", timeout=1, retries=0, cache=True) as opened:
        assert_type(opened, BenchClient)
    return as_list[0].latency


async def awaited(bench: AsyncBenchClient) -> None:
    await assert_type(bench.query_nb201(0), Coroutine[Any, Any, Items[Nb201Stats]])
    bench.query_nb201(0)  # type: ignore[unused-coroutine]
    assert_type(await bench.query_nb201(0), Items[Nb201Stats])
    assert_type(await bench.query_nb201_many([0]), Batch[Nb201Stats])
    assert_type(await bench.describe_nb201({"0_1": "none"}), Nb201Architecture)
    assert_type(await bench.benchmarks(), list[BenchmarkInfo])
    async with AsyncBenchClient.local() as opened:
        assert_type(opened, AsyncBenchClient)


def mistakes(bench: BenchClient, error: InvalidArchitectureError) -> None:
    bench.query_nb201(0, reduction="sum")  # type: ignore[arg-type]
    bench.query_nb201(0, 200, "cifar100", 777, "mean")  # type: ignore[call-arg]
    bench.query_nb201(0, epochs=200)  # type: ignore[call-arg]
    bench.query_nb101("0", 108, True)  # type: ignore[call-arg]
    bench.query_nb101(7)  # type: ignore[arg-type]
    bench.query_nb201(1.5)  # type: ignore[arg-type]
    bench.query_nb201(0)[0].test_acc = 1.0  # type: ignore[misc]
    bench.query_nb999(0)  # type: ignore[attr-defined]
    BenchClient("http://lab:8000", 1.0)  # type: ignore[call-arg]
    BenchClient("http://lab:8000", cache=7)  # type: ignore[arg-type]
    runs = bench.query_nb201(0)
    runs.to_pandas(True)  # type: ignore[call-arg]
    assert_type(error.positions, tuple[int, ...])
"""


def test_the_surface_has_the_static_types_that_users_see(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    root = Path(bench_client.__file__).parents[1]
    # In the repository's own configuration and cache: strict, so an ignored mistake that is none
    # is an error too.
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert run.stdout.startswith("Success"), run.stdout + run.stderr
