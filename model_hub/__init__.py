"""Model spaces for PyTorch: searchable choices, and the networks of their samples.

    import model_hub

    space = model_hub.space("ProxylessNAS", num_labels=10)
    sample = space.choices.sample(seed=0)
    network = space.freeze(sample)
    print(space.profile(sample))

Spaces, choices and records work without PyTorch; the first network that is built or counted imports
it. `model_hub.spaces` has the classes and `model_hub.zoo` searched models with published weights;
`model_hub.evaluation` measures accuracy and `model_hub.latency` time.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "model_hub"):
    from model_hub.benchmark_rows import build, locate
    from model_hub.cell_picture import cell_svg
    from model_hub.choices import (
        Categorical,
        Choice,
        Derived,
        LayerChoice,
        Sample,
        Subset,
        When,
        repeat,
    )
    from model_hub.errors import (
        InvalidArgumentError,
        InvalidSampleError,
        ModelHubError,
        TooLargeError,
        UnknownNameError,
    )
    from model_hub.search_space import SearchSpace
    from model_hub.spaces import space, space_names

__all__ = [
    "Categorical",
    "Choice",
    "Derived",
    "InvalidArgumentError",
    "InvalidSampleError",
    "LayerChoice",
    "ModelHubError",
    "Sample",
    "SearchSpace",
    "Subset",
    "TooLargeError",
    "UnknownNameError",
    "When",
    "build",
    "cell_svg",
    "locate",
    "repeat",
    "space",
    "space_names",
]
