"""Base class and helpers of the strategies: settings, random generator, ranking of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from nas_search.contract import WAIT, Candidate, Domain, Proposal, Result, Status, Wait
from nas_search.strategies.draws import drawn_below, generator_of

__all__ = [
    "SeededStrategy",
    "best_of",
    "one_of",
    "qualified_name",
    "require",
    "standing",
    "succeeded",
]

Standing = tuple[bool, float, float]


@dataclass(kw_only=True, eq=False)
class SeededStrategy:
    """Base of the strategies: a dataclass whose fields are the settings.

    A subclass implements `choose`, which returns the next candidate, and `learn`, which takes a
    result. If `choose` returns None, the strategy waits while candidates are running, and is
    finished otherwise. `choose` must not draw random numbers when it returns None, because the
    number of such calls depends on timing.

    Args:
        seed: Seed of its draws, any integer.

    Attributes:
        name: The name in studies and specifications, that of the class.
        several_objectives: Whether it supports more than one objective.
        draws_alone: Whether it only draws architectures and never changes one, so that it can
            search a plain list.
        rng: The random generator.

    Raises:
        TypeError: The seed is no integer.
    """

    seed: int = 0

    name = "SeededStrategy"
    several_objectives = False
    draws_alone = False

    def __post_init__(self) -> None:
        self.rng = generator_of(self.seed)
        # A separate generator, so that calls on an exhausted domain change no other draw.
        self._sampling = generator_of(drawn_below(self.rng, 2**53))
        self._exhausted = False
        self._under_way = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}

    @property
    def random_phase(self) -> int:
        """The number of first candidates that depend on no result."""
        return 0

    @property
    def fidelities(self) -> tuple[int, ...]:
        """The fidelities of its evaluations, the lowest first; empty: only full evaluations."""
        return ()

    def propose(self, domain: Domain) -> Proposal[Candidate | Wait | None]:
        """Return a candidate, `WAIT` while results are missing, or None at the end."""
        candidate = yield from self.choose(domain)
        if candidate is None:
            return WAIT if self._under_way else None
        self._under_way += 1
        return candidate

    def observe(self, result: Result) -> None:
        """Learn from a result.

        Raises:
            ValueError: It has several values and the strategy supports only one.
        """
        if len(result.values) > 1 and not self.several_objectives:
            raise ValueError(
                f"{self.name} ranks by one objective and was told {len(result.values)} values; "
                "NSGA2, RandomSearch and GridSearch take several"
            )
        self._under_way -= 1
        self.learn(result)

    def new_notes(self) -> dict[str, Any]:
        """Return expensive values computed since the last call, as JSON, for a study to store."""
        return {}

    def recall(self, notes: Mapping[str, Any]) -> None:
        """Load values that `new_notes` returned in an earlier run; called before a replay."""

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return the next candidate; None if there is none at present."""
        raise NotImplementedError

    def learn(self, result: Result) -> None:
        """Learn from a result of any status; the default ignores it."""

    def sample(self, domain: Domain) -> Proposal[str | None]:
        """Draw a new random architecture; None: there are no more."""
        if self._exhausted:
            return None
        arch = yield from domain.sample(self._sampling)
        self._exhausted = arch is None
        return arch


def succeeded(result: Result) -> bool:
    """Return whether a result has values to compare: it did not fail and was not stopped."""
    return result.status is Status.OK or result.status is Status.INFEASIBLE


def standing(result: Result) -> Standing:
    """Return the sort key of a result with one objective, larger being better.

    Feasible results come first, then smaller violations of bounds, then larger values (Deb's rules:
    Deb, 2000, doi:10.1016/S0045-7825(99)00389-8).
    """
    return (result.status is Status.OK, -result.violation, result.values[0])


def best_of(results: Iterable[Result], count: int) -> list[Result]:
    """Return the `count` best of successful results, best first; equals keep their order."""
    return sorted(results, key=standing, reverse=True)[:count]


def qualified_name(named: object) -> str:
    """Return the module and qualified name of a function or class, for settings."""
    module = getattr(named, "__module__", type(named).__module__)
    name = getattr(named, "__qualname__", type(named).__qualname__)
    return f"{module}.{name}"


def require(
    name: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Raise if a setting is out of its range.

    Raises:
        ValueError: It is out of range.
    """
    limits = [
        (least, "at least", least is None or value >= least),
        (above, "above", above is None or value > above),
        (most, "at most", most is None or value <= most),
        (below, "below", below is None or value < below),
    ]
    if not all(held for _, _, held in limits):
        span = " and ".join(f"{word} {limit}" for limit, word, _ in limits if limit is not None)
        raise ValueError(f"{name} is {value}; {span}")


def one_of(name: str, value: object, known: Iterable[str]) -> None:
    """Raise if a setting is not among the allowed words.

    Raises:
        ValueError: It is not.
    """
    if value not in (words := tuple(known)):
        raise ValueError(f"{name} is {value!r}; one of {', '.join(words)}")
