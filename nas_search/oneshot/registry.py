"""The one-shot strategies by name, and the trainers that files and jobs describe as JSON.

A strategy is given as a name, or as an object of a `name` and arguments. Files of `nbs supernet`
and jobs of a service both use this module, so they accept the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_hub.errors import InvalidArgumentError
from model_hub.model_space import ModelSpace
from nas_search.errors import ProblemError
from nas_search.oneshot.costs import CostTable
from nas_search.oneshot.gates import BinaryGates, Reinforced
from nas_search.oneshot.losses import (
    CostLoss,
    Hinge,
    Linear,
    LogPower,
    LogProduct,
    LogRuntime,
    Square,
)
from nas_search.oneshot.policy import PolicyPaths, PolicyTrainer
from nas_search.oneshot.relaxations import Gumbel, GumbelHard, Relaxation, Softmax
from nas_search.oneshot.samplers import (
    BinnedPaths,
    FairPaths,
    Sampler,
    SandwichPaths,
    UniformPaths,
)
from nas_search.oneshot.searching import SearchTrainer
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Halves, PathTrainer, SupernetTrainer
from nas_search.problems.goals import check_known
from nas_search.recipe import Recipe, recipe_of
from nas_search.specification.supernets import check_parts

__all__ = ["LOSSES", "RELAXATIONS", "SAMPLERS", "OneShot"]

SAMPLERS: Final[Mapping[str, Any]] = {
    one.__name__: one for one in (UniformPaths, FairPaths, BinnedPaths, SandwichPaths, PolicyPaths)
}
"""The samplers of paths, and the policy, which learns to draw them."""

RELAXATIONS: Final[Mapping[str, Any]] = {
    one.__name__: one for one in (Softmax, Gumbel, GumbelHard, BinaryGates, Reinforced)
}
"""The relaxations."""

LOSSES: Final[Mapping[str, Any]] = {
    one.__name__: one for one in (Square, Hinge, Linear, LogPower, LogProduct, LogRuntime)
}
"""The losses that combine cross-entropy and expected cost."""

_SHORT: Final = {"uniform": "UniformPaths", "fair": "FairPaths", "sandwich": "SandwichPaths"}


@dataclass(frozen=True, kw_only=True)
class OneShot:
    """The settings of a supernet's training, and of its search if the strategy includes one.

    Attributes:
        strategy: A sampler, a policy or a relaxation.
        costs: The costs of candidates.
        cost_loss: The loss that combines cross-entropy and expected cost in a relaxation.
    """

    strategy: Sampler | PolicyPaths | Relaxation
    costs: CostTable | None = None
    cost_loss: CostLoss | None = None

    @classmethod
    def stated(
        cls, stated: Mapping[str, Any], space: ModelSpace, *, input_shape: Sequence[int]
    ) -> OneShot:
        """Make the settings from JSON.

        Args:
            stated: `sampler` (by default `UniformPaths`) or `relaxation`, each a name or an object
                of `name` and arguments; `arch_recipe`, in a form that `recipe_of` accepts; `costs`,
                arguments of `CostTable.of`; `loss`, an object of `name` and arguments. A value of
                None counts as missing.
            space: The space.
            input_shape: The shape of an image, without the batch.

        Raises:
            ProblemError: A name or argument is unknown, missing, invalid or does not fit.
            NoMixtureError: Candidates have no separate costs.
        """
        given = {name: value for name, value in stated.items() if value is not None}
        relaxed = "relaxation" in given
        what, known = ("relaxation", RELAXATIONS) if relaxed else ("sampler", SAMPLERS)
        name, arguments = _named(given.get(what, UniformPaths.__name__))
        check_known(what, [name], tuple(known))
        loss = None
        if "loss" in given:
            chosen, options = _named(given["loss"])
            check_known("loss", [chosen], tuple(LOSSES))
            loss = _called("loss", LOSSES[chosen], **options)
        try:
            check_parts(given, name)
            if "arch_recipe" in given:
                arguments["arch_recipe"] = recipe_of(given["arch_recipe"])
        except InvalidArgumentError as error:
            raise ProblemError(f"{error.argument}: {error}") from error
        costs = None
        if "costs" in given:
            costs = _table(given["costs"], space, input_shape)
        if name == BinnedPaths.__name__:
            arguments["costs"] = costs
        strategy = _called(what, known[name], **arguments)
        return cls(strategy=strategy, costs=costs, cost_loss=loss)

    def trainer(
        self, supernet: Supernet, data: Halves, recipe: Recipe, **options: Any
    ) -> SupernetTrainer:
        """Return the trainer of a supernet with these settings.

        Args:
            supernet: The supernet, trained in place.
            data: Images for training weights, and images for comparing architectures.
            recipe: The recipe for weights.
            options: As for `SupernetTrainer`.

        Raises:
            NoMixtureError: Candidates of this space cannot be mixed.
            InvalidArgumentError: The strategy does not support the space; or as for
                `SupernetTrainer`.
        """
        strategy: Any = self.strategy
        if isinstance(strategy, PolicyPaths):
            return PolicyTrainer(supernet, data, strategy, recipe, **options)
        if type(strategy).__name__ in RELAXATIONS:
            return SearchTrainer(
                supernet,
                data,
                strategy,
                recipe,
                costs=self.costs,
                cost_loss=self.cost_loss,
                **options,
            )
        return PathTrainer(supernet, data, strategy, recipe, **options)


def _table(stated: Any, space: ModelSpace, input_shape: Sequence[int]) -> CostTable:
    if not isinstance(stated, Mapping):
        raise ProblemError(f"costs must be a table of arguments, not {stated!r:.80}")
    found: CostTable = _called(
        "costs", CostTable.of, space, **{"input_shape": input_shape, **stated}
    )
    return found


def _named(stated: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a strategy given as a name or a table."""
    if isinstance(stated, str):
        return _SHORT.get(stated, stated), {}
    name = stated.get("name") if isinstance(stated, Mapping) else None
    if not isinstance(name, str):
        raise ProblemError(f"must be a name, or a table with a name, not {stated!r:.80}")
    arguments = {key: value for key, value in stated.items() if key != "name"}
    return _SHORT.get(name, name), arguments


def _called(what: str, make: Callable[..., Any], *given: Any, **arguments: Any) -> Any:
    try:
        return make(*given, **arguments)
    except (TypeError, InvalidArgumentError) as error:
        raise ProblemError(f"{what}: {error}") from error
