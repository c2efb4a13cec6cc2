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
    AsyncSimulation,
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
    Nb101Config,
    Nb201Architecture,
    Nb201Config,
    Nb201Curves,
    Nb201Hardware,
    Nb201Stats,
    NdsConfig,
    NdsDistribution,
    Ranked,
    RegisteredDataset,
    RegisteredWorker,
    Simulation,
    Standing,
    TableName,
    TradeOff,
)
from bench_client.choices import Nb201Dataset


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
    assert_type(bench.benchmarks(), Items[BenchmarkInfo])
    assert_type(bench.benchmark("nasbench201"), BenchmarkInfo)
    assert_type(bench.query("nasbench201", 0, 200), Items[Nb201Stats])
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
    assert_type(await bench.benchmarks(), Items[BenchmarkInfo])
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


def named(bench: BenchClient, name: str, datasets: list[Nb201Dataset]) -> None:
    part = {"dataset": "cifar100", "num_epochs": 200}
    best = bench.top("nasbench201", metric="test_acc", dataset="cifar100", max_flops=100, n=3)
    assert_type(best, Items[Ranked[Nb201Config]])
    assert_type(best[0].config.index, int)
    # Tables that are joined to a benchmark have metrics of its architectures.
    bench.top("nasbench201", metric="edgegpu_latency", min_edgegpu_energy=1.5)
    bench.top("nasbench201", metric="zero-cost-201.synflow", dataset="cifar10")
    assert_type(bench.top("nds", metric="flops", proposer="darts"), Items[Ranked[NdsConfig]])
    trade = bench.pareto("nasbench101", x="training_time", y="test_acc", max_training_time=1e4)
    assert_type(trade, Items[TradeOff[Nb101Config]])
    ranks = [bench.rank("nasbench201", 0, metric="test_acc", dataset=one) for one in datasets]
    assert_type(ranks, list[Standing[Nb201Config] | None])
    bench.correlation("nasbench201", x="test_acc", y="valid_acc", y_dataset="cifar100")
    bench.density("natssss", x="flops", y="test_acc", x_from=1, max_parameters=2)
    bench.distribution("transnasbench-micro", metric="zen", task="jigsaw")
    assert_type(bench.distribution("nds", metric="best_test_error"), Items[NdsDistribution])
    assert_type(bench.query("hw-nas-bench", 0, device="pixel3"), Items[Nb201Hardware])
    assert_type(bench.query_many("nasbench201", [0], 200), Batch[Nb201Stats])
    assert_type(bench.curves("nasbench201", 0), Items[Nb201Curves])
    assert_type(bench.describe("nasbench101", {}), Nb101Hash)
    assert_type(bench.random("nasbench201", n=3), Items[Nb201Architecture])
    bench.column("nasbench201", "@op.0_1", dataset="cifar10")
    bench.export("nasbench201", "x.csv", arch=0, seed=777)
    assert_type(bench.simulate("nasbench201", "cifar100", budget=1.0), Simulation)
    # What only the running program knows is asked with any filter.
    assert_type(bench.top(TableName(name), metric="acc", colour="x"), Items[Ranked[Any]])
    assert_type(bench.query(TableName("digits@3"), 0, **part), Items[Any])


async def named_awaited(bench: AsyncBenchClient, name: str) -> None:
    best = await bench.top("nasbench201", metric="test_acc", max_flops=100)
    assert_type(best, Items[Ranked[Nb201Config]])
    assert_type(await bench.query("nasbench201", 0, 200), Items[Nb201Stats])
    assert_type(bench.simulate("nasbench201", budget=1.0), AsyncSimulation)
    await bench.random(TableName(name))
    await bench.top("nasbench201", metric="test_acc", max_flps=1)  # type: ignore[call-overload]


def misspelt(bench: BenchClient, name: str, where: dict[str, str]) -> None:
    bench.top("nasbench201", metric="test_acc", max_flps=1)  # type: ignore[call-overload]
    bench.top("nasbench201", metric="test_acc", max_flops="1")  # type: ignore[call-overload]
    bench.top("nasbench101", metric="test_acc", max_latency=1)  # type: ignore[call-overload]
    bench.top("nasbench101", metric="test_acc", dataset="cifar10")  # type: ignore[call-overload]
    bench.top("nasbench201", metric="tst_acc")  # type: ignore[call-overload]
    bench.top("nasbench201", metric="test_acc", dataset="cifar")  # type: ignore[call-overload]
    bench.top("nasbench2001", metric="test_acc")  # type: ignore[call-overload]
    bench.top(name, metric="test_acc")  # type: ignore[call-overload]
    bench.rank("nds", {}, metric="flops")  # type: ignore[call-overload]
    bench.rank("nasbench201", 0, metric="flops", max_flops=1)  # type: ignore[call-overload]
    bench.neighbors("transnasbench-macro", "x")  # type: ignore[call-overload]
    bench.correlation("natssss", x="flops", y="flops", y_task="x")  # type: ignore[call-overload]
    bench.query("nasbench201", 0, 200, "cifar")  # type: ignore[call-overload]
    bench.query("hw-nas-bench", 0, device="tpu")  # type: ignore[call-overload]
    bench.query_many("nds", [], seed=1)  # type: ignore[call-overload]
    bench.curves("nasbenchmacro", 0)  # type: ignore[call-overload]
    bench.simulate("nds", budget=1.0)  # type: ignore[call-overload]
    bench.simulate("nasbench201", metric="fpga_energy", budget=1)  # type: ignore[call-overload]
    bench.export("nasbench201", "x.csv", sed=1)  # type: ignore[call-overload]
    bench.query_nb201(0, 200, "cifar")  # type: ignore[arg-type]
    bench.query_nds(proposer="dart")  # type: ignore[arg-type]
    bench.query_nds(sort="test_acc")  # type: ignore[arg-type]
    bench.query_nds(max_flps=1)  # type: ignore[call-arg]


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
