"""BOHB: Falkner, Klein and Hutter, ICML 2018, arXiv:1807.01774, as HpBandSter has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from nas_search.contract import Domain, Proposal, Result
from nas_search.strategies.draws import drawn_below, drawn_one
from nas_search.strategies.hyperband import Hyperband
from nas_search.strategies.seeded import best_of, require, succeeded

__all__ = ["BOHB"]

_TRIES: Final = 10
"""Batches of drawn architectures that may all be repeated or invalid."""

_TINY: Final = 1e-32


class _Density:
    """A kernel density of architectures: kernels of Aitchison and Aitken, multiplied.

    The bandwidth of a choice is that of the normal reference rule on positions, as in statsmodels,
    at least a given one and at most that of a uniform density.
    """

    def __init__(
        self, points: Sequence[tuple[int, ...]], counts: Sequence[int], least: float
    ) -> None:
        self.points = points
        self._counts = counts
        scale = 1.06 * len(points) ** (-1 / (4 + len(counts)))
        self.bandwidths = [
            min(max(scale * _deviation(column), least), 1 - 1 / count)
            for column, count in zip(zip(*points, strict=True), counts, strict=True)
        ]

    def of(self, positions: Sequence[int]) -> float:
        """Return the density at an architecture."""
        kernels = [
            (1 - width, width / max(count - 1, 1))
            for width, count in zip(self.bandwidths, self._counts, strict=True)
        ]
        total = 0.0
        for point in self.points:
            weight = 1.0
            for at, place, kernel in zip(point, positions, kernels, strict=True):
                weight *= kernel[at != place]
            total += weight
        return total / len(self.points)

    def draw(self, rng: Random) -> list[int]:
        """Draw an architecture: one of the points, each choice changed by its bandwidth."""
        drawn = []
        for place, width, count in zip(
            drawn_one(rng, self.points), self.bandwidths, self._counts, strict=True
        ):
            kept = place >= 0 and rng.random() < 1 - width
            drawn.append(place if kept else drawn_below(rng, count))
        return drawn


class _Model(NamedTuple):
    good: _Density
    bad: _Density


@dataclass(kw_only=True, eq=False)
class BOHB(Hyperband):
    """Hyperband whose newcomers are drawn where good results are dense and bad ones are not.

    The model is of the highest fidelity that has enough results: the choices and two more. Below
    that, newcomers are random. Settings are those of NATS-Bench (arXiv:2009.00437); what it does
    not state is as in HpBandSter. Its factor of bandwidths acts on continuous choices alone, so
    there is none here. An architecture is drawn into the lowest rung once only.

    What failed or was stopped does not go on and is not in the model. What is outside a bound ranks
    below all that is within (Deb's rules).

    Args:
        min_fidelity: The least epochs (or steps) of an evaluation.
        max_fidelity: The most.
        eta: One of so many goes on to the next rung.
        num_samples: How many the model draws for each newcomer, of which the best is taken.
        random_fraction: How probable it is that a newcomer is random all the same.
        good_fraction: How many of the results are good.
        min_bandwidth: Of every choice, so that all of it stays possible.
        seed: Of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
    """

    max_fidelity: int = 12
    num_samples: int = 4
    random_fraction: float = 0.0
    good_fraction: float = 0.15
    min_bandwidth: float = 0.3

    name = "BOHB"
    draws_alone = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_samples", self.num_samples, least=1)
        require("random_fraction", self.random_fraction, least=0, most=1)
        require("good_fraction", self.good_fraction, above=0, below=1)
        require("min_bandwidth", self.min_bandwidth, above=0, most=1)
        self._results: dict[int, list[Result]] = {}
        self._model: _Model | None = None
        self._is_stale = False
        self._drawn: set[str] = set()

    def newcomer(self, domain: Domain) -> Proposal[str | None]:
        """Draw an architecture by the model, if there is one."""
        before = self.rng.getstate()
        if self._is_stale:
            self._model, self._is_stale = self._fitted(domain), False
        arch = None
        if self._model is not None and self.rng.random() >= self.random_fraction:
            arch = yield from self._likely(domain, self._model)
        if arch is None:
            while (arch := (yield from self.sample(domain))) in self._drawn:
                pass
        if arch is None:
            self.rng.setstate(before)
            return None
        self._drawn.add(arch)
        return arch

    def learn(self, result: Result) -> None:
        """Keep a result for its rung and for the model."""
        super().learn(result)
        if succeeded(result) and result.candidate.fidelity is not None:
            self._results.setdefault(result.candidate.fidelity, []).append(result)
            self._is_stale = True

    def _fitted(self, domain: Domain) -> _Model | None:
        least = len(domain.labels) + 1
        enough = [level for level, results in self._results.items() if len(results) > least]
        if not enough:
            return None
        results = self._results[max(enough)]
        ranked = best_of(results, len(results))
        num_good = max(least, math.floor(self.good_fraction * len(ranked)))
        num_bad = max(least, math.floor((1 - self.good_fraction) * len(ranked)))
        points = [domain.values(result.candidate.arch) for result in ranked]
        good, bad = points[:num_good], points[num_good : num_good + num_bad]
        if len(bad) < least:
            return None
        counts = [len(domain.candidates(label)) for label in domain.labels]
        return _Model(
            _Density(good, counts, self.min_bandwidth), _Density(bad, counts, self.min_bandwidth)
        )

    def _likely(self, domain: Domain, model: _Model) -> Proposal[str | None]:
        """Return the best of some that were not drawn before; None where none was found."""
        for _ in range(_TRIES):
            best, least = None, math.inf
            for _ in range(self.num_samples):
                arch = yield from domain.compose(model.good.draw(self.rng))
                if arch is None or arch in self._drawn:
                    continue
                at = domain.values(arch)
                ratio = max(model.bad.of(at), _TINY) / max(model.good.of(at), _TINY)
                if ratio < least:
                    best, least = arch, ratio
            if best is not None:
                return best
        return None


def _deviation(column: Sequence[int]) -> float:
    mean = sum(column) / len(column)
    return math.sqrt(sum((place - mean) ** 2 for place in column) / len(column))
