"""Measures the requests of search algorithms, beside other ways to query the same data.

    python benchmarks/searching.py [--data DIR] [--datasette PATH] [--nats-python PATH]
                                   [--seconds 60] [--write]

DIR contains full-size databases of NAS-Bench-201 (with HW-NAS-Bench) and NAS-Bench-101; the default
is small synthetic ones. `--nats-python` is a Python with `nats_bench` installed, which queries real
records in ../shared. `--write` writes table and plot into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import httpx
from load import paced, throughput
from processes import Server, constant_server, cpu_seconds, datasette_server, service

from bench_client import AsyncBenchClient, BenchClient, SyntheticDataWarning
from benchmark_db.nasbench201.architecture import arch_str, operations_at
from generators.registry import GENERATORS, SAMPLES

ROOT = Path(__file__).resolve().parents[1]
NATS_RECORDS = ROOT.parent / "shared/data/nasbench201/NATS-tss-v1_0-3ffb9-simple"
EVALUATIONS = 10_000
IN_FLIGHT = 32
WHICH = {"dataset": "cifar100", "num_epochs": 200}
PAGES = "/v1/nasbench201/computed-stats?num_epochs=12&limit=100&seed="
BEST = "metric=test_acc&dataset=cifar100&num_epochs=200"
RATE = 10
SINGLE = "/v1/nasbench201/computed-stats?num_epochs=200&dataset=cifar100&reduction=mean&arch="


@dataclass(frozen=True)
class Row:
    """A row of the table: what was measured, the figure, the goal, and its rate for the plot."""

    what: str
    measured: str
    reach: str
    rate: float | None = None


def random_search(bench: BenchClient, server: Server, archs: list[int]) -> Row:
    """Measure a random search in batches of 100."""
    bench.query_nb201_many(archs[:100], 200, "cifar100", reduction="mean")
    before, mine = cpu_seconds(server.pid), time.process_time()
    started = time.perf_counter()
    best = 0.0
    for start in range(0, EVALUATIONS, 100):
        batch = archs[start : start + 100]
        for (item,) in bench.query_nb201_many(batch, 200, "cifar100", reduction="mean"):
            best = max(best, item.test_acc or 0.0)
    wall = time.perf_counter() - started
    used, own = cpu_seconds(server.pid) - before, time.process_time() - mine
    return Row(
        f"random search, {EVALUATIONS:,} evaluations in batches of 100",
        f"{wall:.2f} s (server {used:.2f} s, client {own:.2f} s of a core)",
        "2 s",
    )


async def evolution(url: str, archs: list[int], evaluations: int) -> float:
    """Return the evaluations a second of a regularized evolution, 32 in flight."""
    rng = random.Random(0)  # noqa: S311 - a search to repeat
    population: list[tuple[float, int]] = []
    left = iter(range(evaluations))

    async with AsyncBenchClient(url) as bench:

        async def individual() -> None:
            for _ in left:
                arch = rng.randrange(len(archs))
                if len(population) > 50:  # noqa: PLR2004 - the size of the population
                    _, parent = max(rng.sample(population, 10))
                    arch = (parent + rng.randrange(1, 25)) % len(archs)
                (item,) = await bench.query_nb201(archs[arch], 200, "cifar100", reduction="mean")
                population.append((item.test_acc or 0.0, arch))
                del population[:-100]

        await bench.query_nb201(archs[0], 200, "cifar100", reduction="mean")
        started = time.perf_counter()
        await asyncio.gather(*(individual() for _ in range(IN_FLIGHT)))
        return evaluations / (time.perf_counter() - started)


def oracle(data: Path, name: str, bounds: dict[str, float], reach: str) -> Row:
    """Measure the ten best within two bounds on a fresh server, each query twice."""
    which = {"num_epochs": 108} if name == "nasbench101" else WHICH
    firsts, seconds = [], []
    with service(data) as server, httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http:
        http.get("/livez")
        for rank in range(5):
            # Other bounds make another query, whose columns are cached after the first one.
            params = {**which, **bounds, "max_training_time": 1e6 + rank, "metric": "test_acc"}
            for found in (firsts, seconds):
                started = time.perf_counter()
                http.get(f"/v1/{name}/top", params=params).raise_for_status()
                found.append((time.perf_counter() - started) * 1e3)
    return Row(
        f"top-10 with two constraints, {name}",
        f"first request {firsts[0]:.0f} ms, other bounds {median(firsts[1:]):.0f} ms, "
        f"repeated {median(seconds):.1f} ms",
        reach,
    )


def export(data: Path, name: str, reach: str) -> Row:
    """Measure the export of every final result as Parquet."""
    with service(data) as server, tempfile.TemporaryDirectory() as folder:
        with BenchClient(f"http://127.0.0.1:{server.port}", timeout=300) as bench:
            started = time.perf_counter()
            path = Path(bench.export(name, Path(folder) / "all.parquet"))
            wall = time.perf_counter() - started
        size = path.stat().st_size
        return Row(
            f"export of all results of {name} as Parquet",
            f"{wall:.1f} s, {size / 1e6:.0f} MB, server {server.peak_mb:.0f} MB",
            reach,
        )


def mixed(count: int) -> list[str]:
    """Return a mix of requests as from a lab: mostly for one architecture, sometimes for all."""
    rng = random.Random(0)  # noqa: S311 - a load to repeat
    kinds: list[tuple[int, Callable[[], str]]] = [
        (70, lambda: f"{SINGLE}{rng.randrange(count)}"),
        (10, lambda: f"{SINGLE}{rng.randrange(count)}&include_intermediates=true"),
        (5, lambda: f"{PAGES}{rng.choice([111, 777])}"),
        (5, lambda: f"/v1/nasbench201/architectures/random?n=20&seed={rng.randrange(10**6)}"),
        (5, lambda: f"/v1/nasbench201/top?{BEST}&max_flops={rng.randrange(50, 200)}"),
        (5, lambda: "/v1/benchmarks"),
    ]
    weights = [weight for weight, _ in kinds]
    return [make() for _, make in rng.choices(kinds, weights, k=20_000)]


def load_report(data: Path, count: int, seconds: float) -> Iterator[Row]:
    """Load a server with 64 clients, and compare latencies with those of a single client."""
    paths = mixed(count)
    with service(data) as server:
        alone, _ = paced(server.port, paths[:3000], clients=1, rate=0, seconds=10)
        unloaded = median(alone)
        paced(server.port, paths, clients=64, rate=0, seconds=seconds / 2)
        before = server.resident_mb
        for what, rate in ((f"{RATE} requests a second each", RATE), ("without a pause", 0)):
            latencies, errors = paced(server.port, paths, clients=64, rate=rate, seconds=seconds)
            ordered = sorted(latencies)
            p99 = ordered[int(0.99 * len(ordered))]
            yield Row(
                f"64 clients, {seconds:.0f} s of mixed requests, {what}",
                f"{len(ordered) / seconds:,.0f} a second, {errors} errors; median "
                f"{median(ordered) * 1e3:.1f} ms, p99 {p99 * 1e3:.0f} ms: "
                f"{p99 / unloaded:.0f} x the {unloaded * 1e3:.2f} ms of a single client",
                "no error, 20 x" if rate else "no error",
            )
        yield Row("memory over that load", f"{before:.0f} to {server.resident_mb:.0f} MB", "flat")


def side_by_side(
    data: Path, count: int, datasette: Path | None, nats: Path | None
) -> Iterator[Row]:
    """Measure queries a second for one architecture's mean results, by each way to query."""
    chosen = random.Random(0).sample(range(count), min(count, 300))  # noqa: S311 - a choice to repeat
    database = data / "nasbench201.db"
    with service(data) as ours, constant_server() as constant:
        bare = throughput(constant.port, ["/constant"])
        single = throughput(ours.port, [f"{SINGLE}{index}" for index in chosen])
        named = throughput(
            ours.port, [f"{SINGLE}{quote(arch_str(operations_at(index)))}" for index in chosen]
        )
    yield Row("a FastAPI route that returns a constant", f"{bare:,.0f} a second", "", bare)
    yield Row(
        "one query over HTTP, by index",
        f"{single:,.0f} a second, {single / bare:.2f}",
        "0.5",
        single,
    )
    yield Row(
        "one query over HTTP, by string", f"{named:,.0f} a second, {named / bare:.2f}", "0.5", named
    )
    with BenchClient.local(data) as bench:
        local = rate(lambda index: bench.query_nb201(index, 200, "cifar100"), chosen)
    yield Row("`BenchClient.local`", f"{local:,.0f} a second", "", local)
    connection = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    statement = "SELECT * FROM run WHERE arch_index = ? AND num_epochs = 200 AND dataset = 2"
    raw = rate(lambda index: connection.execute(statement, (index,)).fetchall(), chosen)
    connection.close()
    yield Row("sqlite3, its rows only", f"{raw:,.0f} a second", "", raw)
    if datasette is not None:
        with datasette_server(datasette, database) as other:
            view = "/nasbench201/computed_stats.json?num_epochs=200&dataset=cifar100&_shape=array"
            theirs = throughput(other.port, [f"{view}&index={index}" for index in chosen])
        yield Row("datasette on the same file", f"{theirs:,.0f} a second", "", theirs)
    if nats is not None and NATS_RECORDS.is_dir():
        yield nats_bench(nats)


