"""Which paths of a supernet an update trains.

A sampler is a pure function of the choices of a space, a seed and the number of the update. It
keeps no state, so that an interrupted training draws what it would have drawn, and its `settings`
are all there is to save.
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
"""A sample of the space: the one candidate of each choice that an image passes through."""

Batches: TypeAlias = Literal["shared", "one a path"]
"""Whether all paths of an update see the same images."""

_LONGEST_PERIOD: Final = 256
"""Paths of one update: each costs a pass forward and back."""

_REMEMBERED: Final = 1 << 12
"""Permutations kept: one a choice is in use at any time."""


class Costs(Protocol):
    """Tells what a path costs, as a `CostTable` does."""

    @property
    def settings(self) -> dict[str, Any]:
        """What it was made of, as JSON."""
        ...

    def cost(self, sample: Path, /) -> float:
        """Return the cost of a path."""
        ...


class Sampler(Protocol):
    """Says which paths an update trains. The gradients of several paths are summed.

    Attributes:
        batches: Whether the paths of an update see the same images.
    """

    @property
    def batches(self) -> Batches:
        """Whether the paths of an update see the same images."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Its name and every argument, as JSON."""
        ...

    def check(self, choices: SearchSpace) -> None:
        """Refuse a space whose paths it cannot draw.

        Raises:
            InvalidArgumentError: It cannot; the message says why.
        """
        ...

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the paths of an update.

        Args:
            choices: The choices of the space.
            seed: Of the draws.
            step: The number of the update, from 0.
        """
        ...


class _Named:
    """What the samplers share: settings by name, and one batch for all paths."""

    @property
    def settings(self) -> dict[str, Any]:
        """Its name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def check(self, choices: SearchSpace) -> None:
        """Refuse nothing: every space can be drawn from."""


@dataclass(frozen=True, kw_only=True)
class UniformPaths(_Named):
    """One path an update, drawn as the space draws samples (Guo et al., arXiv:1904.00420).

    Each choice is uniform, or follows its prior; depths come before the blocks that they keep, and
    choices of dropped blocks are not drawn.
    """

    batches: Batches = field(default="shared", init=False, repr=False)

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return one path."""
        return (choices.sample(_source(seed, "uniform", step)),)


@dataclass(frozen=True, kw_only=True)
class FairPaths(_Named):
    """Paths that use every candidate of a choice equally often (Chu et al., arXiv:1907.01845).

    Each choice of m candidates goes through one random permutation of them after another. After m
    paths each candidate of each choice was used exactly once.

    A choice that matters only for some values of another, such as a block that a depth may drop,
    goes on to its next candidate only when it matters. So among the paths where it does, its
    candidates are used equally often as well.

    Args:
        update: `summed`, as FairNAS does it: the gradients of the m paths are added up for one
            update. `each path`: an update after each, as other implementations have it.
        unequal: What to do where choices have different numbers of candidates, or do not always
            matter: `refuse`, or `cycle`: each candidate is used equally often within a period,
            which is the least common multiple of the numbers; a summed update has a whole period.
        batches: Whether the paths of a summed update share their images, or have `one a path`.

    Raises:
        InvalidArgumentError: An argument is none of these.
    """

    update: Literal["summed", "each path"] = "summed"
    unequal: Literal["refuse", "cycle"] = "refuse"
    batches: Batches = "shared"

    def __post_init__(self) -> None:
        one_of("update", self.update, ("summed", "each path"))
        one_of("unequal", self.unequal, ("refuse", "cycle"))
        one_of("batches", self.batches, ("shared", "one a path"))

    def check(self, choices: SearchSpace) -> None:
        """Refuse a space whose candidates cannot be used equally often.

        Raises:
            InvalidArgumentError: A choice takes several candidates at once; or choices are unequal
                and not to cycle; or a summed update would have more than 256 paths.
        """
        period = self.period(choices)
        if self.update == "summed" and period > _LONGEST_PERIOD:
            raise InvalidArgumentError(
                "update",
                f"candidates of {choices.name} are used equally often after {period} paths, and "
                f"a summed update has at most {_LONGEST_PERIOD}: choose update='each path'",
            )

    def period(self, choices: SearchSpace) -> int:
        """Return after how many paths every candidate was used equally often.

        Raises:
            InvalidArgumentError: A choice takes several candidates at once, or choices are unequal
                and not to cycle.
        """
        return _Turns(choices, seed=0, equal_only=self.unequal == "refuse").period

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the next path, or those of a whole period.

        Raises:
            InvalidArgumentError: As `check`; or a path breaks a constraint of the space.
        """
        turns = _Turns(choices, seed=seed, equal_only=self.unequal == "refuse")
        if self.update == "each path":
            return (turns.path(step),)
        return tuple(turns.path(step * turns.period + place) for place in range(turns.period))


