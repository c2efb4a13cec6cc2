"""The domain of NAS-Bench-101, whose cells are identified by their hash.

Cells are requested from the benchmark, which decides which cells are valid or isomorphic.
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
"""Names of the number of recorded architectures in a benchmark's provenance."""


def num_recorded(info: BenchmarkInfo) -> int:
    """Return the number of architectures of a benchmark that have training runs."""
    contents = info.provenance.contents
    counts = (int(contents[name]) for name in _CONTENTS if name in contents)
    return next(counts, info.num_architectures or 0)


class CellDomain:
    """The cells of NAS-Bench-101 that have training runs; a new object for each search.

    A cell has seven vertices. Its choices are the presence of an edge between each two (`edge_0_1`,
    …) and the operations of the five vertices between input and output (`op_1`, …). A smaller cell
    lacks the last of these vertices, whose operations are inactive.
    """

    _vertices: Final = 7
    _batch: Final = 256
    """Cells drawn with one request."""

    _tries: Final = 1_000
    """Attempts before a child counts as not found."""

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
        """Return 0 and 1 for an edge, or the published names of operations for a vertex."""
        return (0, 1) if label.startswith("edge") else self._operations

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value of a cell that this object has returned.

        Raises:
            ProblemError: This object has not returned the cell.
        """
        if arch not in self._positions:
            raise ProblemError(f"{arch!r:.80} is no cell that this search has drawn")
        return self._positions[arch]

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the hash of the cell; None if it is invalid or has no runs."""
        if len(positions) != len(self.labels):
            return None
        matrix = [[0] * self._vertices for _ in range(self._vertices)]
        for (source, target), there in zip(self._pairs, positions, strict=False):
            matrix[source][target] = int(there == 1)
        # An inactive operation belongs to a vertex without edges, so any value works.
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
        """Draw a new cell with runs, uniformly; None: there are no more."""
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
        """Draw one of the neighbors uniformly; None if there is none."""
        around = yield from self.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each edge and operation with a probability; draw a neighbor if no cell results.

        Inactive operations are changed as well, as they may become active.
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
        """Take each edge and operation from one of two cells; None if no cell results."""
        parents = list(zip(self.values(first), self.values(second), strict=True))
        for _ in range(self._tries):
            chosen = [max(pair[drawn_below(rng, 2)], 0) for pair in parents]
            child = yield from self.compose(chosen)
            if child is not None:
                return child
        return None

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all cells with runs in the order of their hashes.

        To list them, all rows of the shortest training budget are requested once, which takes half
        a minute and 1 GB for the published 423,624 cells.
        """
        listed: list[str] = []
        yield self._list(listed)
        yield from map(stated, listed)

    def encode(self, arch: str) -> NDArray[Any]:
        """Return the one-hot vector of an architecture."""
        return one_hot(self.values(arch), self._counts)

    def _list(self, listed: list[str]) -> Proposal[str | None]:
        """Request all cells and add their hashes to `listed`; propose nothing."""
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
        """Store the positions of a cell and return its hash."""
        arch: str = named.hash
        if arch not in self._positions and named.arch is not None:
            self._positions[arch] = self._read(named.arch, named.num_vertices)
        return arch

    def _read(self, cell: Mapping[str, Any], num_vertices: int) -> tuple[int, ...]:
        """Return the positions of a cell, with its output moved to the last of seven vertices."""
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
