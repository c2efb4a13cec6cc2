"""The domain of a space of the model hub, with conditional choices and constraints.

An architecture is the canonical JSON of a sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, Final

from nas_search.contract import Proposal
from nas_search.domains.product import one_hot
from nas_search.domains.walk import stated
from nas_search.errors import ProblemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model_hub import Choice, SearchSpace

__all__ = ["HubDomain"]

_REPEATS_IN_A_ROW: Final = 500
"""Repeated draws in a row after which sampling changes from random draws to the grid."""

_CACHE_SIZE: Final = 1 << 14
"""Samples whose positions are cached; parsing one takes tens of microseconds."""

_MOST_VALUES: Final = 1 << 12
"""The most values of a choice, which for a choice of subsets are all subsets."""


class HubDomain:
    """The samples of a space; a new object for each search.

    Draws follow the priors of the space. If a change activates a block, its choices take their
    first values in `neighbors`. In `neighbor` and `mutate` they are drawn by the priors, because
    searches would otherwise hardly leave the first values.

    Args:
        choices: The choices of the space, `space.choices`.

    Raises:
        ProblemError: A choice has more than 4,096 values.
    """

    def __init__(self, choices: SearchSpace) -> None:
        self.choices = choices
        self._given: set[str] = set()
        self._rest = self._every()
        for choice in choices.choices:
            if choice.num_values > _MOST_VALUES:
                raise ProblemError(
                    f"{choice.label} has {choice.num_values} values; a search lists {_MOST_VALUES}"
                )
        self._positions = lru_cache(maxsize=_CACHE_SIZE)(self._read)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all choices, including those of optional blocks."""
        return self.choices.labels

    @property
    def size(self) -> int:
        """The number of samples, ignoring constraints."""
        return self.choices.size

    def candidates(self, label: str) -> tuple[Any, ...]:
        """Return the possible values of a choice; for a choice of subsets they are lists."""
        return self._candidates[label]

    def values(self, arch: str) -> tuple[int, ...]:
        """Return the position of each chosen value; -1 for an inactive choice."""
        return self._positions(arch)

    def compose(self, positions: Sequence[int]) -> Proposal[str | None]:
        """Return the sample of these positions; None if they form no valid one."""
        yield from ()
        if len(positions) != len(self.labels):
            return None
        chosen = {}
        for (label, candidates), place in zip(self._candidates.items(), positions, strict=True):
            if place >= len(candidates):
                return None
            if place >= 0:
                chosen[label] = candidates[place]
        return self._allowed(lambda: self.choices.validate(chosen))

    def sample(self, rng: Random) -> Proposal[str | None]:
        """Draw a new sample by the priors; None: there are no more."""
        yield from ()
        for _ in range(_REPEATS_IN_A_ROW):
            if self._is_new(arch := json.dumps(self.choices.sample(rng))):
                return arch
        # The iterator is kept, as everything before its position has been returned.
        return next(filter(self._is_new, self._rest), None)

    def neighbors(self, arch: str) -> Proposal[tuple[str, ...]]:
        """Return all samples that differ in one choice, label by label.

        A subset differs by one member that is added, removed or exchanged.
        """
        yield from ()
        parent = json.loads(arch)
        found = (
            self._changed(parent, choice, other)
            for choice in self.choices.choices
            if choice.label in parent
            for other in self._others(choice, parent[choice.label])
        )
        return tuple(dict.fromkeys(one for one in found if one is not None))

    def neighbor(self, arch: str, rng: Random) -> Proposal[str | None]:
        """Draw a sample that differs in one choice, by the priors; None if there is none."""
        return (yield from self.mutate(arch, rng, 0.0))

    def mutate(self, arch: str, rng: Random, probability: float) -> Proposal[str | None]:
        """Change each choice with a probability, at least one; None if nothing can change."""
        yield from ()
        parent = json.loads(arch)
        return self._allowed(lambda: self.choices.mutate(parent, rng, probability=probability))

    def crossover(self, first: str, second: str, rng: Random) -> Proposal[str | None]:
        """Take each choice from one of two parents; None if no child meets the constraints."""
        yield from ()
        parents = (json.loads(first), json.loads(second))
        return self._allowed(lambda: self.choices.crossover(*parents, rng))

    def grid(self) -> Iterator[Proposal[str | None]]:
        """Yield all samples; the last label changes fastest, and probable values come first."""
        return map(stated, self._every())

    def encode(self, arch: str) -> NDArray[Any]:
        """Return the one-hot vector of an architecture."""
        return one_hot(self.values(arch), tuple(map(len, self._candidates.values())))

    def _every(self) -> Iterator[str]:
        return map(json.dumps, self.choices.grid())

    @cached_property
    def _candidates(self) -> dict[str, tuple[Any, ...]]:
        return {choice.label: _values_of(choice) for choice in self.choices.choices}

    def _read(self, arch: str) -> tuple[int, ...]:
        from model_hub import InvalidSampleError  # noqa: PLC0415 - tables are searched without it

        try:
            sample = self.choices.from_json(arch)
        except InvalidSampleError as error:
            raise ProblemError(f"{arch!r:.200} is no architecture of this domain") from error
        return tuple(
            candidates.index(sample[label]) if label in sample else -1
            for label, candidates in self._candidates.items()
        )

    def _changed(self, parent: Mapping[str, Any], choice: Choice, value: Any) -> str | None:
        """Return the sample with another value; choices that it activates take their defaults."""
        defaults = {one.label: one.default for one in self.choices.choices}
        return self._allowed(
            lambda: self.choices.validate({**defaults, **parent, choice.label: value})
        )

    def _others(self, choice: Choice, value: Any) -> Iterator[Any]:
        """Yield the values of a choice that are one change away."""
        for other in self._candidates[choice.label]:
            if other == value:
                continue
            if isinstance(value, list):
                added = sum(member not in value for member in other)
                removed = sum(member not in other for member in value)
                # The nearest subsets of a fixed size exchange one member.
                if (added, removed) not in _ONE_MEMBER:
                    continue
                if added == removed and len(value) != getattr(choice, "n_chosen", None):
                    continue
            yield other

    def _allowed(self, attempt: Callable[[], Mapping[str, Any]]) -> str | None:
        from model_hub import InvalidSampleError  # noqa: PLC0415 - tables are searched without it

        try:
            return json.dumps(attempt())
        except InvalidSampleError:
            return None

    def _is_new(self, arch: str) -> bool:
        """Return whether a sample is new, and mark it as drawn."""
        is_new = arch not in self._given
        self._given.add(arch)
        return is_new


_ONE_MEMBER: Final = frozenset({(1, 0), (0, 1), (1, 1)})
"""Numbers of members that one change of a subset adds and removes."""


def _values_of(choice: Choice) -> tuple[Any, ...]:
    from model_hub import Subset  # noqa: PLC0415 - tables are searched without it

    return tuple(choice.values()) if isinstance(choice, Subset) else choice.candidates
