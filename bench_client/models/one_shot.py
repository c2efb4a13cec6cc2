"""How a supernet is trained: samplers of paths, relaxations, and losses of what networks cost.

`nas_search.oneshot` has a class of the same name and arguments for each. docs/one-shot.md says what
they do.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "BinaryGatesRelaxation",
    "BinnedSampler",
    "CostLoss",
    "CountedCosts",
    "FairSampler",
    "GumbelHardRelaxation",
    "GumbelRelaxation",
    "HingeLoss",
    "LinearLoss",
    "LogPowerLoss",
    "LogProductLoss",
    "LogRuntimeLoss",
    "PolicySampler",
    "ReinforcedRelaxation",
    "Relaxation",
    "Sampler",
    "SandwichSampler",
    "SoftmaxRelaxation",
    "SquareLoss",
    "UniformSampler",
]

_MOST_PATHS: Final = 256
"""Of an update: each costs a pass forward and back."""
_MOST_STEPS: Final = 1_000_000
_MOST_BINS: Final = 256
_MOST_EPOCHS: Final = 10_000

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Weight: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
_Cost: TypeAlias = Annotated[float, Field(ge=0, le=1e18)]
_Temperature: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]
_Warmup: TypeAlias = Annotated[int, Field(ge=0, le=_MOST_EPOCHS)]
_Every: TypeAlias = Annotated[int, Field(ge=1, le=_MOST_STEPS)]

_WARMUP: Final = "Epochs of weights alone at first."
_EVERY: Final = "Weight steps to a step of the logits."
_TARGET: Final = "The cost that is aimed at, in the unit of `costs`."


def _least_first(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{bounds[0]:g} and {bounds[1]:g} are no least and greatest cost")
    return bounds


_Bin: TypeAlias = Annotated[
    list[_Cost], Field(min_length=2, max_length=2), AfterValidator(_least_first)
]


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class UniformSampler(_Stated):
    """One path an update, drawn as the space draws samples."""

    name: Literal["UniformPaths"] = Field(description="Its name.")


class FairSampler(_Stated):
    """Paths that use every candidate of a choice equally often."""

    name: Literal["FairPaths"] = Field(description="Its name.")
    update: Literal["summed", "each path"] = Field(
        "summed", description="Whether there is one update for all paths, or one after each."
    )
    unequal: Literal["refuse", "cycle"] = Field(
        "refuse",
        description="What to do where choices have different numbers of candidates or do not "
        "always matter; cycle: candidates are used equally often within a longer period.",
    )
    batches: Literal["shared", "one a path"] = Field(
        "shared", description="Whether the paths of a summed update see the same images."
    )


class SandwichSampler(_Stated):
    """The smallest network, the largest and some at random."""

    name: Literal["SandwichPaths"] = Field(description="Its name.")
    random: int = Field(2, ge=0, le=_MOST_PATHS, description="Paths that are drawn at random.")


class BinnedSampler(_Stated):
    """One path an update, whose cost is in a bin that is drawn first; needs `costs`."""

    name: Literal["BinnedPaths"] = Field(description="Its name.")
    bounds: list[_Bin] = Field(
        min_length=1,
        max_length=_MOST_BINS,
        description="Least and greatest cost of each bin, in the unit of `costs`.",
        examples=[[[290, 300], [300, 310]]],
    )
    tries: int = Field(500, ge=1, le=_MOST_STEPS, description="Paths that are drawn for a bin.")


class PolicySampler(_Stated):
    """A policy draws paths and learns from the images that are kept for the search (ENAS)."""

    name: Literal["PolicyPaths"] = Field(description="Its name.")
    controller: Literal["logits", "lstm"] = Field(
        "logits", description="Whether a choice has probabilities of its own, or depends on others."
    )
    updates: int = Field(
        50, ge=1, le=_MOST_STEPS, description="Steps of the policy after each epoch of weights."
    )
    learning_rate: float = Field(3.5e-4, ge=1e-12, le=1e3, description="Of Adam.")
    baseline_decay: _Share = Field(0.95, description="Of the moving average of rewards.")
    entropy_weight: float = Field(
        1e-4, ge=0, le=1e3, description="What the entropy of a draw adds to its reward."
    )
    draws: int = Field(10, ge=1, le=_MOST_STEPS, description="Paths that are compared in the end.")
    batches: int = Field(
        200, ge=0, le=_MOST_STEPS, description="Batches that their norms are estimated on."
    )


Sampler: TypeAlias = Annotated[
    UniformSampler | FairSampler | SandwichSampler | BinnedSampler | PolicySampler,
    Field(discriminator="name"),
]
"""What draws the paths of each update."""


class SoftmaxRelaxation(_Stated):
    """All candidates run, weighed by the softmax of the logits (DARTS)."""

    name: Literal["Softmax"] = Field(description="Its name.")
    second_order: bool = Field(
        default=False, description="Whether gradients are those at weights one step ahead."
    )
    warmup_epochs: _Warmup = Field(0, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class GumbelRelaxation(_Stated):
    """All candidates run, weighed by a draw of the Gumbel softmax (SNAS, FBNet)."""

    name: Literal["Gumbel"] = Field(description="Its name.")
    temperature: _Temperature = Field(5.0, description="At first.")
    decay: float = Field(
        0.045, ge=0, le=100, description="The temperature is multiplied by e^-decay each epoch."
    )
    warmup_epochs: _Warmup = Field(10, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class GumbelHardRelaxation(_Stated):
    """One candidate runs, drawn by the Gumbel softmax (GDAS)."""

    name: Literal["GumbelHard"] = Field(description="Its name.")
    temperature: _Temperature = Field(10.0, description="In the first epoch.")
    last_temperature: _Temperature = Field(0.1, description="In the last epoch.")
    warmup_epochs: _Warmup = Field(0, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class BinaryGatesRelaxation(_Stated):
    """One candidate runs, and gates learn what the others would have done (ProxylessNAS)."""

    name: Literal["BinaryGates"] = Field(description="Its name.")
    gates: Literal["full", "two"] = Field(
        "full", description="Whether a step moves all candidates, or two that are drawn."
    )
    warmup_epochs: _Warmup = Field(40, description=_WARMUP)
    every: _Every = Field(5, description=_EVERY)


class ReinforcedRelaxation(_Stated):
    """Probabilities move to paths that are rewarded (ProxylessNAS-R)."""

    name: Literal["Reinforced"] = Field(description="Its name.")
    paths: int = Field(10, ge=1, le=_MOST_PATHS, description="Paths of a step.")
    omega: float = Field(0.1, ge=0, le=100, description="How much the cost matters.")
    target: Annotated[float, Field(gt=0, le=1e18)] | None = Field(
        None, description="The cost at which it does not; null: no cost matters."
    )
    baseline_decay: _Share = Field(0.99, description="Of the moving average of rewards.")
    warmup_epochs: _Warmup = Field(40, description=_WARMUP)
    every: _Every = Field(5, description=_EVERY)


Relaxation: TypeAlias = Annotated[
    SoftmaxRelaxation
    | GumbelRelaxation
    | GumbelHardRelaxation
    | BinaryGatesRelaxation
    | ReinforcedRelaxation,
    Field(discriminator="name"),
]
"""How candidates are weighed, and their weights moved by gradients."""


class CountedCosts(_Stated):
    """What candidates cost, counted where each stands."""

    metric: Literal["macs", "parameters"] = Field(
        "macs", description="Multiply-adds of one input, or weights."
    )
    unit: float = Field(1.0, gt=0, le=1e18, description="Costs are in so many: 1e6 for millions.")


class SquareLoss(_Stated):
    """CE + weight (E - target)²."""

    name: Literal["Square"] = Field(description="Its name.")
    weight: _Weight = Field(description="How much the distance to the target counts.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)


class HingeLoss(_Stated):
    """CE + weight max(0, E / target - 1)."""

    name: Literal["Hinge"] = Field(description="Its name.")
    weight: _Weight = Field(description="How much the excess counts.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)


class LinearLoss(_Stated):
    """CE + lam (E - target) / target."""

    name: Literal["Linear"] = Field(description="Its name.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)
    lam: _Weight = Field(0.1, description="How much the distance to the target counts.")


class LogPowerLoss(_Stated):
    """alpha CE (log E / log target)^beta."""

    name: Literal["LogPower"] = Field(description="Its name.")
    target: Annotated[float, Field(gt=1, le=1e12)] = Field(description=_TARGET)
    alpha: _Weight = Field(0.2, description="The factor.")
    beta: _Weight = Field(0.3, description="The exponent.")


class LogProductLoss(_Stated):
    """alpha CE (log E)^beta."""

    name: Literal["LogProduct"] = Field(description="Its name.")
    alpha: _Weight = Field(0.2, description="The factor.")
    beta: _Weight = Field(0.6, description="The exponent.")


class LogRuntimeLoss(_Stated):
    """CE + lam log E."""

    name: Literal["LogRuntime"] = Field(description="Its name.")
    lam: _Weight = Field(description="How much the logarithm of the cost counts.")


CostLoss: TypeAlias = Annotated[
    SquareLoss | HingeLoss | LinearLoss | LogPowerLoss | LogProductLoss | LogRuntimeLoss,
    Field(discriminator="name"),
]
"""Joins the cross-entropy CE of the search's images with the expected cost E."""
