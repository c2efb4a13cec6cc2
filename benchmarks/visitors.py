"""Measures what visitors of the pages cost clients that ask: the 99th percentile of queries.

    python benchmarks/visitors.py DATA [--rounds N]

DATA has NAS-Bench-201. 64 clients ask for single runs, 5 times a second each; in every other round
20 visitors open the main page too, each about every 8 seconds, as a browser does that has scripts
and styles already. Rounds are short and alternate, so that whatever else the machine does falls on
both; the percentile is of all queries of a kind. How far chance moves the ratio is told by drawing
the pairs of rounds anew, with replacement.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx
from load import paced
from processes import service

from service.pages import assets

CLIENTS: Final = 64
VISITORS: Final = 20
ROUNDS: Final = 40
SECONDS: Final = 3.0
BETWEEN: Final = 1.0
"""Seconds between two requests of a visitor, on average: eight make a page."""
DRAWS: Final = 1_000
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


def visit(port: int) -> None:
    """Open pages, again and again, as a process of its own."""
    paced(port, PAGE, clients=VISITORS, rate=1 / BETWEEN, seconds=SECONDS, packed=True)


def latencies(port: int, *, visited: bool) -> list[float]:
    """Return what the queries of a round took, in milliseconds."""
    rng = random.Random(0)  # noqa: S311 - a load to repeat
    paths = [
        f"{NAME}/computed-stats?arch={rng.randrange(15_625)}&num_epochs=200&dataset=cifar10-valid"
        for _ in range(2_000)
    ]
    visitors = multiprocessing.Process(target=visit, args=(port,))
    if visited:
        visitors.start()
    taken, errors = paced(port, paths, clients=CLIENTS, rate=5, seconds=SECONDS)
    if visited:
        visitors.join()
        if visitors.exitcode:
            raise RuntimeError("the visitors failed")
    if errors:
        raise RuntimeError(f"{errors} queries failed")
    return [1000 * seconds for seconds in taken]


def p99(rounds: Sequence[Sequence[float]]) -> float:
    """Return the 99th percentile of all queries of some rounds."""
    return statistics.quantiles([one for taken in rounds for one in taken], n=100)[98]


def main() -> None:
    """Print the rows of the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with service(given.data.resolve()) as server:
        for path in PAGE:
            httpx.get(f"http://127.0.0.1:{server.port}{path}").raise_for_status()
        latencies(server.port, visited=False)
        pairs = [
            (latencies(server.port, visited=False), latencies(server.port, visited=True))
            for _ in range(given.rounds)
        ]
    alone, beside = zip(*pairs, strict=True)
    print(f"p99 of {sum(map(len, alone))} queries alone: {p99(alone):.1f} ms")
    print(f"p99 of {sum(map(len, beside))} queries beside visitors: {p99(beside):.1f} ms")
    rng = random.Random(0)  # noqa: S311 - as above
    ratios = []
    for _ in range(DRAWS):
        drawn = rng.choices(pairs, k=len(pairs))
        ratios.append(p99([one for _, one in drawn]) / p99([one for one, _ in drawn]))
    ratios.sort()
    low, high = ratios[DRAWS // 20], ratios[-DRAWS // 20]
    print(f"ratio {p99(beside) / p99(alone):.2f}; by chance {low:.2f} to {high:.2f} (90 %)")
    medians = sorted(p99([two]) / p99([one]) for one, two in pairs)
    print(f"median of the ratios of pairs {statistics.median(medians):.2f}")


if __name__ == "__main__":
    main()
