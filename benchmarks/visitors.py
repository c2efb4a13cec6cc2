"""Measures what visitors of the pages cost clients that ask: the 99th percentile of queries.

    python benchmarks/visitors.py DATA

DATA has NAS-Bench-201. 64 clients ask for single runs, 5 times a second each; in every other round
20 visitors open the main page too, each about every 8 seconds, as a browser does that has scripts
and styles already. Rounds alternate, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
from pathlib import Path
from typing import Final

import httpx
from load import paced
from processes import service

from service.pages import assets

CLIENTS: Final = 64
VISITORS: Final = 20
ROUNDS: Final = 6
SECONDS: Final = 8.0
BETWEEN: Final = 1.0
"""Seconds between two requests of a visitor, on average: eight make a page."""
PART: Final = "dataset=cifar10-valid&num_epochs=200"
NAME: Final = "/v1/nasbench201"
PAGE: Final = (
    "/explore/nasbench201",
    f"/assets/{assets().digest}/benchmark.js",
    "/v1/benchmarks/nasbench201",
    f"{NAME}/columns",
    f"{NAME}/columns?{PART}",
    f"{NAME}/column?metric=test_acc&{PART}",
    f"{NAME}/column?metric=flops&{PART}",
    f"{NAME}/density?x=flops&y=test_acc&{PART}",
)


def visit(port: int, seconds: float) -> None:
    """Open pages, again and again, as a process of its own."""
    paced(port, PAGE, clients=VISITORS, rate=1 / BETWEEN, seconds=seconds, packed=True)


def p99(port: int, *, visited: bool) -> tuple[float, int]:
    """Return the 99th percentile of a round in milliseconds, and how many queries it has."""
    rng = random.Random(0)  # noqa: S311 - a load to repeat
    paths = [
        f"{NAME}/computed-stats?arch={rng.randrange(15_625)}&num_epochs=200&dataset=cifar10-valid"
        for _ in range(2_000)
    ]
    visitors = multiprocessing.Process(target=visit, args=(port, SECONDS))
    if visited:
        visitors.start()
    latencies, errors = paced(port, paths, clients=CLIENTS, rate=5, seconds=SECONDS)
    if visited:
        visitors.join()
        if visitors.exitcode:
            raise RuntimeError("the visitors failed")
    if errors:
        raise RuntimeError(f"{errors} queries failed")
    return 1000 * statistics.quantiles(latencies, n=100)[98], len(latencies)


def main() -> None:
    """Print the rows of the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    with service(parser.parse_args().data.resolve()) as server:
        for path in PAGE:
            httpx.get(f"http://127.0.0.1:{server.port}{path}").raise_for_status()
        p99(server.port, visited=False)
        ratios = []
        for _ in range(ROUNDS):
            alone, count = p99(server.port, visited=False)
            beside, _ = p99(server.port, visited=True)
            ratios.append(beside / alone)
            print(f"p99 of {count} queries: {alone:.1f} ms alone, {beside:.1f} ms beside visitors")
        ratios.sort()
        print(f"ratio: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
