"""Samplers, which choose the paths of a supernet that an update trains.

The paths depend only on the choices of the space, a seed and the number of the update. A sampler
has no state, so a resumed training draws the same paths, and only its `settings` have to be saved.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from math import gcd, isfinite, lcm
from random import Random
from typing import Any, Final, Literal, Protocol, TypeAlias

from model_hub.arguments import a_count, one_of
from model_hub.choices import Categorical, Choice
from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown
from model_hub.search_space import SearchSpace
from nas_search.strategies.draws import drawn_below, drawn_sample, generator_of

__all__ = [
    "Batches",
    "BinnedPaths",
    "FairPaths",
    "Path",
    "Sampler",
    "SandwichPaths",
    "UniformPaths",
]

Path: TypeAlias = dict[str, Any]
"""A sample of the space, with one candidate for each active choice."""

Batches: TypeAlias = Literal["shared", "one a path"]
"""Whether all paths of an update use the same images."""

_LONGEST_PERIOD: Final = 256
"""The most paths of an update, each of which takes a forward and a backward pass."""

_CACHE_SIZE: Final = 1 << 12
"""Size of the cache of permutations, of which one for each choice is in use at a time."""


class Costs(Protocol):
    """Returns the cost of a path, as `CostTable` does."""

    @property
    def settings(self) -> dict[str, Any]:
        """How the costs were made, as JSON."""
        ...

    def cost(self, sample: Path, /) -> float:
        """Return the cost of a path."""
        ...


class Sampler(Protocol):
    """Chooses the paths of an update. The gradients of several paths are summed.

    Attributes:
        batches: Whether the paths of an update use the same images.
    """

    @property
    def batches(self) -> Batches:
        """Whether the paths of an update use the same images."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        ...

    def check(self, choices: SearchSpace) -> None:
        """Raise if the sampler does not support a space.

        Raises:
            InvalidArgumentError: It does not; the message says why.
        """
        ...

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the paths of an update.

        Args:
            choices: The choices of the space.
            seed: Seed of the draws.
            step: The number of the update, from 0.
        """
        ...


class _Named:
    """Base of the samplers: settings by name, and support of every space."""

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def check(self, choices: SearchSpace) -> None:
        """Accept every space."""


@dataclass(frozen=True, kw_only=True)
class UniformPaths(_Named):
    """One random path per update, drawn as a sample of the space (Guo et al., arXiv:1904.00420).

    Each choice is uniform or follows its prior. Depths are drawn before the blocks that they keep,
    and choices of dropped blocks are not drawn.
    """

    batches: Batches = field(default="shared", init=False, repr=False)

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return one random path."""
        return (choices.sample(_source(seed, "uniform", step)),)


