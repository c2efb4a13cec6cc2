"""The architectures of a benchmark, as the service knows them: samples and neighbors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from random import Random
from typing import Any, Final

from bench_client import BenchmarkInfo
from nas_search.strategies.draws import drawn_below

__all__ = ["ServedSpace"]

_SAMPLE: Final = 256
"""Architectures asked for at a time: one question instead of hundreds."""

_SEEDS: Final = 2**53
_CONTENTS: Final = ("architectures", "cells")
"""What the count of recorded architectures is called in a benchmark's provenance."""


class ServedSpace:
    """Samples and neighbors of a benchmark's architectures.

    Architectures are spelled in the one way that stands for all others: the hash for
    NAS-Bench-101, else the published string.

    Args:
        benchmark: Name of the benchmark.
    """

    def __init__(self, benchmark: str) -> None:
        self.benchmark = benchmark
        self._size: int | None = None
        self._waiting: deque[str] = deque()
        self._given: set[str] = set()
        self._neighbors: dict[str, tuple[str, ...]] = {}

    def sample(self, rng: Random) -> Generator[Callable[[Any], Any], Any, str | None]:
        """Draw an architecture with runs, uniformly among those not drawn before; None: no more."""
        if self._size is None:
            self._size = _recorded((yield lambda bench: bench.benchmark(self.benchmark)))
        while len(self._given) < self._size:
            while self._waiting:
                arch = self._waiting.popleft()
                if arch not in self._given:
                    self._given.add(arch)
                    return arch
            self._waiting.extend((yield from self._some(self._size, rng)))
        return None

    def neighbor(self, arch: str, rng: Random) -> Generator[Callable[[Any], Any], Any, str | None]:
        """Draw an architecture one edit away, uniformly; None where there is none."""
        if arch not in self._neighbors:
            found = yield lambda bench: bench.neighbors(self.benchmark, arch)
            self._neighbors[arch] = tuple(map(_spelling, found))
        around = self._neighbors[arch]
        return around[drawn_below(rng, len(around))] if around else None

    def _some(self, size: int, rng: Random) -> Generator[Callable[[Any], Any], Any, Iterable[str]]:
        n, seed = min(_SAMPLE, size), drawn_below(rng, _SEEDS)
        found = yield lambda bench: bench.random(self.benchmark, n=n, seed=seed)
        return map(_spelling, found)


def _spelling(named: Any) -> str:
    spelling: str = named.hash if hasattr(named, "hash") else named.arch_str
    return spelling


def _recorded(info: BenchmarkInfo) -> int:
    """Return how many architectures of a benchmark have runs."""
    contents = info.provenance.contents
    counts = (int(contents[name]) for name in _CONTENTS if name in contents)
    return next(counts, info.num_architectures or 0)
