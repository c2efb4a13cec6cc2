"""BOHB: Falkner, Klein and Hutter, ICML 2018, arXiv:1807.01774, in the variant of HpBandSter."""

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
"""Batches of draws without a new valid architecture before the model is given up."""

_TINY: Final = 1e-32


class _Density:
    """A kernel density of architectures with a product of Aitchison-Aitken kernels.

    The bandwidth of a choice follows the normal reference rule on positions, as in statsmodels, and
    is limited to the range from `least` to that of a uniform density.
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
        """Draw one of the points and replace each choice with a probability of its bandwidth."""
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
    """BOHB: Hyperband with new architectures drawn from a kernel density model of good results.

    New architectures maximise the ratio of the density of good results to that of bad ones. The
    model uses the highest fidelity with enough results (two more than there are choices); before,
    new architectures are random. Defaults are those of NATS-Bench (arXiv:2009.00437), and of
    HpBandSter where it states none. HpBandSter's bandwidth factor has no effect on categorical
    choices and is left out. No architecture is drawn as a new one twice.

    Failed and stopped trials are not promoted and not part of the model. Trials outside a bound
    rank below all trials within (Deb's rules).

    Args:
        min_fidelity: The fewest epochs (or steps) of an evaluation.
        max_fidelity: The most epochs (or steps).
        eta: The inverse of the share that is promoted to the next rung.
        num_samples: Draws from the model for each new architecture, of which the best is used.
        random_fraction: Probability that a new architecture is random regardless of the model.
        good_fraction: Share of the results that count as good.
        min_bandwidth: Smallest bandwidth of a choice, which keeps all values possible.
        seed: Seed of its draws, any integer.

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
        """Draw an architecture from the model, or at random if there is no model yet."""
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
        """Store a result for its rung and for the model."""
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
        """Return the best of several new draws from the model; None if no draw is new and valid."""
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
