"""Search by a zero-cost score: Abdelfattah et al., ICLR 2021, arXiv:2101.08134."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

from nas_search.contract import Candidate, Domain, Proposal
from nas_search.strategies.evolution import RegularizedEvolution
from nas_search.strategies.seeded import one_of, qualified_name, require

__all__ = ["ProxySearch"]


@dataclass(kw_only=True, eq=False)
class ProxySearch(RegularizedEvolution):
    """Search by a zero-cost score: evaluates the best-scored of many random architectures first.

    Either evaluates the scored architectures from best to worst and then stops, or uses the best of
    them as the first population of regularized evolution (the paper's warm-up). Architectures with
    equal scores keep the order of their draws; those with a score of NaN are left out.

    As in regularized evolution, failed and stopped trials do not enter the population, and the next
    architecture of the ranking is evaluated instead. Trials outside a bound rank below all trials
    within (Deb's rules).

    Args:
        score: A deterministic function that returns a number for an architecture, larger being
            better. It is called `num_scored` times at the first proposal. A study stores the
            scores, so that they are not computed again when it is resumed. Only its name is part of
            the settings: its attribute `setting`, or its Python name.
        num_scored: Number of random architectures that are scored.
        then: "evolution" after the best of them, or "stop" when all are evaluated.
        population_size: Number of best-scored architectures in the first population.
        sample_size: Number of individuals that compete to be the parent.
        draw: As in regularized evolution.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range, or `then` or `draw` is unknown.
        TypeError: The seed is no integer, or the score cannot be called.
    """

    score: Callable[[str], float]
    num_scored: int = 1000
    then: Literal["evolution", "stop"] = "evolution"
    population_size: int = 10
    sample_size: int = 3

    name = "ProxySearch"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_scored", self.num_scored, least=1)
        one_of("then", self.then, ("evolution", "stop"))
        if not callable(self.score):
            raise TypeError(f"score is {self.score!r:.80}, not a function of an architecture")
        self._ranked: deque[str] | None = None
        self._scores: dict[str, float] = {}
        self._new_scores: dict[str, float] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name; the score by its own name."""
        name = getattr(self.score, "setting", None) or qualified_name(self.score)
        return {**super().settings, "score": name}

    @property
    def draws_alone(self) -> bool:  # type: ignore[override]  # it depends on a setting
        """Whether it only draws architectures and never changes one."""
        return self.then == "stop"

    @property
    def random_phase(self) -> int:
        """The number of candidates before evolution learns from results; 0 without evolution."""
        return self.population_size if self.then == "evolution" else 0

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return the next architecture of the ranking, or a child."""
        if self.then == "evolution":
            return (yield from super().choose(domain))
        arch = yield from self.drawn(domain)
        return None if arch is None else Candidate(arch=arch)

    def new_notes(self) -> dict[str, Any]:
        """Return the scores computed since the last call."""
        new, self._new_scores = self._new_scores, {}
        return new

    def recall(self, notes: Mapping[str, Any]) -> None:
        """Load scores that were computed before."""
        self._scores.update(notes)

    def _scored(self, arch: str) -> float:
        if arch not in self._scores:
            self._scores[arch] = self._new_scores[arch] = float(self.score(arch))
        return self._scores[arch]

    def drawn(self, domain: Domain) -> Proposal[str | None]:
        """Return the next architecture of the ranking; the first call computes all scores."""
        if self._ranked is None:
            scores: dict[str, float] = {}
            while len(scores) < self.num_scored:
                arch = yield from self.sample(domain)
                if arch is None:
                    break
                scores[arch] = self._scored(arch)
            kept = (arch for arch, score in scores.items() if not isnan(score))
            self._ranked = deque(sorted(kept, key=lambda arch: -scores[arch]))
        return self._ranked.popleft() if self._ranked else None
