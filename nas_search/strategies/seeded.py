"""What all strategies of this package share: settings by name, a generator, who is under way."""

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
    """Base of the strategies: a dataclass whose fields are its settings.

    A strategy made of it says in `choose` what to evaluate next and takes note in `learn`. The base
    draws the line between waiting and the end: where `choose` returns None, the strategy waits as
    long as candidates are under way and is finished otherwise. Where it returns None it must have
    drawn nothing from its generator: how often it is asked in vain depends on luck.

    Args:
        seed: Of its draws, any integer.

    Attributes:
        name: What studies and specifications call it: the name of its class.
        several_objectives: Whether it can take more than one objective.
        draws_alone: Whether it never changes an architecture, and so searches a mere list, too.
        rng: The generator of its draws.

    Raises:
        TypeError: The seed is no integer.
    """

    seed: int = 0

    name = "SeededStrategy"
    several_objectives = False
    draws_alone = False

    def __post_init__(self) -> None:
        self.rng = generator_of(self.seed)
        # Another one, so that to ask an exhausted domain in vain changes no other draw.
        self._sampling = generator_of(drawn_below(self.rng, 2**53))
        self._exhausted = False
        self._under_way = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Every argument by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}

    @property
    def random_phase(self) -> int:
        """How many candidates depend on no result: with fewer trials it is random search."""
        return 0

    @property
    def fidelities(self) -> tuple[int, ...]:
        """Which fidelities it evaluates at, the lowest first; empty: all there is of each."""
        return ()

    def propose(self, domain: Domain) -> Proposal[Candidate | Wait | None]:
        """Return a candidate, `WAIT` for results that are under way, or None at the end."""
        candidate = yield from self.choose(domain)
        if candidate is None:
            return WAIT if self._under_way else None
        self._under_way += 1
        return candidate

    def observe(self, result: Result) -> None:
        """Take note of a result.

        Raises:
            ValueError: It has several values and the strategy ranks by one.
        """
        if len(result.values) > 1 and not self.several_objectives:
            raise ValueError(
                f"{self.name} ranks by one objective and was told {len(result.values)} values; "
                "NSGA2, RandomSearch and GridSearch take several"
            )
        self._under_way -= 1
        self.learn(result)

    def new_notes(self) -> dict[str, Any]:
        """Return what was dear to compute since the last call, as JSON; a study keeps it."""
        return {}

    def recall(self, notes: Mapping[str, Any]) -> None:
        """Take back what `new_notes` returned when the search was first made, before a replay."""

    def choose(self, domain: Domain) -> Proposal[Candidate | None]:
        """Return what to evaluate next; None where there is nothing as things stand."""
        raise NotImplementedError

    def learn(self, result: Result) -> None:
        """Take note of a result, of whatever status; by default nothing is learned."""

    def sample(self, domain: Domain) -> Proposal[str | None]:
        """Draw a random architecture that was not drawn before; None: there are no more."""
        if self._exhausted:
            return None
        arch = yield from domain.sample(self._sampling)
        self._exhausted = arch is None
        return arch


def succeeded(result: Result) -> bool:
    """Return whether a result has values to compare: it did not fail and was not stopped."""
    return result.status is Status.OK or result.status is Status.INFEASIBLE


def standing(result: Result) -> Standing:
    """Return what results of one objective compare by, larger being better.

    Feasible ones come first, among the others those that violate bounds less, then the value
    counts (Deb's rules: Deb, 2000, doi:10.1016/S0045-7825(99)00389-8).
    """
    return (result.status is Status.OK, -result.violation, result.values[0])


def best_of(results: Iterable[Result], count: int) -> list[Result]:
    """Return the best of results that succeeded, best first; of equals the first come first."""
    return sorted(results, key=standing, reverse=True)[:count]


def qualified_name(named: object) -> str:
    """Return what a function or class is called in settings."""
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
    """Refuse a setting that is out of its range.

    Raises:
        ValueError: It is.
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
    """Refuse a setting that is none of a few words.

    Raises:
        ValueError: It is.
    """
    if value not in (words := tuple(known)):
        raise ValueError(f"{name} is {value!r}; one of {', '.join(words)}")