@dataclass(frozen=True, kw_only=True)
class BinnedPaths(_Named):
    """One path an update whose cost is in a bin that is drawn first (arXiv:1904.00420, its code).

    The bin is drawn uniformly, then paths until one costs what the bin says. Where none of so many
    does, the path is one more draw, of any cost.

    Args:
        costs: Tells what a path costs.
        bounds: Least and greatest cost of each bin, in the unit of the table; both belong to it.
        tries: How many paths are drawn for a bin.

    Raises:
        InvalidArgumentError: There is no bin, or one is none.
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
        """Its name and every argument, as JSON; the table by what it was made of."""
        return {
            "name": type(self).__name__,
            "costs": self.costs.settings,
            "bounds": [list(one) for one in self.bounds],
            "tries": self.tries,
        }

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return one path."""
        source = _source(seed, "bin", step)
        low, high = self.bounds[drawn_below(source, len(self.bounds))]
        for _ in range(self.tries):
            path = choices.sample(source)
            if low <= self.costs.cost(path) <= high:
                return (path,)
        return (choices.sample(source),)


@dataclass(frozen=True, kw_only=True)
class SandwichPaths(_Named):
    """The smallest network, the largest and some at random (Yu & Huang, arXiv:1903.05134).

    The smallest has the least of every number that is chosen, such as a depth, width or kernel; the
    largest the greatest. Choices of names are drawn at random in both.

    Args:
        random: How many paths are drawn at random.

    Raises:
        InvalidArgumentError: That is no number of paths.
    """

    random: int = 2
    batches: Batches = field(default="shared", init=False, repr=False)

    def __post_init__(self) -> None:
        a_count("random", self.random, least=0, most=_LONGEST_PERIOD)

    def check(self, choices: SearchSpace) -> None:
        """Refuse a space that chooses no numbers.

        Raises:
            InvalidArgumentError: Its choices are all of names.
        """
        if not any(map(_is_of_numbers, choices.choices)):
            raise InvalidArgumentError(
                "sampler", f"{choices.name} chooses no numbers: none of its networks is smallest"
            )

    def paths(self, choices: SearchSpace, *, seed: int, step: int) -> tuple[Path, ...]:
        """Return the smallest path, the largest, and those at random.

        Raises:
            InvalidSampleError: The smallest or the largest network breaks a constraint.
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
    """Whose turn it is: which candidate each choice has in the n-th path of a fair sequence."""

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
        """After how many paths all candidates were used equally often."""
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
                "sampler", f"{self._choices.name} has constraints, which fair paths break: {error}"
            ) from error

    def _turns(self, choice: Categorical, paths: int) -> int:
        """Return in how many of the first paths a choice matters."""
        condition = choice.only_if
        if condition is None:
            return paths
        parent = self._by_label[condition.label]
        block, place = divmod(self._turns(parent, paths), len(parent.candidates))
        begun = (parent.candidates[one] for one in self._order(parent, block)[:place])
        return block * len(condition.values) + sum(value in condition.values for value in begun)

    def _period(self, choice: Categorical) -> tuple[int, int]:
        """Return the period of one choice, and in how many of its paths the choice matters."""
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
                f"{sometimes[0]} of {self._choices.name} does not always matter, and fair paths "
                "need every choice in each path; unequal='cycle' counts those where it does",
            )


@lru_cache(maxsize=_REMEMBERED)
def _permutation(seed: int, label: str, block: int, size: int) -> tuple[int, ...]:
    return tuple(drawn_sample(_source(seed, "fair", label, block), range(size), size))


def _source(seed: int, *purpose: object) -> Random:
    """Return the generator of one purpose, such as an update, of a seed."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return generator_of(int.from_bytes(digest[:7]))


def _is_of_numbers(choice: Choice) -> bool:
    return isinstance(choice, Categorical) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in choice.candidates
    )