@dataclass(frozen=True, kw_only=True)
class FairPaths(_Named):
    """FairNAS: paths that use every candidate of a choice equally often (arXiv:1907.01845).

    Each choice of m candidates follows one random permutation of them after another. After m paths
    each candidate of each choice has been used exactly once (Chu et al.).

    A conditional choice, such as one of a block that a depth may drop, advances to its next
    candidate only in paths where it is active, so that they are equally frequent there as well.

    Args:
        update: `summed`: one update with the summed gradients of m paths, as in FairNAS. `each
            path`: one update for each path, as in other implementations.
        unequal: For choices with different numbers of candidates, or conditional ones. `refuse`:
            an error. `cycle`: candidates are used equally often within a period, the least common
            multiple of the numbers; a summed update covers a whole period.
        batches: Whether the paths of a summed update have `shared` images, or `one a path`.

    Raises:
        InvalidArgumentError: An argument is unknown.
    """

    update: Literal["summed", "each path"] = "summed"
    unequal: Literal["refuse", "cycle"] = "refuse"
    batches: Batches = "shared"

    def __post_init__(self) -> None:
        one_of("update", self.update, ("summed", "each path"))
        one_of("unequal", self.unequal, ("refuse", "cycle"))
        one_of("batches", self.batches, ("shared", "one a path"))

    def check(self, choices: SearchSpace) -> None:
        """Raise if the candidates of a space cannot be used equally often.

        Raises:
            InvalidArgumentError: A choice takes several candidates at once; choices are unequal and
                `unequal` is `refuse`; or a summed update would have more than 256 paths.
        """
        period = self.period(choices)
        if self.update == "summed" and period > _LONGEST_PERIOD:
            raise InvalidArgumentError(
                "update",
                f"candidates of {choices.name} are used equally often after {period} paths, and "
                f"a summed update has at most {_LONGEST_PERIOD}: choose update='each path'",
            )

    def period(self, choices: SearchSpace) -> int:
        """Return the number of paths after which every candidate was used equally often.

        Raises:
            InvalidArgumentError: A choice takes several candidates at once, or choices are unequal
                and `unequal` is `refuse`.
        """
        return _Turns(choices, seed=0, equal_only=self.unequal == "refuse").period

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the next path, or the paths of a whole period.

        Raises:
            InvalidArgumentError: As for `check`; or a path violates a constraint of the space.
        """
        turns = _Turns(choices, seed=seed, equal_only=self.unequal == "refuse")
        if self.update == "each path":
            return (turns.path(step),)
        return tuple(turns.path(step * turns.period + place) for place in range(turns.period))


@dataclass(frozen=True, kw_only=True)
class BinnedPaths(_Named):
    """One path per update with a cost in a randomly drawn bin (code of arXiv:1904.00420).

    The bin is drawn uniformly, then paths are drawn until one has a cost in it. If none of `tries`
    paths has, one more path of any cost is drawn.

    Args:
        costs: The costs of paths.
        bounds: Smallest and largest cost of each bin, both included, in the unit of the table.
        tries: The most paths drawn for a bin.

    Raises:
        InvalidArgumentError: There is no bin, or a bin is invalid.
    """

    costs: Costs
    bounds: tuple[tuple[float, float], ...]
    tries: int = 500
    batches: Batches = field(default="shared", init=False, repr=False)

    def __post_init__(self) -> None:
        a_count("tries", self.tries)
        bins = tuple(map(tuple, self.bounds))
        if not bins:
            raise InvalidArgumentError("bounds", "there is no bin")
        for one in bins:
            if len(one) != 2 or not all(map(isfinite, one)) or one[0] > one[1]:  # noqa: PLR2004
                raise InvalidArgumentError("bounds", f"{shown(one)} is no least and greatest cost")
        object.__setattr__(self, "bounds", bins)

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON; the costs by their settings."""
        return {
            "name": type(self).__name__,
            "costs": self.costs.settings,
            "bounds": [list(one) for one in self.bounds],
            "tries": self.tries,
        }

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return one path of a drawn bin."""
        source = _source(seed, "bin", step)
        low, high = self.bounds[drawn_below(source, len(self.bounds))]
        for _ in range(self.tries):
            path = choices.sample(source)
            if low <= self.costs.cost(path) <= high:
                return (path,)
        return (choices.sample(source),)


@dataclass(frozen=True, kw_only=True)
class SandwichPaths(_Named):
    """Sandwich rule: the smallest network, the largest, and random ones (arXiv:1903.05134).

    The smallest network has the smallest value of every numeric choice, such as a depth, width or
    kernel size; the largest network the largest values. Other choices are random in both.

    Args:
        random: The number of random paths.

    Raises:
        InvalidArgumentError: The number is invalid.
    """

    random: int = 2
    batches: Batches = field(default="shared", init=False, repr=False)

    def __post_init__(self) -> None:
        a_count("random", self.random, least=0, most=_LONGEST_PERIOD)

    def check(self, choices: SearchSpace) -> None:
        """Raise if a space has no numeric choices.

        Raises:
            InvalidArgumentError: No choice is numeric.
        """
        if not any(map(_is_of_numbers, choices.choices)):
            raise InvalidArgumentError(
                "sampler", f"{choices.name} has no numeric choices, so no smallest network"
            )

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the smallest path, the largest, and the random ones.

        Raises:
            InvalidSampleError: The smallest or the largest network violates a constraint.
        """
        source = _source(seed, "sandwich", step)
        ends = (
            choices.validate(
                {
                    one.label: extreme(one.candidates) if _is_of_numbers(one) else one.draw(source)
                    for one in choices.choices
                }
            )
            for extreme in (min, max)
        )
        return (*ends, *(choices.sample(source) for _ in range(self.random)))


