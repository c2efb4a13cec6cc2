"""Request models of supernet trainings: path samplers, relaxations and cost losses.

`nas_search.oneshot` has a class of the same name and arguments for each; docs/one-shot.md explains
them.
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

_MAX_PATHS: Final = 256
"""Most paths of an update; each costs a forward and a backward pass."""
_MAX_STEPS: Final = 1_000_000
_MAX_BINS: Final = 256
_MAX_EPOCHS: Final = 10_000

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Weight: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
_Cost: TypeAlias = Annotated[float, Field(ge=0, le=1e18)]
_Temperature: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]
_Warmup: TypeAlias = Annotated[int, Field(ge=0, le=_MAX_EPOCHS)]
_Every: TypeAlias = Annotated[int, Field(ge=1, le=_MAX_STEPS)]

_WARMUP: Final = "Initial epochs in which only weights are trained."
_EVERY: Final = "Weight steps per step of the logits."
_TARGET: Final = "Target cost, in the unit of `costs`."


def _least_first(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the least cost {bounds[0]:g} is above the greatest, {bounds[1]:g}")
    return bounds


_Bin: TypeAlias = Annotated[
    list[_Cost], Field(min_length=2, max_length=2), AfterValidator(_least_first)
]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class UniformSampler(_Options):
    """One path per update, drawn as the space draws samples."""

    name: Literal["UniformPaths"] = Field(description="Its name.")


class FairSampler(_Options):
    """Several paths per update, which use every candidate of a choice equally often."""

    name: Literal["FairPaths"] = Field(description="Its name.")
    update: Literal["summed", "each path"] = Field(
        "summed",
        description="summed: one update for all paths; each path: an update after each path.",
    )
    unequal: Literal["refuse", "cycle"] = Field(
        "refuse",
        description="What to do if choices have different numbers of candidates or do not always "
        "matter. cycle: candidates are used equally often within a longer period.",
    )
    batches: Literal["shared", "one a path"] = Field(
        "shared",
        description="Whether the paths of a summed update share a batch, or each has its own.",
    )


class SandwichSampler(_Options):
    """The smallest network, the largest, and some random ones per update."""

    name: Literal["SandwichPaths"] = Field(description="Its name.")
    random: int = Field(2, ge=0, le=_MAX_PATHS, description="Number of random paths.")


class BinnedSampler(_Options):
    """One path per update, with a cost in a bin that is drawn first; needs `costs`."""

    name: Literal["BinnedPaths"] = Field(description="Its name.")
    bounds: list[_Bin] = Field(
        min_length=1,
        max_length=_MAX_BINS,
        description="Least and greatest cost of each bin, in the unit of `costs`.",
        examples=[[[290, 300], [300, 310]]],
    )
    tries: int = Field(500, ge=1, le=_MAX_STEPS, description="Most paths drawn for a bin.")


class PolicySampler(_Options):
    """A policy that draws paths and learns from the images kept for the search (ENAS)."""

    name: Literal["PolicyPaths"] = Field(description="Its name.")
    controller: Literal["logits", "lstm"] = Field(
        "logits",
        description="logits: independent probabilities for each choice; lstm: choices depend on "
        "earlier ones.",
    )
    updates: int = Field(50, ge=1, le=_MAX_STEPS, description="Policy steps after each epoch.")
    learning_rate: float = Field(3.5e-4, ge=1e-12, le=1e3, description="Learning rate of Adam.")
    baseline_decay: _Share = Field(0.95, description="Decay of the moving average of rewards.")
    entropy_weight: float = Field(1e-4, ge=0, le=1e3, description="Weight of entropy in rewards.")
    draws: int = Field(10, ge=1, le=_MAX_STEPS, description="Paths that are compared at the end.")
    batches: int = Field(
        200,
        ge=0,
        le=_MAX_STEPS,
        description="Batches for estimating the batch-norm statistics of these paths.",
    )


Sampler: TypeAlias = Annotated[
    UniformSampler | FairSampler | SandwichSampler | BinnedSampler | PolicySampler,
    Field(discriminator="name"),
]
"""Sampler of the paths of each update."""


class SoftmaxRelaxation(_Options):
    """All candidates run, weighted by the softmax of the logits (DARTS)."""

    name: Literal["Softmax"] = Field(description="Its name.")
    second_order: bool = Field(
        default=False,
        description="Whether gradients of the logits are taken at weights one step ahead.",
    )
    warmup_epochs: _Warmup = Field(0, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class GumbelRelaxation(_Options):
    """All candidates run, weighted by a draw of the Gumbel softmax (SNAS, FBNet)."""

    name: Literal["Gumbel"] = Field(description="Its name.")
    temperature: _Temperature = Field(5.0, description="Initial temperature.")
    decay: float = Field(
        0.045, ge=0, le=100, description="The temperature is multiplied by e^-decay each epoch."
    )
    warmup_epochs: _Warmup = Field(10, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class GumbelHardRelaxation(_Options):
    """One candidate runs per step, drawn by the Gumbel softmax (GDAS)."""

    name: Literal["GumbelHard"] = Field(description="Its name.")
    temperature: _Temperature = Field(10.0, description="Temperature in the first epoch.")
    last_temperature: _Temperature = Field(0.1, description="Temperature in the last epoch.")
    warmup_epochs: _Warmup = Field(0, description=_WARMUP)
    every: _Every = Field(1, description=_EVERY)


class BinaryGatesRelaxation(_Options):
    """One candidate runs per step, chosen by trained binary gates (ProxylessNAS)."""

    name: Literal["BinaryGates"] = Field(description="Its name.")
    gates: Literal["full", "two"] = Field(
        "full", description="Whether a step updates all candidates, or two drawn ones."
    )
    warmup_epochs: _Warmup = Field(40, description=_WARMUP)
    every: _Every = Field(5, description=_EVERY)


class ReinforcedRelaxation(_Options):
    """Path probabilities are trained by REINFORCE (ProxylessNAS-R)."""

    name: Literal["Reinforced"] = Field(description="Its name.")
    paths: int = Field(10, ge=1, le=_MAX_PATHS, description="Paths per step.")
    omega: float = Field(0.1, ge=0, le=100, description="Exponent of the cost in the reward.")
    target: Annotated[float, Field(gt=0, le=1e18)] | None = Field(
        None, description="Cost that leaves the reward unchanged; null: cost is ignored."
    )
    baseline_decay: _Share = Field(0.99, description="Decay of the moving average of rewards.")
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
"""Continuous relaxation with architecture logits that are trained by gradients."""


class CountedCosts(_Options):
    """Counted cost of each candidate at its position in the network."""

    metric: Literal["macs", "parameters"] = Field(
        "macs", description="Multiply-adds of one input, or number of parameters."
    )
    unit: float = Field(1.0, gt=0, le=1e18, description="Unit of costs, such as 1e6 for millions.")


class SquareLoss(_Options):
    """CE + weight (E - target)²."""

    name: Literal["Square"] = Field(description="Its name.")
    weight: _Weight = Field(description="Weight of the distance to the target.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)


class HingeLoss(_Options):
    """CE + weight max(0, E / target - 1)."""

    name: Literal["Hinge"] = Field(description="Its name.")
    weight: _Weight = Field(description="Weight of the excess.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)


class LinearLoss(_Options):
    """CE + lam (E - target) / target."""

    name: Literal["Linear"] = Field(description="Its name.")
    target: Annotated[float, Field(gt=0, le=1e12)] = Field(description=_TARGET)
    lam: _Weight = Field(0.1, description="Weight of the distance to the target.")


class LogPowerLoss(_Options):
    """alpha CE (log E / log target)^beta."""

    name: Literal["LogPower"] = Field(description="Its name.")
    target: Annotated[float, Field(gt=1, le=1e12)] = Field(description=_TARGET)
    alpha: _Weight = Field(0.2, description="The factor.")
    beta: _Weight = Field(0.3, description="The exponent.")


class LogProductLoss(_Options):
    """alpha CE (log E)^beta."""

    name: Literal["LogProduct"] = Field(description="Its name.")
    alpha: _Weight = Field(0.2, description="The factor.")
    beta: _Weight = Field(0.6, description="The exponent.")


class LogRuntimeLoss(_Options):
    """CE + lam log E."""

    name: Literal["LogRuntime"] = Field(description="Its name.")
    lam: _Weight = Field(description="Weight of the logarithm of the cost.")


CostLoss: TypeAlias = Annotated[
    SquareLoss | HingeLoss | LinearLoss | LogPowerLoss | LogProductLoss | LogRuntimeLoss,
    Field(discriminator="name"),
]
"""Loss that combines the cross-entropy CE on the search's images with the expected cost E."""
