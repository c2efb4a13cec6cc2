"""Local search: White, Nolen and Savani, UAI 2021, arXiv:2005.02960."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from nas_search.contract import Candidate, Domain, Proposal, Result
from nas_search.strategies.draws import drawn_sample
from nas_search.strategies.seeded import SeededStrategy, require, standing, succeeded

__all__ = ["LocalSearch"]


@dataclass(kw_only=True, eq=False)
class LocalSearch(SeededStrategy):
    """Local search: moves from the best of a few random architectures to better neighbors.

    Neighbors are evaluated in random order; none is evaluated twice. At a local optimum the search
    restarts from new random architectures. It ends when the whole domain has been evaluated.

    Failed and stopped trials are never moved to and not repeated. Trials outside a bound rank below
    all trials within (Deb's rules), so a start outside moves towards the bounds.

    Args:
        num_init: Number of random architectures before each climb, which begins at the best of
            them; 10 in the authors' code (naszilla).
        steepest: True: all neighbors are evaluated before moving to the best of them, as in the
            paper. False: the search moves to the first better neighbor.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: `num_init` is less than 1.
        TypeError: The seed is no integer.
    """

    num_init: int = 10
    steepest: bool = True

    name = "LocalSearch"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_init", self.num_init, least=1)
        self._known: dict[str, Result] = {}
        self._proposed: set[str] = set()
        self._to_draw = self.num_init
        self._starts: list[str] = []
        self._place: Result | None = None
        self._around: tuple[str, ...] = ()
        self._queue: deque[str] = deque()

    @property
    def random_phase(self) -> int:
        """The number of random candidates before the first climb."""
        return self.num_init

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return a random start or a neighbor; None while results for the next move are missing."""
        while True:
            if self._to_draw:
                arch = yield from self._new(domain)
                if arch is not None:
                    self._to_draw -= 1
                    self._starts.append(arch)
                    return self._candidate(arch, None)
                self._to_draw = 0
                if not self._starts:
                    return None
            while self._queue:
                if (arch := self._queue.popleft()) not in self._proposed:
                    return self._candidate(arch, self._place)
            if self._under_way:
                return None
            yield from self._step(domain)

    def learn(self, result: Result) -> None:
        """Store a result; unless `steepest`, a better one drops the remaining neighbors."""
        arch = result.candidate.arch
        if not succeeded(result):
            return
        self._known[arch] = result
        if not self.steepest and arch in self._around and self._is_better(result):
            self._queue.clear()

    def _step(self, domain: Domain) -> Proposal[None]:
        """Begin a climb, move to a better neighbor, or end the climb at a local optimum."""
        best = self._best_of(self._around or self._starts)
        if best is None or (self._place is not None and not self._is_better(best)):
            self._place, self._around, self._starts = None, (), []
            self._to_draw = self.num_init
            return
        self._place, self._starts = best, []
        self._around = yield from domain.neighbors(best.candidate.arch)
        found = self._best_of(self._around)
        if self.steepest or found is None or not self._is_better(found):
            self._queue.extend(drawn_sample(self.rng, self._around, len(self._around)))

    def _best_of(self, archs: Sequence[str]) -> Result | None:
        results = (self._known[arch] for arch in archs if arch in self._known)
        return max(results, key=standing, default=None)

    def _is_better(self, result: Result) -> bool:
        return self._place is None or standing(result) > standing(self._place)

    def _new(self, domain: Domain) -> Proposal[str | None]:
        while (arch := (yield from self.sample(domain))) in self._proposed:
            pass
        return arch

    def _candidate(self, arch: str, parent: Result | None) -> Candidate:
        self._proposed.add(arch)
        return Candidate(arch=arch, parent=None if parent is None else parent.number)
