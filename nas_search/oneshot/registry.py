"""Every one-shot strategy by name, and the trainer of what a file or a job states.

A statement is plain JSON: a strategy is a name, or an object of a `name` and arguments. Files of
`nbs supernet` and jobs of a service are read here alone, so that they can state the same.
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
"""What draws the paths of an update; a policy learns to."""

RELAXATIONS: Final[Mapping[str, Any]] = {
    one.__name__: one for one in (Softmax, Gumbel, GumbelHard, BinaryGates, Reinforced)
}
"""How candidates are weighed."""

LOSSES: Final[Mapping[str, Any]] = {
    one.__name__: one for one in (Square, Hinge, Linear, LogPower, LogProduct, LogRuntime)
}
"""How a relaxation weighs the expected cost."""

_SHORT: Final = {"uniform": "UniformPaths", "fair": "FairPaths", "sandwich": "SandwichPaths"}


@dataclass(frozen=True, kw_only=True)
class OneShot:
    """How a supernet is trained, and searched where its strategy does that.

    Attributes:
        strategy: Draws paths, or weighs candidates.
        costs: What candidates cost.
        cost_loss: How a relaxation weighs the expected cost.
    """

    strategy: Sampler | PolicyPaths | Relaxation
    costs: CostTable | None = None
    cost_loss: CostLoss | None = None

    @classmethod
    def stated(
        cls, stated: Mapping[str, Any], space: ModelSpace, *, input_shape: Sequence[int]
    ) -> OneShot:
        """Return what JSON states.

        Args:
            stated: `sampler` (by default `UniformPaths`) or `relaxation`, each a name or an object
                of `name` and arguments; `arch_recipe`, what `recipe_of` takes; `costs`, arguments
                of `CostTable.of`; `loss`, an object of `name` and arguments. None is as left out.
            space: Whose candidates cost something.
            input_shape: Of an image, without the batch.

        Raises:
            ProblemError: A name or an argument is unknown or missing, means nothing, or belongs to
                nothing that is stated.
            NoMixtureError: Candidates have no costs of their own.
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
        """Return what trains a supernet in this way.

        Args:
            supernet: Is trained in place.
            data: Images for weights, and images for architectures.
            recipe: How weights are trained.
            options: As `SupernetTrainer`.

        Raises:
            NoMixtureError: Candidates of this space cannot be weighed.
            InvalidArgumentError: The strategy cannot serve the space; or as `SupernetTrainer`.
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
        raise ProblemError(f"costs are a table of arguments, not {stated!r:.80}")
    found: CostTable = _called(
        "costs", CostTable.of, space, **{"input_shape": input_shape, **stated}
    )
    return found


def _named(stated: Any) -> tuple[str, dict[str, Any]]:
    """Return a name and arguments, from either a name or a table."""
    if isinstance(stated, str):
        return _SHORT.get(stated, stated), {}
    name = stated.get("name") if isinstance(stated, Mapping) else None
    if not isinstance(name, str):
        raise ProblemError(f"wanted are a name, or a table with a name, not {stated!r:.80}")
    arguments = {key: value for key, value in stated.items() if key != "name"}
    return _SHORT.get(name, name), arguments


def _called(what: str, make: Callable[..., Any], *given: Any, **arguments: Any) -> Any:
    try:
        return make(*given, **arguments)
    except (TypeError, InvalidArgumentError) as error:
        raise ProblemError(f"{what}: {error}") from error
