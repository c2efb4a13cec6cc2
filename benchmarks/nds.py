"""Measures NDS: conversion, indexed queries and pages at any depth.

    python benchmarks/nds.py [RAW]

RAW is an archive (`data.zip` or its folder); the default is a synthetic one of 20,000 networks.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.distribution import distributions, families
from benchmark_db.questions import Page
from generators.nds import generate
from generators.sample.nds import write_sample


def show(what: str, measured: str, target: str) -> None:
    """Print a row of the table."""
    print(f"| {what} | {measured} | {target} |", flush=True)


def best_of(question: Callable[[], Any], times: int = 7) -> float:
    """Return the shortest of several times, in milliseconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        question()
        taken.append(time.perf_counter() - started)
    return min(taken) * 1e3


def measure_conversion(archive: Path, data: Path) -> None:
    """Measure time, memory and size of a conversion."""
    started = time.perf_counter()
    runs = generate(archive, data).contents["runs"]
    taken = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = (data / "nds.db").stat().st_size / 1e6
    show(f"conversion of {runs:,} runs", f"{taken:.0f} s", "180 s")
    show("memory of the conversion", f"{memory:.0f} MiB", "1024 MiB")
    show("database", f"{size:.0f} MB", "300 MB")


def measure_questions(nds: Nds) -> None:
    """Measure queries that an index answers, 100 items each."""
    (run,) = nds.computed_stats({"model_family": "nas_cell"}, limit=1).items
    (best,) = nds.computed_stats({}, sort="-best_test_acc", limit=1).items
    config = run["config"]
    questions: dict[str, tuple[dict[str, Any], str | None]] = {
        "model and cell specification": (
            {"model_spec": config["model_spec"], "cell_spec": config["cell_spec"]},
            None,
        ),
        "cell specification": ({"cell_spec": config["cell_spec"]}, None),
        "model specification": ({"model_spec": config["model_spec"]}, None),
        "proposer and data set": ({"proposer": "amoeba", "dataset": "cifar10"}, None),
        "the best of a space": (
            {"proposer": "nasnet", "dataset": "cifar10", "generator": "random"},
            "-best_test_acc",
        ),
        "the best of all": ({}, "-best_test_acc"),
        "a bound that few runs meet": ({"min_best_test_acc": best["best_test_acc"]}, None),
        "the best below a bound": ({"max_flops": 600.0}, "-best_test_acc"),
        "the best below a tight bound": ({"max_flops": 11.0}, "-best_test_acc"),
        "nothing": ({"max_flops": 0.001}, "-best_test_acc"),
    }
    for name, (filters, sort) in questions.items():
        taken = best_of(lambda f=filters, s=sort: nds.computed_stats(f, sort=s))
        show(name, f"{taken:.2f} ms", "5 ms")


def measure_pages(nds: Nds) -> None:
    """Measure every page of 1,000 in each sort order, from the first to the last."""
    for sort in (None, "-best_test_acc", "base_lr"):
        taken: list[float] = []
        cursor: str | None = None
        while cursor is not None or not taken:
            started = time.perf_counter()
            page: Page = nds.computed_stats({}, sort=sort, limit=1000, cursor=cursor)
            taken.append((time.perf_counter() - started) * 1e3)
            cursor = page.next_cursor
        *_, last = taken
        show(
            f"{len(taken)} pages of 1,000, by {sort or 'key'}",
            f"median {statistics.median(taken):.1f}, longest {max(taken):.1f}, last {last:.1f} ms",
            "30 ms",
        )


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, nargs="?")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        archive = arguments.archive or write_sample(data / "raw", architectures=20_000)
        print(f"{archive.name}; {os.cpu_count()} cores, Python {sys.version.split()[0]},")
        print(f"load {json.dumps(os.getloadavg())}\n")
        print("| what | measured | goal |\n|---|---|---|")
        measure_conversion(archive, data)
        # The server sets its garbage collector so.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        nds = Nds(data / "nds.db")
        measure_questions(nds)
        measure_pages(nds)
        show("counts of all design spaces", f"{best_of(lambda: families(nds)):.0f} ms", "")
        taken = best_of(lambda: distributions(nds, "best_test_error", {}), times=3)
        show("distributions over all design spaces", f"{taken:.0f} ms", "2000 ms")
        taken = best_of(lambda: distributions(nds, "best_test_error", {"proposer": "nasnet"}))
        show("distributions over those of one proposer", f"{taken:.0f} ms", "")
        nds.close()


if __name__ == "__main__":
    main()
