"""One-shot search: one supernet made of a space's own choices, and how it is trained and searched.

    supernet = Supernet(space, seed=0)
    supernet.activate(sample)               # now it is the network of this sample
    logits = supernet(images)
    network = supernet.extract(sample)      # space.freeze(sample), with the supernet's weights

Loads PyTorch, unlike strategies, problems and studies.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "a supernet"):
    from nas_search.oneshot.losses import (
        CostLoss,
        Hinge,
        Linear,
        LogPower,
        LogProduct,
        LogRuntime,
        Square,
    )
    from nas_search.oneshot.samplers import (
        BinnedPaths,
        FairPaths,
        Path,
        Sampler,
        SandwichPaths,
        UniformPaths,
    )
    from nas_search.oneshot.supernet import Supernet
    from nas_search.oneshot.switches import Row, Stage, Switch

__all__ = [
    "BinnedPaths",
    "CostLoss",
    "FairPaths",
    "Hinge",
    "Linear",
    "LogPower",
    "LogProduct",
    "LogRuntime",
    "Path",
    "Row",
    "Sampler",
    "SandwichPaths",
    "Square",
    "Stage",
    "Supernet",
    "Switch",
    "UniformPaths",
]