class _Turns:
    """The candidate of each choice in the n-th path of a fair sequence."""

    def __init__(self, choices: SearchSpace, *, seed: int, equal_only: bool) -> None:
        self._choices = choices
        self._by_label: dict[str, Categorical] = {}
        self._seed = seed
        for choice in choices.choices:
            if not isinstance(choice, Categorical):
                raise InvalidArgumentError(
                    "sampler",
                    f"{choice.label} takes several candidates at once: fair paths are for choices "
                    "of one",
                )
            self._by_label[choice.label] = choice
        if equal_only:
            self._refuse_unequal()

    @property
    def period(self) -> int:
        """The number of paths after which all candidates were used equally often."""
        return lcm(*(self._period(choice)[0] for choice in self._by_label.values()))

    def path(self, number: int) -> Path:
        """Return the n-th path, from 0."""
        sample: Path = {}
        for label, choice in self._by_label.items():
            condition = choice.only_if
            if condition is None or sample.get(condition.label) in condition.values:
                block, place = divmod(self._turns(choice, number), len(choice.candidates))
                sample[label] = choice.candidates[self._order(choice, block)[place]]
        try:
            return self._choices.validate(sample)
        except InvalidSampleError as error:
            raise InvalidArgumentError(
                "sampler", f"fair paths violate constraints of {self._choices.name}: {error}"
            ) from error

    def _turns(self, choice: Categorical, paths: int) -> int:
        """Return the number of the first `paths` paths in which a choice is active."""
        condition = choice.only_if
        if condition is None:
            return paths
        parent = self._by_label[condition.label]
        block, place = divmod(self._turns(parent, paths), len(parent.candidates))
        begun = (parent.candidates[one] for one in self._order(parent, block)[:place])
        return block * len(condition.values) + sum(value in condition.values for value in begun)

    def _period(self, choice: Categorical) -> tuple[int, int]:
        """Return the period of one choice, and the number of its paths with the choice active."""
        if choice.only_if is None:
            return len(choice.candidates), len(choice.candidates)
        parent = self._by_label[choice.only_if.label]
        paths, turns = self._period(parent)
        turns = turns // len(parent.candidates) * len(choice.only_if.values)
        times = len(choice.candidates) // gcd(len(choice.candidates), turns)
        return paths * times, turns * times

    def _order(self, choice: Categorical, block: int) -> tuple[int, ...]:
        return _permutation(self._seed, choice.label, block, len(choice.candidates))

    def _refuse_unequal(self) -> None:
        open_choices = [one for one in self._by_label.values() if one.num_values > 1]
        counts = sorted({one.num_values for one in open_choices})
        if len(counts) > 1:
            raise InvalidArgumentError(
                "sampler",
                f"choices of {self._choices.name} have {' or '.join(map(str, counts))} candidates, "
                "and fair paths need as many of each: unequal='cycle' uses them equally often "
                "within a longer period",
            )
        sometimes = [one.label for one in open_choices if one.only_if is not None]
        if sometimes:
            raise InvalidArgumentError(
                "sampler",
                f"{sometimes[0]} of {self._choices.name} is not always active, and fair paths need "
                "every choice in each path; unequal='cycle' counts the paths where it is",
            )


@lru_cache(maxsize=_CACHE_SIZE)
def _permutation(seed: int, label: str, block: int, size: int) -> tuple[int, ...]:
    return tuple(drawn_sample(_source(seed, "fair", label, block), range(size), size))


def _source(seed: int, *purpose: object) -> Random:
    """Return a generator seeded by a seed and a purpose, such as the number of an update."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return generator_of(int.from_bytes(digest[:7]))


def _is_of_numbers(choice: Choice) -> bool:
    return isinstance(choice, Categorical) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in choice.candidates
    )