def rate(ask: Callable[[int], Any], archs: list[int]) -> float:
    """Return the highest rate of queries a second of five rounds."""
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        for arch in archs:
            ask(arch)
        best = max(best, len(archs) / (time.perf_counter() - started))
    return best


_NATS = """
import sys, time
from nats_bench import create
started = time.perf_counter()
api = create(sys.argv[1], "tss", fast_mode=True, verbose=False)
opened = time.perf_counter() - started
api.get_more_info(0, "cifar100", hp="200", is_random=False)
api.get_more_info(11, "cifar100", hp="200", is_random=False)
started = time.perf_counter()
for _ in range(500):
    api.get_more_info(0, "cifar100", hp="200", is_random=False)
warm = (time.perf_counter() - started) / 500
api = create(sys.argv[1], "tss", fast_mode=True, verbose=False)
started = time.perf_counter()
api.get_more_info(0, "cifar100", hp="200", is_random=False)
print(opened, time.perf_counter() - started, warm)
"""


def nats_bench(python: Path) -> Row:
    """Measure the original package on its real records."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", _NATS, NATS_RECORDS],
        capture_output=True,
        text=True,
        check=True,
    )
    _, first, warm = map(float, done.stdout.split()[-3:])
    return Row(
        "`nats_bench` in its own process, an architecture asked for before",
        f"{1 / warm:,.0f} a second; {first * 1e3:.0f} ms the first time",
        "",
        1 / warm,
    )


def sample_data(folder: Path) -> Path:
    """Create small synthetic databases in a folder."""
    for name in ("nasbench101", "nasbench201", "hw-nas-bench"):
        raw = SAMPLES[name](folder / "raw", architectures=50, seed=0)
        GENERATORS[name](raw, folder, progress=lambda *_: None)
    return folder


def measure(arguments: argparse.Namespace, data: Path) -> Iterator[Row]:
    """Measure everything and yield the rows."""
    with BenchClient.local(data) as bench:
        count = bench.benchmark("nasbench201").provenance.contents["architectures"]
    rng = random.Random(0)  # noqa: S311 - a search to repeat
    archs = [rng.randrange(count) for _ in range(EVALUATIONS)]
    yield from side_by_side(data, count, arguments.datasette, arguments.nats_python)
    with service(data) as server, BenchClient(f"http://127.0.0.1:{server.port}") as bench:
        yield random_search(bench, server, archs)
        rates = [
            asyncio.run(evolution(f"http://127.0.0.1:{server.port}", archs[:1000], 3000))
            for _ in range(3)
        ]
        yield Row(
            f"regularized evolution, one architecture a request, {IN_FLIGHT} in flight",
            f"{', '.join(f'{found:,.0f}' for found in sorted(rates))} a second",
            "1,500",
        )
    yield oracle(data, "nasbench201", {"max_edgegpu_latency": 100.0}, "20 ms, repeated 5 ms")
    yield oracle(data, "nasbench101", {"max_parameters": 10.0}, "300 ms, repeated 5 ms")
    yield export(data, "nasbench201", "5 s, 200 MB")
    yield export(data, "nasbench101", "60 s, 200 MB")
    yield from load_report(data, count, arguments.seconds)


def main() -> None:
    """Measure and print; with --write, write docs/performance.md and its plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--datasette", type=Path)
    parser.add_argument("--nats-python", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the mixed load")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", SyntheticDataWarning)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()}\n")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or sample_data(Path(folder))
        for row in measure(arguments, data):
            rows.append(row)
            print(f"| {row.what} | {row.measured} | {row.reach} |", flush=True)
    if arguments.write:
        from report import write_report  # noqa: PLC0415 - plots need matplotlib

        rates = {row.what: row.rate for row in rows if row.rate is not None}
        write_report([(row.what, row.measured, row.reach) for row in rows], rates)


if __name__ == "__main__":
    main()
