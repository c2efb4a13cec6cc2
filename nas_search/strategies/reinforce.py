"""REINFORCE: Williams, 1992, doi:10.1007/BF00992696, as in NATS-Bench (arXiv:2009.00437)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from nas_search.contract import Candidate, Domain, Proposal, Result, Status
from nas_search.strategies.draws import drawn_index, drawn_normal
from nas_search.strategies.seeded import SeededStrategy, require, succeeded

__all__ = ["Reinforce"]

_SPREAD: Final = 1e-3
"""Standard deviation of the initial logits."""

_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8
"""Constants of Adam: Kingma and Ba, 2015, arXiv:1412.6980."""

_TRIES: Final = 100


@dataclass(kw_only=True, eq=False)
class Reinforce(SeededStrategy):
    """REINFORCE: policy gradient on independent categorical distributions, one for each choice.

    Each result causes one step of Adam on the logits, along the gradient of the log-probability of
    the architecture times the advantage, its value minus a moving average of values. There is no
    entropy term. Defaults are those of NATS-Bench; within 100 trials this learning rate hardly
    improves on random search, and 0.1 is better. An architecture may be drawn and evaluated again.

    Failed and stopped trials are ignored. The reward of a trial outside a bound is as far below the
    worst value within as the best value is above it; before any trial is within, it is ignored.

    Args:
        learning_rate: Learning rate of Adam.
        baseline_decay: Decay of the moving average, which is bias-corrected.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: The learning rate is not above 0, or the decay not between 0 and 1.
        TypeError: The seed is no integer.
    """

    learning_rate: float = 0.01
    baseline_decay: float = 0.9

    name = "Reinforce"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("learning_rate", self.learning_rate, above=0)
        require("baseline_decay", self.baseline_decay, least=0, below=1)
        self._logits: list[list[float]] = []
        self._adam: list[list[tuple[float, float]]] = []
        self._updates = 0
        self._average = (0.0, 0.0)
        self._worst, self._best = math.inf, -math.inf
        self._chosen: dict[str, tuple[int, ...]] = {}

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Draw an architecture from the policy; a random one if no draw is valid."""
        if not self._logits:
            counts = [len(domain.candidates(label)) for label in domain.labels]
            self._logits = [[_SPREAD * drawn_normal(self.rng) for _ in range(n)] for n in counts]
            self._adam = [[(0.0, 0.0)] * count for count in counts]
        weights = [_softmax(row) for row in self._logits]
        arch = None
        for _ in range(0 if self._exhausted else _TRIES):
            arch = yield from domain.compose([drawn_index(self.rng, row) for row in weights])
            if arch is not None:
                break
        else:
            arch = yield from self.sample(domain)
        if arch is None:
            return None
        if arch not in self._chosen:
            self._chosen[arch] = domain.values(arch)
        return Candidate(arch=arch)

    def learn(self, result: Result) -> None:
        """Update the policy by one step."""
        if not succeeded(result):
            return
        reward = result.values[0]
        if result.status is Status.OK:
            self._worst, self._best = min(self._worst, reward), max(self._best, reward)
        elif self._worst == math.inf:
            return
        else:
            reward = self._worst - (self._best - self._worst or 1.0)
        decay = self.baseline_decay
        total, weight = (decay * old for old in self._average)
        self._average = (total + (1 - decay) * reward, weight + (1 - decay))
        self._step(
            self._chosen[result.candidate.arch], reward - self._average[0] / self._average[1]
        )

    def _step(self, chosen: tuple[int, ...], advantage: float) -> None:
        self._updates += 1
        rate = self.learning_rate / (1 - _BETAS[0] ** self._updates)
        scale = math.sqrt(1 - _BETAS[1] ** self._updates)
        for row, moments, place in zip(self._logits, self._adam, chosen, strict=True):
            for other, probability in enumerate(_softmax(row)):
                # Inactive choices do not affect the probability.
                gradient = 0.0 if place < 0 else advantage * ((other == place) - probability)
                first, second = moments[other]
                first += (1 - _BETAS[0]) * (gradient - first)
                second += (1 - _BETAS[1]) * (gradient * gradient - second)
                moments[other] = (first, second)
                row[other] += rate * first / (math.sqrt(second) / scale + _EPSILON)


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
