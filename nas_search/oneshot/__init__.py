"""One-shot search with a supernet, one network that holds the weights of all networks of a space.

    supernet = Supernet(space, seed=0)
    train_supernet(supernet, data, UniformPaths(), recipe=Recipe(epochs=50))
    problem = SpaceProblem(space, Inherited(supernet, data), objectives=["accuracy"])
    study = Study(None, problem, RandomSearch(seed=0))
    study.run(Budget(trials=100))
    network = supernet.extract(study.best.sample)  # space.freeze(sample), with inherited weights

Imports PyTorch, unlike strategies, problems and studies.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "training"):
    from nas_search.oneshot.alphas import Alphas
    from nas_search.oneshot.costs import CostTable
    from nas_search.oneshot.gates import BinaryGates, Reinforced
    from nas_search.oneshot.inherited import Inherited
    from nas_search.oneshot.losses import (
        CostLoss,
        Hinge,
        Linear,
        LogPower,
        LogProduct,
        LogRuntime,
        Square,
    )
    from nas_search.oneshot.policy import PolicyFound, PolicyPaths, search_by_policy
    from nas_search.oneshot.recalibration import recalibrate
    from nas_search.oneshot.relaxations import Gumbel, GumbelHard, Relaxation, Softmax
    from nas_search.oneshot.samplers import (
        BinnedPaths,
        FairPaths,
        Path,
        Sampler,
        SandwichPaths,
        UniformPaths,
    )
    from nas_search.oneshot.searching import Searched, search_supernet
    from nas_search.oneshot.superkernels import Superkernels
    from nas_search.oneshot.supernet import Supernet
    from nas_search.oneshot.switches import Row, Stage, Switch
    from nas_search.oneshot.training import train_supernet

__all__ = [
    "Alphas",
    "BinaryGates",
    "BinnedPaths",
    "CostLoss",
    "CostTable",
    "FairPaths",
    "Gumbel",
    "GumbelHard",
    "Hinge",
    "Inherited",
    "Linear",
    "LogPower",
    "LogProduct",
    "LogRuntime",
    "Path",
    "PolicyFound",
    "PolicyPaths",
    "Reinforced",
    "Relaxation",
    "Row",
    "Sampler",
    "SandwichPaths",
    "Searched",
    "Softmax",
    "Square",
    "Stage",
    "Superkernels",
    "Supernet",
    "Switch",
    "UniformPaths",
    "recalibrate",
    "search_by_policy",
    "search_supernet",
    "train_supernet",
]
