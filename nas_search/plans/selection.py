"""The architectures that a plan selects, and those of them that are trained.

If the open choices of a space are independent, architectures are numbers from which samples are
computed, and the table is a `Product`. For other spaces the selected samples are listed, and the
table is `Listed`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Any, Final

from benchmark_spec import Listed, Product, SpecError, SpellingError, check_listed_name
from benchmark_spec.errors import shown
from model_hub.choices import Categorical, Choice, When, random_source
from model_hub.errors import ModelHubError
from model_hub.network_counts import NetworkCounts
from model_hub.search_space import SearchSpace
from nas_search.plans.file import Plan, PlanError

__all__ = ["MOST_ARCHITECTURES", "Selection"]

MOST_ARCHITECTURES: Final = 1_000_000
"""The most architectures of a plan, as their numbers are held in memory."""
_TRIES: Final = 1_000
"""Repeated draws in a row after which a listed space counts as exhausted."""


class Selection:
    """The architectures of a plan.

    A position is an index among the selected architectures, a number an index in the table. Those
    of a sample are in the order of their draws: a larger sample begins with the smaller one.

    Raises:
        PlanError: The plan selects more architectures than there are or are allowed, something that
            is no architecture of the space, or architectures without a short name.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._space = plan.model_space
        whole = self._space.choices
        self._choices = SearchSpace(
            whole.name,
            tuple(_restricted(whole.choices, plan.restrict)),
            whole.derived,
            whole.tolerated,
        )
        self._open = tuple(one for one in self._choices.choices if len(one.candidates) > 1)
        self._product = self._as_product()
        self._samples: list[dict[str, Any]] = []
        self.numbers: Sequence[int] = (
            self._selected_numbers() if self._product is not None else self._listed()
        )

    @property
    def places(self) -> tuple[str, ...]:
        """The labels of the open choices, in the order of a `Product`."""
        return tuple(choice.label for choice in self._open)

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """The values of the choices with a single candidate, by label."""
        return {
            one.label: one.candidates[0]
            for one in self._choices.choices
            if len(one.candidates) == 1 and one.only_if is None
        }

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def table_space(self) -> Product | Listed:
        """The architecture space of the table."""
        return self._product or Listed(example=self.names[0])

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of the architectures of a listed table, sorted."""
        return sorted(map(_name_of, self._samples))

    def sample(self, position: int) -> dict[str, Any]:
        """Return the sample of the space at a position."""
        if self._product is None:
            return self._samples[position]
        return self._sample_of(self.numbers[position])

    def name(self, position: int) -> str:
        """Return the architecture string, in the table, of a position."""
        if self._product is None:
            return _name_of(self._samples[position])
        return str(self._product.names(self.numbers[position])["arch_str"])

    def position(self, spelled: Any) -> int:
        """Return the position of an architecture, in any spelling of the table.

        Raises:
            SpellingError: It is malformed, outside the space, or not selected.
        """
        space = self.table_space
        number = (space.opened(self.names) if isinstance(space, Listed) else space).number(spelled)
        if number not in self._positions:
            raise SpellingError(f"{shown(spelled)} is not among the selected architectures")
        return self._positions[number]

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {number: position for position, number in enumerate(self.numbers)}

    def counts(self, position: int) -> NetworkCounts | None:
        """Return the size of the network at a position; None if no formula gives it."""
        return self._space.counts(self.sample(position))

    @cached_property
    def trained(self) -> Sequence[int]:
        """The positions that are trained: the first of each set of equivalent architectures."""
        if not self.plan.unique:
            return range(len(self))
        return [place for place, first in enumerate(self.stands_for) if place == first]

    @cached_property
    def stands_for(self) -> Sequence[int]:
        """For each position, the position of the equivalent architecture that is trained."""
        if not self.plan.unique:
            return range(len(self))
        first: dict[str, int] = {}
        return [
            first.setdefault(self._space.computes(self.sample(place)), place)
            for place in range(len(self))
        ]

    def check_bounds(self) -> None:
        """Raise if a network is too large for any machine, as far as formulas give its size.

        Raises:
            PlanError: A network is too large.
        """
        for place in self.trained:
            try:
                self._space.check_network_bounds(self.sample(place))
            except ModelHubError as error:
                raise PlanError(f"{self.name(place)}: {error}", path=("space",)) from error

    def _as_product(self) -> Product | None:
        independent = not self._choices.derived and all(
            isinstance(choice, Categorical) and choice.only_if is None
            for choice in self._choices.choices
        )
        if not independent or not self._open:
            return None
        try:
            return Product(
                length=len(self._open),
                choices=tuple(tuple(map(str, one.candidates)) for one in self._open),
            )
        except SpecError:
            return None

    def _sample_of(self, number: int) -> dict[str, Any]:
        chosen = {}
        for choice in reversed(self._open):
            number, place = divmod(number, len(choice.candidates))
            chosen[choice.label] = choice.candidates[place]
        return self._choices.validate({**self.fixed, **chosen})

    def _selected_numbers(self) -> Sequence[int]:
        plan, size = self.plan, self._choices.raw_size
        assert self._product is not None  # noqa: S101 - for the type checker
        if plan.kind == "list":
            return self._stated(self._product)
        if plan.kind == "all":
            _refuse_many(size)
            return range(size)
        wanted = _sample_size(plan, size)
        source, seen = random_source(plan.sample_seed), dict[int, None]()
        while len(seen) < wanted:
            seen.setdefault(int(source.random() * size))
        return list(seen)

    def _stated(self, product: Product) -> list[int]:
        found = []
        for spelled in self.plan.listed:
            try:
                if isinstance(spelled, Mapping):
                    sample = self._choices.validate(spelled)
                    spelled = [str(sample[choice.label]) for choice in self._open]  # noqa: PLW2901 - the same, as the table reads it
                found.append(product.number(spelled))
            except (ModelHubError, SpellingError) as error:
                raise PlanError(str(error), path=("select", "archs")) from error
        return _each_once(found)

    def _listed(self) -> Sequence[int]:
        """Collect the samples of a space that has no numbers, and return their table numbers."""
        plan = self.plan
        if plan.kind == "list":
            try:
                self._samples = [self._choices.validate(one) for one in plan.listed]
            except ModelHubError as error:
                raise PlanError(str(error), path=("select", "archs")) from error
        elif plan.kind == "all":
            # Constraints may exclude samples; at most twice as many combinations are searched.
            _refuse_many(self._choices.size // 2)
            self._samples = list(islice(self._choices.grid(), MOST_ARCHITECTURES + 1))
            _refuse_many(len(self._samples))
        else:
            wanted = _sample_size(plan, min(self._choices.size, MOST_ARCHITECTURES))
            self._samples = list(islice(self._draws(), wanted))
            if len(self._samples) < wanted:
                raise PlanError(
                    f"{wanted} architectures are to be drawn, and only {len(self._samples)} were "
                    "found",
                    path=("select", "n"),
                )
        if not self._samples:
            raise PlanError("no architecture is selected", path=("select",))
        names = [_name_of(sample) for sample in self._samples]
        numbers = {name: number for number, name in enumerate(sorted(names))}
        return _each_once([numbers[name] for name in names])

    def _draws(self) -> Iterator[dict[str, Any]]:
        source, seen, idle = random_source(self.plan.sample_seed), set[str](), 0
        while idle < _TRIES:
            sample = self._choices.sample(source)
            name = json.dumps(sample)
            idle = idle + 1 if name in seen else 0
            if not idle:
                seen.add(name)
                yield sample


def _restricted(
    choices: Sequence[Choice], restrict: Mapping[str, Sequence[Any]]
) -> Iterator[Choice]:
    """Yield the choices with their remaining candidates, without those that are never active."""
    left: dict[str, tuple[Any, ...]] = {}
    for choice in choices:
        condition = choice.only_if
        if condition is not None:
            values = tuple(one for one in condition.values if one in left.get(condition.label, ()))
            if not values:
                continue
            condition = When(condition.label, values)
        kept = tuple(
            one for one in choice.candidates if one in restrict.get(choice.label, choice.candidates)
        )
        left[choice.label] = kept
        if isinstance(choice, Categorical) and choice.prior is not None:
            weights = zip(choice.candidates, choice.prior, strict=True)
            prior = tuple(weight for one, weight in weights if one in kept)
            yield replace(choice, candidates=kept, only_if=condition, prior=prior)
        else:
            yield replace(choice, candidates=kept, only_if=condition)


def _name_of(sample: Mapping[str, Any]) -> str:
    """Return a name for a sample, made of its values in the order of choices."""
    values = [
        json.dumps(value, separators=(",", ":")) if isinstance(value, list) else str(value)
        for value in sample.values()
    ]
    name = "|".join(values)
    if name.isdecimal():
        name = f"{next(iter(sample))}={name}"
    try:
        return check_listed_name(name)
    except SpellingError as error:
        raise PlanError(
            f"architectures of this space have no short name: {error}", path=("space",)
        ) from error


def _sample_size(plan: Plan, size: int) -> int:
    assert plan.n is not None  # noqa: S101 - a sample has a size
    _refuse_many(plan.n)
    if plan.n > size:
        raise PlanError(
            f"a sample of {plan.n:,} exceeds the {size:,} architectures: select all",
            path=("select", "n"),
        )
    return plan.n


def _each_once(numbers: list[int]) -> list[int]:
    seen = set[int]()
    for number in numbers:
        if number in seen:
            raise PlanError(
                f"architecture {shown(number)} is listed twice", path=("select", "archs")
            )
        seen.add(number)
    return numbers


def _refuse_many(count: int) -> None:
    if count > MOST_ARCHITECTURES:
        raise PlanError(
            f"{count:,} architectures are more than {MOST_ARCHITECTURES:,}: select a sample",
            path=("select", "kind"),
        )
