"""Measures the figures of NAS-Bench-201 in docs/performance.md.

    python benchmarks/nasbench201.py [ARCHIVE.pth] [--data DIR] [--datasette PATH]

Without an archive, a synthetic one of 500 architectures is used. Ratios compare figures of the same
run; absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from load import latency, throughput
from processes import (
    Server,
    constant_server,
    cpu_seconds,
    datasette_server,
    run_measured,
    service,
)

from bench_client import BenchClient
from benchmark_db.catalog import Catalog
from benchmark_db.nasbench201.architecture import arch_str, operations_at
from generators.sample.nasbench201 import write_sample

_NNI_SECONDS = 0.116
"""Seconds to convert one architecture with NNI 3.0 on such a machine, idle."""
_NNI_BYTES = 219_000
"""Bytes on disk of one architecture with NNI 3.0."""
_STATS = "/v1/nasbench201/computed-stats?num_epochs=200&dataset=cifar100"


def show(what: str, value: str, reach: str = "") -> None:
    """Print a row of the table."""
    print(f"| {what} | {value} | {reach} |", flush=True)


def measure_conversion(archive: Path, data: Path) -> int:
    """Convert the archive; print time, memory and size; return its number of architectures."""
    empty = write_sample(data / "empty", architectures=1)
    generate = (sys.executable, "-m", "service.cli", "generate", "nasbench201")
    _, base = run_measured([*generate, empty, "--out", data / "empty"])
    seconds, peak = run_measured([*generate, archive, "--out", data])
    catalog = Catalog(data)
    count: int = catalog["nasbench201"].provenance.contents["architectures"]
    catalog.close()
    size = (data / "nasbench201.db").stat().st_size
    share = (peak - base) * 1e6 / archive.stat().st_size
    each = seconds / count
    show(
        "conversion, an architecture",
        f"{each * 1e3:.1f} ms, {_NNI_SECONDS / each:.1f} x NNI",
        "10 x",
    )
    show(
        "on disk, an architecture",
        f"{size / count / 1e3:.1f} kB, {size / count / _NNI_BYTES:.0%}",
        "25 %",
    )
    show("conversion in all", f"{count} architectures in {seconds:.0f} s, {size / 1e6:.0f} MB")
    show("memory while converting", f"{peak:.0f} MB, + {share:.1%} of the archive", "10 %, 4 GiB")
    return count


def measure_http(data: Path, count: int, datasette: Path | None) -> None:
    """Measure single queries against a constant route and datasette, and batches."""
    chosen = random.Random(0).sample(range(count), min(count, 400))  # noqa: S311 - a choice to repeat
    names = [quote(arch_str(operations_at(index))) for index in chosen]
    singles = [f"{_STATS}&arch={name}" for name in names]
    with service(data) as ours, constant_server() as constant:
        show("server start", f"{ours.start_seconds:.2f} s", "2 s")
        pairs = [
            (throughput(constant.port, ["/constant"]), throughput(ours.port, singles))
            for _ in range(3)
        ]
        for bare, single in pairs:
            show(
                "one query, 3 runs, a second",
                f"{single:.0f}, {single / bare:.2f} of {bare:.0f}",
                "0.5",
            )
        mean = throughput(ours.port, [f"{path}&reduction=mean" for path in singles])
        show("one query, mean, a second", f"{mean:.0f}")
        live = throughput(ours.port, ["/livez"])
        show("constant route of the same server, a second", f"{live:.0f}")
        plain = latency(ours.port, singles[0])
        curves = latency(ours.port, f"{singles[0]}&include_intermediates=true")
        show(
            "one query, with 3 x 200 epochs of curves",
            f"{plain * 1e3:.2f} ms, {curves * 1e3:.2f} ms: {curves / plain:.1f} x",
            "5 x",
        )
        measure_batch(ours, count)
        show("server memory afterwards", f"{ours.resident_mb:.0f} MB", "150 MB")
        if datasette is not None:
            with datasette_server(datasette, data / "nasbench201.db") as other:
                view = (
                    "/nasbench201/computed_stats.json?num_epochs=200&dataset=cifar100&_shape=array"
                )
                theirs = throughput(other.port, [f"{view}&index={index}" for index in chosen])
            show("one query, against datasette", f"{single / theirs:.1f} x of {theirs:.0f}", "2 x")


def measure_batch(server: Server, count: int) -> None:
    """Measure batches of 10,000, in processor time of the server and of both sides."""
    archs = [index % count for index in range(10_000)]
    with BenchClient(f"http://127.0.0.1:{server.port}") as bench:
        for reduction in (None, "mean"):
            bench.query_nb201_many(archs[:100], 200, "cifar100", reduction=reduction)
            before, mine = cpu_seconds(server.pid), time.process_time()
            started = time.perf_counter()
            bench.query_nb201_many(archs, 200, "cifar100", reduction=reduction)
            wall = time.perf_counter() - started
            used = cpu_seconds(server.pid) - before
            own = time.process_time() - mine
            show(
                f"batch of 10,000, {reduction or 'every run'}",
                f"{10_000 / used:,.0f} a second of the server's core, "
                f"{10_000 / (used + own):,.0f} with the client's share, {wall:.2f} s",
                "20,000",
            )


def measure_local(data: Path, count: int) -> None:
    """Measure `BenchClient.local`."""
    names = [arch_str(operations_at(index)) for index in range(min(count, 500))]
    with BenchClient.local(data) as bench:
        for name in names:
            bench.query_nb201(name, 200, "cifar100")
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            for name in names:
                bench.query_nb201(name, 200, "cifar100")
            best = min(best, (time.perf_counter() - started) / len(names))
    show("`BenchClient.local` query, 3 runs", f"{best * 1e6:.0f} us", "100 us")


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?")
    parser.add_argument(
        "--data", type=Path, help="measure the database of this folder; convert nothing"
    )
    parser.add_argument("--datasette", type=Path, help="command of datasette")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()}\n")
    print("| what | measured | goal |\n|---|---|---|")
    if arguments.data is not None:
        catalog = Catalog(arguments.data)
        count = catalog["nasbench201"].provenance.contents["architectures"]
        catalog.close()
        measure_answers(arguments.data, count, arguments.datasette)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        archive = arguments.archive or write_sample(data / "raw", architectures=500)
        count = measure_conversion(archive, data)
        measure_answers(data, count, arguments.datasette)


def measure_answers(data: Path, count: int, datasette: Path | None) -> None:
    """Measure queries of a converted database, over HTTP and locally."""
    measure_http(data, count, datasette)
    measure_local(data, count)


if __name__ == "__main__":
    main()
