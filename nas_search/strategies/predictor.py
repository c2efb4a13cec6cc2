"""A predictor of values that chooses what to evaluate: White, Neiswanger and Savani, AAAI 2021."""

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
"""For each candidate that is wanted."""


class Regressor(Protocol):
    """What predicts values of architectures from their vectors; scikit-learn's do, too."""

    def fit(self, x: NDArray[Any], y: NDArray[Any], /) -> object:
        """Learn from vectors of shape (results, n) and values of shape (results,), anew."""
        ...

    def predict(self, x: NDArray[Any], /) -> NDArray[Any]:
        """Return values of shape (candidates,), or (members, candidates) of an ensemble."""
        ...


@dataclass(kw_only=True, eq=False)
class Predictor(GenerationalStrategy):
    """Evaluates the mutants of the best that a predictor, learned from all results, thinks best.

    BANANAS (arXiv:1910.11858) with another predictor: by default five kernel ridge regressions on
    the vectors of the domain, which need nothing but numpy and find better architectures with few
    evaluations than the ensemble of networks in the paper. Batches are chosen by independent
    Thompson sampling: each candidate counts as a draw from the normal distribution of what the
    members predict, or as the prediction of a single regressor. None is evaluated twice. The next
    batch waits for the results of the last.

    What failed or was stopped teaches nothing. What is outside a bound is learned as the worst that
    was within, and mutated only where too few are within (Deb's rules).

    Args:
        num_init: How many random architectures are evaluated at first; 20 are usual without an
            ensemble.
        batch_size: How many are evaluated between two fits.
        num_candidates: Of how many mutants a batch is chosen.
        num_parents: Of how many of the best they are mutants, by one change each.
        encoding: What vectors say of architectures: `choices`, which candidate each choice has; or
            `paths`, as in the paper, which sequences of operations lead through the cell
            (`PathEncoding`), for NAS-Bench-101 and NAS-Bench-201.
        regressor: Predicts; None for the kernel ridge regressions. It must be deterministic for
            searches to be, and its name alone is among the settings.
        seed: Of its draws, any integer.

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
        """Every argument by name, a regressor by the name of its class."""
        regressor = None if self.regressor is None else qualified_name(type(self.regressor))
        return {**super().settings, "regressor": regressor}

    @property
    def random_phase(self) -> int:
        """How many candidates are random."""
        return self.num_init

    def select(self, told: Sequence[Result]) -> None:
        """Learn from all results, later ones too."""
        self._results += told

    def breed(self, domain: Domain) -> Proposal[Generation]:
        """Choose a batch; random architectures until there are enough results."""
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
        """Return mutants of the best, with their parents; in turn, so that each has as many."""
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
            # One for the search, since it remembers the vectors of all results.
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
