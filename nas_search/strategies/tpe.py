"""Optuna's tree-structured Parzen estimator: Bergstra, Bardenet, Bengio, Kégl, NeurIPS 2011."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from missing_extra import needs
from nas_search.contract import Candidate, Domain, Proposal, Result, Status
from nas_search.strategies.draws import drawn_below, drawn_one
from nas_search.strategies.seeded import SeededStrategy, require, succeeded

if TYPE_CHECKING:
    import optuna

__all__ = ["TPE"]

_TRIES: Final = 20
_OUTSIDE: Final = -1e100
"""A value below all feasible ones; the sampler uses only the order of values."""


@dataclass(kw_only=True, eq=False)
class TPE(SeededStrategy):
    """Tree-structured Parzen estimator: prefers values frequent among the best results.

    The sampler is Optuna's `TPESampler` with independent choices and otherwise default settings. It
    lives in memory and is rebuilt by replay. If a draw was proposed before (about 40 times in 100
    trials on NAS-Bench-201) or is no valid architecture, an architecture that differs from it in
    one choice is proposed instead; after 20 such attempts, a random one. The proposals depend on
    the installed versions of Optuna and numpy.

    Failed and stopped trials are reported to Optuna as failed, which the sampler ignores. Trials
    outside a bound rank below all trials within (Deb's rules).

    Args:
        num_startup: Number of results before proposals depend on them.
        seed: Seed of its draws, any integer.

    Raises:
        ValueError: `num_startup` is less than 1.
        TypeError: The seed is no integer.
        MissingExtraError: Optuna is not installed; the extra is `optuna`.
    """

    num_startup: int = 10

    name = "TPE"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("num_startup", self.num_startup, least=1)
        with needs("optuna", "TPE"):
            import optuna  # noqa: F401, PLC0415 - the other strategies do without
        self._study: optuna.Study | None = None
        self._asked: dict[str, optuna.Trial] = {}
        self._proposed: set[str] = set()
        self._results: dict[str, Result] = {}
        self._distributions: dict[str, Any] = {}

    @property
    def random_phase(self) -> int:
        """The number of random candidates."""
        return self.num_startup

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return the sampler's draw, or a similar or random architecture if it is not new."""
        study = self._study or self._begun(domain)
        if not self._exhausted:
            trial = study.ask(self._distributions)
            drawn = [trial.params[label] for label in domain.labels]
            arch = yield from domain.compose(drawn)
            if arch is not None and arch not in self._proposed:
                return self._candidate(arch, trial)
            self._tell(trial, None if arch is None else self._results.get(arch))
            near = yield from self._near(domain, drawn)
            if near is not None:
                return self._stated(study, domain, near)
        while (arch := (yield from self.sample(domain))) in self._proposed:
            pass
        return None if arch is None else self._stated(study, domain, arch)

    def learn(self, result: Result) -> None:
        """Report a result to the sampler."""
        arch = result.candidate.arch
        self._results[arch] = result
        self._tell(self._asked.pop(arch), result)

    def _begun(self, domain: Domain) -> optuna.Study:
        import optuna  # noqa: PLC0415

        sampler = optuna.samplers.TPESampler(
            n_startup_trials=self.num_startup,
            multivariate=False,
            constant_liar=False,
            seed=self.seed % 2**32,
        )
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._study = optuna.create_study(sampler=sampler, direction="maximize")
        finally:
            optuna.logging.set_verbosity(verbosity)
        self._distributions = {
            label: optuna.distributions.CategoricalDistribution(
                tuple(range(len(domain.candidates(label))))
            )
            for label in domain.labels
        }
        return self._study

    def _near(self, domain: Domain, drawn: Sequence[int]) -> Proposal[str | None]:
        """Return a new architecture that differs from a draw in one choice, or None."""
        counts = [len(domain.candidates(label)) for label in domain.labels]
        places = [place for place, count in enumerate(counts) if count > 1]
        for _ in range(_TRIES if places else 0):
            place = drawn_one(self.rng, places)
            other = drawn_below(self.rng, counts[place] - 1)
            changed = list(drawn)
            changed[place] = other + (other >= drawn[place])
            arch = yield from domain.compose(changed)
            if arch is not None and arch not in self._proposed:
                return arch
        return None

    def _stated(self, study: optuna.Study, domain: Domain, arch: str) -> Candidate:
        """Propose an architecture that the sampler did not draw, and add it to Optuna's study."""
        positions = (max(place, 0) for place in domain.values(arch))
        study.enqueue_trial(dict(zip(domain.labels, positions, strict=True)))
        return self._candidate(arch, study.ask(self._distributions))

    def _candidate(self, arch: str, trial: optuna.Trial) -> Candidate:
        self._proposed.add(arch)
        self._asked[arch] = trial
        return Candidate(arch=arch)

    @staticmethod
    def _tell(trial: optuna.Trial, result: Result | None) -> None:
        from optuna.trial import TrialState  # noqa: PLC0415

        if result is None or not succeeded(result):
            trial.study.tell(trial, state=TrialState.FAIL)
        elif result.status is Status.OK:
            trial.study.tell(trial, result.values[0])
        else:
            trial.study.tell(trial, _OUTSIDE * (1 + result.violation))
