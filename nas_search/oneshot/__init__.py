"""One-shot search: one supernet made of a space's own choices, and how it is trained and searched.

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
    "Sampler",
    "SandwichPaths",
    "Square",
    "UniformPaths",
]
