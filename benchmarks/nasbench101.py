"""Measures the figures of NAS-Bench-101 in docs/performance.md.

    python benchmarks/nasbench101.py [ARCHIVE.tfrecord] [--data DIR]

Without an archive, a synthetic one of 2,000 cells is used. Ratios compare figures of the same run;
absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from load import latency, throughput
from processes import Server, constant_server, cpu_seconds, run_measured_whole, service

from bench_client import BenchClient
from benchmark_db.nasbench101.batch_hash import hash_cells
from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_code
from benchmark_db.nasbench101.space import enumerate_codes
from benchmark_db.nasbench101.spelling import parse_cell
from generators.sample.nasbench101 import write_sample

_STATS = "/v1/nasbench101/computed-stats?num_epochs=108"
_SECONDS = 240
_BATCHES = (30, 100, 300, 1_000, 3_000, 10_000, 100_000)
_STRAIGHTFORWARD_CELLS = 2_000
_ASKED_AGAIN = 400
"""As many as benchmarks/nasbench201.py requests."""
_ROUNDS = 3
_QUESTIONS = 15_000
"""More requests than a round answers: none is repeated, so no cached answer is measured."""
_BATCH = 10_000
_LOADED_SECONDS = 3.3
"""How long `throughput` sends requests, including its warm-up of 0.3 s."""


def show(what: str, value: str, reach: str = "") -> None:
    """Print a row of the table."""
    print(f"| {what} | {value} | {reach} |", flush=True)


def straightforward_hash(adjacency: Sequence[Sequence[int]], labels: Sequence[int]) -> str:
    """Return the hash of a cell, computed as in the benchmark's own library."""
    count = len(labels)
    ins = [[u for u in range(count) if adjacency[u][v]] for v in range(count)]
    outs = [[u for u in range(count) if adjacency[v][u]] for v in range(count)]
    hashes = [md5(str((len(outs[v]), len(ins[v]), labels[v]))) for v in range(count)]
    for _ in range(count):
        hashes = [
            md5(
                "".join(sorted(hashes[u] for u in ins[v]))
                + "|"
                + "".join(sorted(hashes[u] for u in outs[v]))
                + "|"
                + hashes[v]
            )
            for v in range(count)
        ]
    return md5(str(sorted(hashes)))


def md5(text: str) -> str:
    """Return the hexadecimal MD5 digest of a text."""
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the published hash


def measure_hash() -> None:
    """Measure the enumeration of the space, and hashing against `straightforward_hash`."""
    started = time.perf_counter()
    spaces = [enumerate_codes(vertices)[0] for vertices in range(2, 8)]
    seconds = time.perf_counter() - started
    show("enumeration", f"{sum(map(len, spaces))} cells in {seconds:.1f} s", "30 s")
    rng = np.random.default_rng(0)
    for size in _BATCHES:
        cells = [Cell(code) for code in rng.choice(spaces[-1], size, replace=False).tolist()]
        compared = cells[: min(size, _STRAIGHTFORWARD_CELLS)]
        spelled = [(cell.to_adjacency(), [-1, *cell.operations, -2]) for cell in compared]
        ratios = []
        for _ in range(3):
            hash_code.cache_clear()
            plain = -time.perf_counter()
            expected = [straightforward_hash(*spelling) for spelling in spelled]
            plain = (plain + time.perf_counter()) / len(compared)
            ours = -time.perf_counter()
            hashes = hash_cells(cells)
            ours = (ours + time.perf_counter()) / size
            if hashes[: len(compared)] != expected:
                raise RuntimeError("the two implementations differ")
            ratios.append((plain / ours, plain, ours))
        ratio, plain, ours = sorted(ratios)[1]
        show(
            f"hash, batch of {size:,}",
            f"{ours * 1e6:.1f} us, straightforward {plain * 1e6:.1f} us: {ratio:.1f} x",
            "5 x",
        )


def measure_conversion(archive: Path, data: Path) -> None:
    """Convert the archive; print time, memory and size."""
    command = [sys.executable, "-m", "service.cli", "generate", "nasbench101", archive]
    seconds, peak = run_measured_whole([*command, "--out", data])
    size = (data / "nasbench101.db").stat().st_size / 1e6
    benchmark = NasBench101(data / "nasbench101.db")
    runs = benchmark.provenance.contents["runs"]
    benchmark.close()
    show("conversion", f"{runs:,} records in {seconds:.0f} s", f"{_SECONDS} s")
    show("memory while converting, all processes", f"{peak:.0f} MB", "1,610 MB")
    show("on disk", f"{size:.0f} MB", "450 MB")


