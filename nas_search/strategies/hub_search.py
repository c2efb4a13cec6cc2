"""The same strategies on spaces of the model hub, with an evaluation of one's own.

space = model_hub.space("NasBench201")
trials = search_choices(
    RegularizedEvolution(seed=0),
    space.choices,
    lambda sample: train_and_validate(space.freeze(sample)),
    num_trials=200,
)
best = max(trials, key=lambda trial: trial.value)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from math import isnan
from random import Random
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bench_client.operations import drive
from nas_search.strategies.strategy import Ask, Strategy, check_evaluations, warn_if_random

if TYPE_CHECKING:
    from model_hub import SearchSpace

__all__ = ["HubSpace", "Trial", "search_choices"]

_REPEATS_IN_A_ROW: Final = 500
"""After so many draws that brought nothing new, most of what the priors allow has been drawn."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A sample that was evaluated.

    Args:
        sample: Labels and chosen values, canonical.
        value: What the evaluation returned.
    """

    sample: Mapping[str, Any]
    value: float


class HubSpace:
    """Samples of a space as strategies know architectures: by their canonical JSON.

    Args:
        choices: The choices of the space.
    """

    def __init__(self, choices: SearchSpace) -> None:
        self.choices = choices
        self._given: set[str] = set()

    def sample(self, rng: Random) -> Generator[Ask, Any, str | None]:
        """Draw a sample by the priors, none twice; None when there are no more."""
        yield from ()
        for _ in range(_REPEATS_IN_A_ROW):
            if self._is_new(arch := self.choices.to_json(self.choices.sample(rng))):
                return arch
        # Walking the grid meets one that is new, or the end, after as many steps as were given.
        every = map(self.choices.to_json, self.choices.grid())
        return next(filter(self._is_new, every), None)

    def neighbor(self, arch: str, rng: Random) -> Generator[Ask, Any, str | None]:
        """Draw a sample that differs in one choice; None where nothing can be changed."""
        from model_hub import InvalidSampleError  # noqa: PLC0415 - the client does without the hub

        yield from ()
        parent = self.choices.from_json(arch)
        try:
            return self.choices.to_json(self.choices.mutate(parent, rng))
        except InvalidSampleError:
            return None

    def _is_new(self, arch: str) -> bool:
        """Return whether a sample was not given before; from now on it was."""
        is_new = arch not in self._given
        self._given.add(arch)
        return is_new


def search_choices(
    strategy: Strategy,
    choices: SearchSpace,
    evaluate: Callable[[dict[str, Any]], float],
    *,
    num_trials: int,
    larger_is_better: bool = True,
) -> list[Trial]:
    """Evaluate what a strategy proposes of a space, one after the other.

    A sample that is proposed again is evaluated again.

    Args:
        strategy: Chooses the samples; new, since it remembers what it saw.
        choices: Those of a space, `space.choices`.
        evaluate: Returns the value of a sample.
        num_trials: How many evaluations, 1 or more; fewer if the space has no more.
        larger_is_better: Whether values are to be large, as accuracies, or small, as costs.

    Returns:
        The trials, in order.

    Raises:
        ValueError: `num_trials` is less than 1, or so few that all of them would be drawn at
            random although the strategy is to learn; or a value is not a number.
    """
    if num_trials < 1:
        raise ValueError(f"num_trials is {num_trials}; at least 1")
    check_evaluations(strategy, num_trials, choices.raw_size)
    space = HubSpace(choices)
    trials: list[Trial] = []
    while len(trials) < num_trials:
        arch = drive(strategy.propose(space), _refuse)
        if arch is None:
            break
        sample = choices.from_json(arch)
        value = float(evaluate(sample))
        if isnan(value):
            raise ValueError(f"the evaluation of {arch} returned nan, which no strategy can rank")
        trials.append(Trial(sample, value))
        strategy.observe(arch, value if larger_is_better else -value)
    if len(trials) == num_trials:
        warn_if_random(strategy, num_trials)
    return trials


def _refuse(_: Ask) -> NoReturn:
    raise TypeError("the strategy asks a benchmark, but a space of the model hub has none")
