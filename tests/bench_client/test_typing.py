from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bench_client

PROGRAM = """
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, assert_type

from bench_client import (
    AsyncBenchClient,
    Batch,
    BenchClient,
    BenchmarkInfo,
    InvalidArchitectureError,
    Items,
    Job,
    JobArtifact,
    JobFailedError,
    Nb101Curves,
    Nb101Hash,
    Nb101Stats,
    Nb201Architecture,
    Nb201Curves,
    Nb201Stats,
    RegisteredDataset,
    RegisteredWorker,
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
    with BenchClient("http://lab:8000", timeout=1, retries=0, compress=True) as opened:
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


def jobs(bench: BenchClient, error: JobFailedError) -> Path:
    job = bench.evaluate(model="proxyless-mobile", dataset="imagenet-val", precision="bfloat16")
    assert_type(job, Job)
    assert_type(job.result, dict[str, Any] | None)
    assert_type(job.artifacts[0], JobArtifact)
    assert_type(bench.evaluate("nasbench201", 0, dataset="mine", checkpoint="0" * 64), Job)
    assert_type(bench.latency("nasbench201", [], dataset="cifar10", device="cpu", wait=False), Job)
    assert_type(bench.train("nds", {}, dataset="mine", recipe={"epochs": 3}, weights=True), Job)
    assert_type(bench.build(space="ProxylessNAS", arch={}, formats=("onnx", "report")), Job)
    assert_type(bench.job("x"), Job)
    assert_type(bench.job(job), Job)
    assert_type(bench.jobs(state="running", kind="latency", limit=None), list[Job])
    assert_type(bench.cancel(job), Job)
    assert_type(bench.wait(job, timeout=60, progress=lambda now: print(now.progress)), Job)
    assert_type(bench.workers(), list[RegisteredWorker])
    assert_type(bench.datasets(), list[RegisteredDataset])
    assert_type(bench.materialize("nasbench201", 0, dataset="cifar10"), Any)
    assert_type(BenchClient.wait(bench, job), Job)
    assert_type(error.job, Job)
    paths = bench.download(job, "out", names=["report.json"])
    assert_type(paths, dict[str, Path])
    return paths["report.json"]


async def jobs_awaited(bench: AsyncBenchClient) -> None:
    await assert_type(bench.latency(model="proxyless-mobile"), Coroutine[Any, Any, Job])
    bench.wait("x")  # type: ignore[unused-coroutine]
    job = await bench.build(model="proxyless-mobile", wait=False)
    assert_type(await bench.evaluate(model="proxyless-mobile", dataset="mine"), Job)
    assert_type(await bench.wait(job, timeout=None), Job)
    assert_type(await bench.job(job), Job)
    assert_type(await bench.jobs(), list[Job])
    assert_type(await bench.cancel("x"), Job)
    assert_type(await bench.workers(), list[RegisteredWorker])
    assert_type(await bench.datasets(), list[RegisteredDataset])
    assert_type(await bench.materialize(model="proxyless-mobile"), Any)
    assert_type(await bench.download(job, Path("out")), dict[str, Path])


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
    BenchClient("http://lab:8000", compress="gzip")  # type: ignore[arg-type]
    bench.evaluate(model="proxyless-mobile")  # type: ignore[call-arg]
    bench.evaluate(model="x", dataset="mine", precision="float8")  # type: ignore[arg-type]
    bench.latency(model="x", device="tpu")  # type: ignore[arg-type]
    bench.build(model="x", formats=["onyx"])  # type: ignore[list-item]
    bench.build("nasbench201", 0, "cifar10")  # type: ignore[call-arg]
    bench.jobs("running")  # type: ignore[call-arg]
    bench.jobs(state="done")  # type: ignore[arg-type]
    bench.wait("x", 60)  # type: ignore[call-arg]
    bench.cancel(7)  # type: ignore[arg-type]
    bench.job("x").state = "failed"  # type: ignore[misc]
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
