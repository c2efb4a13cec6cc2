"""Cells of NAS-Bench-101, spelled by their hash.

They are asked for, since what is a valid cell and which are isomorphic is known to the benchmark.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bench_client import BenchmarkInfo, InvalidArchitectureError
from nas_search.contract import Proposal
from nas_search.domains.product import one_hot
from nas_search.domains.walk import stated
from nas_search.errors import ProblemError
from nas_search.strategies.draws import drawn_below

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CellDomain", "num_recorded"]

_CONTENTS: Final = ("architectures", "cells")
"""What the count of recorded architectures is called in a benchmark's provenance."""


def num_recorded(info: BenchmarkInfo) -> int:
    """Return how many architectures of a benchmark have runs."""
    contents = info.provenance.contents
    counts = (int(contents[name]) for name in _CONTENTS if name in contents)
    return next(counts, info.num_architectures or 0)


class CellDomain:
    """Draws cells of NAS-Bench-101 that have runs, asking the benchmark; new for every search.

    A cell is seen as one of seven vertices: an edge or none between each two (`edge_0_1`, …), and
    the operation of the five between input and output (`op_1`, …). A smaller cell leaves out the
    last of those; what it does not use is idle.
    """

    _vertices: Final = 7
    _batch: Final = 256
    """Cells asked for at a time: one question instead of hundreds."""

    _tries: Final = 1_000
    """Combinations of choices that are asked about before a child counts as not to be found."""

    _operations: Final = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
    _short: Final = MappingProxyType({"conv3x3": 0, "conv1x1": 1, "maxpool": 2})

    def __init__(self) -> None:
        last = self._vertices - 1
        self._pairs = tuple(combinations(range(self._vertices), 2))
        self._inner = tuple(range(1, last))
        edges = tuple(f"edge_{source}_{target}" for source, target in self._pairs)
        self.labels = (*edges, *(f"op_{vertex}" for vertex in self._inner))
        self._counts = (2,) * len(edges) + (len(self._operations),) * len(self._inner)
        self.size = 0
        self._waiting: deque[str] = deque()
        self._given: set[str] = set()
        self._positions: dict[str, tuple[int, ...]] = {}
        self._neighbors: dict[str, tuple[str, ...]] = {}

    def candidates(self, label: str) -> tuple[Any, ...]:
        """Return 0 and 1 for an edge, the published names of the operations for a vertex."""
        return (0, 1) if label.startswith("edge") else self._operations

    def values(self, arch: str) -> tuple[int, ...]:
        """Return which candidate each choice of a cell that was met has.

        Raises:
            ProblemError: The cell was not drawn from this object.
        """
        if arch not in self._positions:
            raise ProblemError(f"{arch!r:.80} is no cell that this search has met")
        return self._positions[arch]

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the hash of the cell; None where it is not valid or has no runs."""
        if len(positions) != len(self.labels):
            return None
        matrix = [[0] * self._vertices for _ in range(self._vertices)]
        for (source, target), there in zip(self._pairs, positions, strict=False):
            matrix[source][target] = int(there == 1)
        # An idle operation is that of a vertex without edges: any will do.
        inner = [self._operations[max(place, 0)] for place in positions[len(self._pairs) :]]
        cell = {
            "module_adjacency": matrix,
            "module_operations": ["input", *inner, "output"],
        }
        try:
            found = yield lambda bench: bench.hash_nb101(cell)
        except InvalidArchitectureError:
            return None
        return self._met(found) if found.in_benchmark else None

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw a cell with runs, uniformly among those not drawn before; None: no more."""
        if not self.size:
            self.size = num_recorded((yield lambda bench: bench.benchmark("nasbench101")))
        while len(self._given) < self.size:
            while self._waiting:
                arch = self._waiting.popleft()
                if arch not in self._given:
                    self._given.add(arch)
                    return arch
            count, seed = min(self._batch, self.size), drawn_below(rng, 2**53)
            found = yield lambda bench: bench.random("nasbench101", n=count, seed=seed)  # noqa: B023
            self._waiting.extend(map(self._met, found))
        return None

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all cells with runs that differ in one operation or edge."""
        if arch not in self._neighbors:
            found = yield lambda bench: bench.neighbors("nasbench101", arch)
            self._neighbors[arch] = tuple(self._met(one) for one in found if one.in_benchmark)
        return self._neighbors[arch]

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw one of the neighbors uniformly; None where there is none."""
        around = yield from self.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each edge and operation with a probability; a neighbor where that makes no cell.

        Idle operations count: they may come into use.
        """
        parent = tuple(max(place, 0) for place in self.values(arch))
        for _ in range(self._tries):
            changed = [
                self._other(place, count, rng) if rng.random() < probability else place
                for place, count in zip(parent, self._counts, strict=True)
            ]
            if tuple(changed) == parent:
                break
            child = yield from self.compose(changed)
            if child is not None and child != arch:
                return child
        return (yield from self.neighbor(arch, rng))

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each edge and operation from one of two cells; None where no cell comes of it."""
        parents = list(zip(self.values(first), self.values(second), strict=True))
        for _ in range(self._tries):
            chosen = [max(pair[drawn_below(rng, 2)], 0) for pair in parents]
            child = yield from self.compose(chosen)
            if child is not None:
                return child
        return None

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all cells with runs in the order of their hashes.

        Which of them have runs is known to the benchmark alone: it is asked once for all rows of
        the shortest budget, which takes half a minute and 1 GB for the published 423,624.
        """
        listed: list[str] = []
        yield self._list(listed)
        yield from map(stated, listed)

    def encode(self, arch: str) -> NDArray[Any]:
        """Return one number a candidate, 1 where it is chosen, else 0."""
        return one_hot(self.values(arch), self._counts)

    def _list(self, listed: list[str]) -> Proposal[str | None]:
        """Ask for all cells, and propose none."""
        info = yield lambda bench: bench.benchmark("nasbench101")
        shortest = min(info.budgets)
        every = yield lambda bench: bench.query_nb101(num_epochs=shortest, reduction="mean")
        listed.extend(sorted({self._met(item.config) for item in every}))
        self.size = len(listed)
        return None

    def _other(self, place: int, count: int, rng: Random) -> int:
        other = drawn_below(rng, count - 1)
        return other + (other >= place)

    def _met(self, named: Any) -> str:
        """Remember the positions of a cell and return its hash."""
        arch: str = named.hash
        if arch not in self._positions and named.arch is not None:
            self._positions[arch] = self._read(named.arch, named.num_vertices)
        return arch

    def _read(self, cell: Mapping[str, Any], num_vertices: int) -> tuple[int, ...]:
        """Return the positions of a cell, its output being moved to the last of seven vertices."""
        last = num_vertices - 1
        edges = {
            (source, self._vertices - 1 if target == last else target)
            for target in range(1, num_vertices)
            for source in cell[f"input{target}"]
        }
        operations = (
            self._short[cell[f"op{vertex}"]] if vertex < last else -1 for vertex in self._inner
        )
        return (*(int(pair in edges) for pair in self._pairs), *operations)
