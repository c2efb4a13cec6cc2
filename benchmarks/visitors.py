"""Measures how visitors of the explorer's pages change the 99th percentile of queries.

    python benchmarks/visitors.py DATA [--rounds N]

DATA contains NAS-Bench-201. 64 clients query single runs, 5 times a second each; in every other
round 20 visitors also open the main page, each about every 8 seconds, like a browser with cached
scripts and styles. Rounds are short and alternate, so that other programs affect both kinds: ratios
are those of neighbouring rounds. Bootstrapping the pairs gives the interval of their median.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx
import numpy as np
from load import paced
from processes import Server, cpu_seconds, service

from service.pages import assets

CLIENTS: Final = 64
VISITORS: Final = 20
ROUNDS: Final = 60
SECONDS: Final = 2.0
SETTLING: Final = 0.5
"""Seconds before and after the queries, in which the visitors' process starts and ends."""
BETWEEN: Final = 1.0
"""Mean seconds between two requests of a visitor; a page has eight."""
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
    """Open pages repeatedly; runs in a process of its own."""
    seconds = SETTLING + SECONDS + SETTLING
    paced(port, PAGE, clients=VISITORS, rate=1 / BETWEEN, seconds=seconds, packed=True)


def latencies(server: Server, *, visited: bool) -> tuple[list[float], float]:
    """Run a round; return the latencies in ms and the processor seconds of the server."""
    rng = random.Random(0)  # noqa: S311 - a load to repeat
    paths = [
        f"{NAME}/computed-stats?arch={rng.randrange(15_625)}&num_epochs=200&dataset=cifar10-valid"
        for _ in range(2_000)
    ]
    visitors = multiprocessing.Process(target=visit, args=(server.port,))
    if visited:
        visitors.start()
    time.sleep(SETTLING)
    busy = cpu_seconds(server.pid)
    taken, errors = paced(server.port, paths, clients=CLIENTS, rate=5, seconds=SECONDS)
    busy = cpu_seconds(server.pid) - busy
    if visited:
        visitors.join()
        if visitors.exitcode:
            raise RuntimeError("the visitors failed")
    if errors:
        raise RuntimeError(f"{errors} queries failed")
    return [1000 * seconds for seconds in taken], busy


def p99(taken: Sequence[float]) -> float:
    """Return the 99th percentile of latencies."""
    return float(np.percentile(taken, 99))


def told(name: str, values: Sequence[float], of: Callable[[Sequence[float]], float]) -> None:
    """Print a figure and its 90 % bootstrap interval."""
    rng = random.Random(0)  # noqa: S311 - as above
    drawn = sorted(of(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    low, high = drawn[DRAWS // 20], drawn[-DRAWS // 20]
    print(f"{name}: {of(values):.2f}, by chance {low:.2f} to {high:.2f}")


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with service(given.data.resolve()) as server:
        for path in PAGE:
            httpx.get(f"http://127.0.0.1:{server.port}{path}").raise_for_status()
        latencies(server, visited=False)
        pairs = [
            (latencies(server, visited=False), latencies(server, visited=True))
            for _ in range(given.rounds)
        ]
    for name, rounds in zip(("alone", "beside visitors"), zip(*pairs, strict=True), strict=True):
        whole = [one for taken, _ in rounds for one in taken]
        print(f"p99 of {len(whole)} queries {name}: {p99(whole):.1f} ms, ", end="")
        print(f"median of the rounds {statistics.median(p99(taken) for taken, _ in rounds):.1f} ms")
        busy = sum(seconds for _, seconds in rounds) / SECONDS / len(rounds)
        print(f"the server is busy {100 * busy:.1f} % of a core {name}")
    ratios = [p99(second) / p99(first) for (first, _), (second, _) in pairs]
    told("ratio of a pair of rounds, median", ratios, statistics.median)
    told("ratio of a pair of rounds, geometric mean", ratios, statistics.geometric_mean)


if __name__ == "__main__":
    main()