def some_cells(data: Path, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the hashes and dicts of cells of the database, in a shuffled order."""
    benchmark = NasBench101(data / "nasbench101.db")
    rows = list(benchmark.database.rows("SELECT hash, code FROM cell"))
    benchmark.close()
    random.Random(0).shuffle(rows)  # noqa: S311 - an order to repeat
    return [(name, Cell(code).to_dict()) for name, code in rows[:count]]


def batched(cells: list[tuple[str, dict[str, Any]]], size: int) -> Iterator[list[Any]]:
    """Yield the cells in batches of one size; the last may be smaller."""
    rest = iter(cells)
    while part := list(islice(rest, size)):
        yield part


def renumbered(arch: dict[str, Any]) -> dict[str, Any]:
    """Return the cell with its vertices in another topological order, if there is one."""
    cell = parse_cell(arch)
    rng = random.Random(cell.code)  # noqa: S311 - a numbering to repeat
    order, left = [0], set(range(1, cell.num_vertices - 1))
    while left:
        free = [v for v in left if not any(cell.predecessors[v] >> u & 1 for u in left)]
        order.append(rng.choice(free))
        left.remove(order[-1])
    return cell.reordered([*order, cell.num_vertices - 1]).to_dict()


def path_of(arch: str | dict[str, Any]) -> str:
    """Return the path of a query for one cell."""
    text = arch if isinstance(arch, str) else json.dumps(arch, separators=(",", ":"))
    return f"{_STATS}&arch={quote(text)}"


def loaded(server: Server, paths: Sequence[str]) -> tuple[float, float]:
    """Return the responses of a server per second and per second of its processor time.

    On a busy machine, the second figure is more reliable.
    """
    before = cpu_seconds(server.pid)
    rate = throughput(server.port, paths)
    return rate, rate * _LOADED_SECONDS / (cpu_seconds(server.pid) - before)


def show_single(what: str, ours: Server, constant: Server, paths: Sequence[str]) -> None:
    """Measure single queries between two measurements of a constant route; print a row."""
    first, single, last = (
        loaded(constant, ["/constant"]),
        loaded(ours, paths),
        loaded(constant, ["/constant"]),
    )
    rate, of_core = ((a + b) / 2 for a, b in zip(first, last, strict=True))
    show(
        f"one query by {what}, a second",
        f"{single[0]:.0f}, {single[0] / rate:.2f} of {rate:.0f}; "
        f"by processor time {single[1]:.0f}, {single[1] / of_core:.2f} of {of_core:.0f}",
        "0.5",
    )


def measure_http(data: Path) -> None:
    """Measure single queries against a constant route, and batches."""
    cells = some_cells(data, (3 * _ROUNDS + 1) * _QUESTIONS)
    spellings: list[tuple[str, Callable[[tuple[str, dict[str, Any]]], Any]]] = [
        ("hash", lambda cell: cell[0]),
        ("cell as recorded", lambda cell: cell[1]),
        ("cell renumbered", lambda cell: renumbered(cell[1])),
    ]
    with service(data) as ours, constant_server() as constant:
        show("server start", f"{ours.start_seconds:.2f} s", "2 s")
        show("server memory at the start", f"{ours.resident_mb:.0f} MB", "150 MB")
        fresh = cycle(batched(cells, _QUESTIONS))
        for _ in range(_ROUNDS):
            for what, spelled in spellings:
                paths = [path_of(spelled(cell)) for cell in next(fresh)]
                show_single(f"{what}, 3 runs", ours, constant, paths)
        for what, spelled in spellings[:2]:
            again = [path_of(spelled(cell)) for cell in cells[:_ASKED_AGAIN]]
            show_single(f"{what}, {_ASKED_AGAIN} repeatedly", ours, constant, again)
        by_hash = [path_of(cells[0][0])]
        plain = latency(ours.port, by_hash[0])
        curves = latency(ours.port, f"{by_hash[0]}&include_intermediates=true")
        show(
            "one query, with intermediates",
            f"{plain * 1e3:.2f} ms, {curves * 1e3:.2f} ms: {curves / plain:.1f} x",
            "5 x",
        )
        with BenchClient(f"http://127.0.0.1:{ours.port}") as bench:
            for what, spelled in spellings:
                archs = [spelled(cell) for cell in cells[-_BATCH:]]
                bench.query_nb101_many(archs[:100], 108, reduction="mean")
                before, mine = cpu_seconds(ours.pid), time.process_time()
                started = time.perf_counter()
                bench.query_nb101_many(archs, 108, reduction="mean")
                wall = time.perf_counter() - started
                used = cpu_seconds(ours.pid) - before
                own = time.process_time() - mine
                show(
                    f"batch of {len(archs):,} by {what}, mean",
                    f"{len(archs) / used:,.0f} a second of the server's core, "
                    f"{len(archs) / (used + own):,.0f} with the client's share, {wall:.2f} s",
                    "20,000",
                )
            started = time.perf_counter()
            bench.hash_nb101_many(archs)
            wall = time.perf_counter() - started
            show(f"{len(archs):,} hashes by HTTP", f"{wall:.2f} s")
        show("server memory afterwards", f"{ours.resident_mb:.0f} MB", "150 MB")


def measure_local(data: Path) -> None:
    """Measure `BenchClient.local`."""
    cells = some_cells(data, 500)
    with BenchClient.local(data) as bench:
        for what, archs in (("hash", [c[0] for c in cells]), ("cell", [c[1] for c in cells])):
            best = float("inf")
            for _ in range(5):
                started = time.perf_counter()
                for arch in archs:
                    bench.query_nb101(arch, 108)
                best = min(best, (time.perf_counter() - started) / len(archs))
            show(f"`BenchClient.local` query by {what}, 3 runs", f"{best * 1e6:.0f} us", "100 us")


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?")
    parser.add_argument(
        "--data", type=Path, help="measure the database of this folder; convert nothing"
    )
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()}\n")
    print("| what | measured | goal |\n|---|---|---|")
    measure_hash()
    if arguments.data is not None:
        measure_http(arguments.data)
        measure_local(arguments.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        archive = arguments.archive or write_sample(data / "raw", architectures=2_000)
        measure_conversion(archive, data)
        measure_http(data)
        measure_local(data)


if __name__ == "__main__":
    main()
