"""Domains of strategies by arithmetic: the cells of NAS-Bench-201, and choices with idle ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nas_search.contract import Proposal
from nas_search.strategies.draws import drawn_below

OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class ArithmeticDomain:
    """A domain of choices that are all answered without asking.

    Args:
        choices: The number of values of each choice.
        admitted: Which positions make a valid architecture.
    """

    def __init__(self, *choices: int) -> None:
        self.labels = tuple(f"choice {place}" for place in range(len(choices)))
        self._values = [tuple(range(count)) for count in choices]
        self._drawn: set[str] = set()
        self._known: dict[str, tuple[int, ...]] = {}

    @property
    def size(self) -> int:
        return int(np.prod([len(values) for values in self._values]))

    def candidates(self, label: str) -> Sequence[Any]:
        return self._values[self.labels.index(label)]

    def values(self, arch: str) -> tuple[int, ...]:
        if arch not in self._known:
            self._known[arch] = self.parse(arch)
        return self._known[arch]

    def parse(self, arch: str) -> tuple[int, ...]:
        return tuple(map(int, arch.split()))

    def compose(self, positions: Sequence[int]) -> str | None:
        arch = self.spell(tuple(positions))
        return arch

    def spell(self, positions: tuple[int, ...]) -> str | None:
        return " ".join(map(str, positions))

    def sample(self, rng: Random) -> Proposal[str | None]:
        yield from ()
        for _ in range(500):
            arch = self.compose([drawn_below(rng, len(values)) for values in self._values])
            if arch is not None and arch not in self._drawn:
                self._drawn.add(arch)
                return arch
        arch = next((arch for arch in self.grid() if arch not in self._drawn), None)
        if arch is not None:
            self._drawn.add(arch)
        return arch

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        yield from ()
        positions = self.values(arch)
        found: dict[str, None] = {}
        for place, values in enumerate(self._values):
            for value in range(len(values)):
                other = self.compose([*positions[:place], value, *positions[place + 1 :]])
                if other is not None and other != arch:
                    found[other] = None
        return tuple(found)

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        around = yield from self.neighbors(arch)
        return around[drawn_below(rng, len(around))] if around else None

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        yield from ()
        positions = self.values(arch)
        for _ in range(100):
            changed = [rng.random() < probability for _ in positions]
            if not any(changed):
                changed[drawn_below(rng, len(positions))] = True
            drawn = [
                drawn_below(rng, len(values)) if change else old
                for change, old, values in zip(changed, positions, self._values, strict=True)
            ]
            child = self.compose(drawn)
            if child is not None and child != arch:
                return child
        return None

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        yield from ()
        pairs = list(zip(self.values(first), self.values(second), strict=True))
        for _ in range(100):
            child = self.compose([pair[drawn_below(rng, 2)] for pair in pairs])
            if child is not None:
                return child
        return None

    def grid(self) -> Iterator[str]:
        found = map(self.compose, product(*(range(len(values)) for values in self._values)))
        return iter(dict.fromkeys(arch for arch in found if arch is not None))

    def encode(self, arch: str) -> NDArray[Any]:
        positions = self.values(arch)
        rows = [np.arange(len(v)) == at for v, at in zip(self._values, positions, strict=True)]
        return np.concatenate(rows).astype(np.float64)


class CellDomain(ArithmeticDomain):
    """NAS-Bench-201: six edges, five operations."""

    def __init__(self) -> None:
        super().__init__(*[len(OPERATIONS)] * 6)

    def parse(self, arch: str) -> tuple[int, ...]:
        operations = [part.partition("~")[0] for part in arch.split("|") if "~" in part]
        return tuple(map(OPERATIONS.index, operations))

    def spell(self, positions: tuple[int, ...]) -> str | None:
        a, b, c, d, e, f = (OPERATIONS[position] for position in positions)
        arch = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        self._known[arch] = positions
        return arch
