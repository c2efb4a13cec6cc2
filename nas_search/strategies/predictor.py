"""Predictor-based search (BANANAS): White, Neiswanger and Savani, AAAI 2021, arXiv:1910.11858."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from missing_extra import needs
from nas_search.contract import Domain, Proposal, Result, Status
from nas_search.domains.paths import PathEncoding
from nas_search.strategies.draws import drawn_normal
from nas_search.strategies.generations import Generation, GenerationalStrategy
from nas_search.strategies.kernel_ridge import KernelRidgeEnsemble
from nas_search.strategies.seeded import best_of, qualified_name, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Predictor", "Regressor"]

_TRIES: Final = 10
"""Attempts for each candidate."""


class Regressor(Protocol):
    """A regression model on vectors of architectures, such as those of scikit-learn."""

    def fit(self, x: NDArray[Any], y: NDArray[Any], /) -> object:
        """Refit to vectors of shape (results, n) and values of shape (results,)."""
        ...

    def predict(self, x: NDArray[Any], /) -> NDArray[Any]:
        """Return predictions of shape (candidates,), or (members, candidates) for an ensemble."""
        ...


@dataclass(kw_only=True, eq=False)
class Predictor(GenerationalStrategy):
    """Predictor-based search (BANANAS): evaluates those mutants of the best with top predictions.

    It follows BANANAS (arXiv:1910.11858) with another predictor: by default five kernel ridge
    regressions on the vectors of the domain, which need only numpy and, with few evaluations, find
    better architectures than the ensemble of networks in the paper. The predictor learns from all
    results. Batches are chosen by independent Thompson sampling: the score of a candidate is a draw
    from the normal distribution of the members' predictions, or the prediction of a single
    regressor. No architecture is evaluated twice. A batch waits for all results of the last one.

    Failed and stopped trials are not learned from. Trials outside a bound are learned as the worst
    value within, and mutated only if too few are within (Deb's rules).

    Args:
        num_init: Number of random architectures at first; 20 is common without an ensemble.
        batch_size: Number of evaluations between two fits.
        num_candidates: Number of mutants from which a batch is chosen.
        num_parents: Number of best architectures that are mutated, by one change each.
        encoding: `choices`: one-hot vectors of the choices; `paths`: vectors of the sequences of
            operations from input to output of the cell (`PathEncoding`), as in the paper, for
            NAS-Bench-101 and NAS-Bench-201.
        regressor: The predictor; None: the kernel ridge regressions. Only its name is part of the
            settings, and searches are repeatable only if it is deterministic.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: A number is out of range.
        TypeError: The seed is no integer.
        MissingExtraError: numpy is not installed; the extra is `local`.
    """

    num_init: int = 10
    batch_size: int = 10
    num_candidates: int = 100
    num_parents: int = 10
    encoding: Literal["choices", "paths"] = "choices"
    regressor: Regressor | None = None

    name = "Predictor"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_init", self.num_init, least=1)
        require("batch_size", self.batch_size, least=1)
        require("num_candidates", self.num_candidates, least=self.batch_size)
        require("num_parents", self.num_parents, least=1)
        if self.encoding not in ("choices", "paths"):
            raise ValueError(f"encoding is {self.encoding!r:.80}; it is choices or paths")
        with needs("local", "a predictor"):
            import numpy  # noqa: F401, ICN001, PLC0415 - the other strategies do without
        self._regressor = self.regressor or KernelRidgeEnsemble(seed=self.seed)
        self._results: list[Result] = []
        self._paths: PathEncoding | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name; a regressor by the name of its class."""
        regressor = None if self.regressor is None else qualified_name(type(self.regressor))
        return {**super().settings, "regressor": regressor}

    @property
    def random_phase(self) -> int:
        """The number of random candidates."""
        return self.num_init

    def select(self, told: Sequence[Result]) -> None:
        """Store the results for the next fit."""
        self._results += told

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Return the next batch; random architectures until there are enough results."""
        if len(self._results) < self.num_init:
            missing = self.num_init - len(self._results)
            return (yield from self.random_candidates(domain, missing))
        pool = yield from self._pool(domain)
        bred: Generation = []
        if pool:
            scores = self._scores(domain, list(pool))
            ranked = sorted(pool, key=lambda arch: -scores[arch])
            bred = [self.candidate(arch, pool[arch]) for arch in ranked[: self.batch_size]]
        return bred + (yield from self.random_candidates(domain, self.batch_size - len(bred)))

    def _pool(self, domain: Domain) -> Proposal[dict[str, Result]]:
        """Return mutants with their parents, taking the best results in turn as parents."""
        parents = best_of(self._results, self.num_parents)
        pool: dict[str, Result] = {}
        for turn in range(_TRIES * self.num_candidates):
            if len(pool) == self.num_candidates:
                break
            parent = parents[turn % len(parents)]
            arch = yield from domain.neighbor(parent.candidate.arch, self.rng)
            if arch is not None and arch not in self._seen:
                pool.setdefault(arch, parent)
        return pool

    def _encoder(self, domain: Domain) -> Callable[[str], NDArray[Any]]:
        if self.encoding == "choices":
            return domain.encode
        if self._paths is None:
            # Kept for the whole search, as it caches the vectors of all results.
            self._paths = PathEncoding(domain)
        return self._paths

    def _scores(self, domain: Domain, archs: Sequence[str]) -> dict[str, float]:
        import numpy as np  # noqa: PLC0415

        within = [one.values[0] for one in self._results if one.status is Status.OK]
        worst = min(within, default=0.0)
        values = [one.values[0] if one.status is Status.OK else worst for one in self._results]
        encode = self._encoder(domain)
        known = np.stack([encode(one.candidate.arch) for one in self._results])
        self._regressor.fit(known, np.array(values))
        predicted = self._regressor.predict(np.stack([encode(arch) for arch in archs]))
        predicted = np.atleast_2d(predicted)
        means, deviations = predicted.mean(axis=0).tolist(), predicted.std(axis=0).tolist()
        return {
            arch: mean + deviation * drawn_normal(self.rng)
            for arch, mean, deviation in zip(archs, means, deviations, strict=True)
        }
