"""Model of the made-up figures of NAS-Bench-201, in which a search can beat random choice.

As in the real table, convolutions and paths to the output train better, more computation takes more
time, architectures that compute the same function differ only by the noise of a run, data sets
mostly agree, and networks with many convolutions lag behind after few epochs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark_db.nasbench201.architecture import (
    EDGES,
    Operations,
    isomorphism_classes,
    published_order,
)
from generators.sample.nats_runs import DATASETS

__all__ = ["Landscape", "landscape"]

_GAIN: Final = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 6.0, "skip_connect": 3.5, "avg_pool_3x3": 1.5}
_COST: Final = {"nor_conv_3x3": 9.0, "nor_conv_1x1": 1.0}
_GAIN_A_PATH: Final = 1.5
_UNEXPLAINED: Final = 2.0
"""Standard deviation of the part of the gain that operations and paths do not explain."""
_UNLIKE: Final = 1.0
"""Standard deviation of the difference of gains between data sets."""
_PATHS: Final = (("0_3",), ("0_1", "1_3"), ("0_2", "2_3"), ("0_1", "1_2", "2_3"))
"""All paths from the input of a cell to its output, as edges."""


class Landscape(NamedTuple):
    """Made-up quality and cost of each of the 15,625 architectures, by index.

    Attributes:
        gain: How well it trains, from 0, on each of `DATASETS`; shape (architectures, data sets).
            -1 if the output does not depend on the input.
        cost: Relative amount of computation, from 0 to 54.
        slowness: How far it lags behind after few epochs, from 0.
    """

    gain: NDArray[np.float64]
    cost: NDArray[np.float64]
    slowness: NDArray[np.float64]


@lru_cache(maxsize=1)
def landscape(seed: int) -> Landscape:
    """Return the made-up landscape of a seed.

    Args:
        seed: Seed of the part that operations and paths do not explain.
    """
    rng = np.random.default_rng([max(seed, -seed), seed < 0])
    order = list(published_order())
    # Equal functions train alike: all take the traits of the first of their class.
    classes = np.array(isomorphism_classes())
    gains = np.array([_gain(operations) for operations in order])
    unlike = rng.normal(0, _UNLIKE, (len(order), len(DATASETS)))
    explained = gains + rng.normal(0, _UNEXPLAINED, len(order))
    gain = np.maximum(explained[:, np.newaxis] + unlike, 0)
    gain[gains < 0] = -1
    convolutions = np.array([operations.count("nor_conv_3x3") for operations in order])
    slowness = 0.15 * convolutions + rng.uniform(0, 0.4, len(order))
    cost = np.array([sum(_COST.get(name, 0.0) for name in operations) for operations in order])
    return Landscape(gain[classes], cost, slowness[classes])


def _gain(operations: Operations) -> float:
    by_edge = dict(zip(EDGES, operations, strict=True))
    open_paths = [path for path in _PATHS if all(by_edge[edge] != "none" for edge in path)]
    if not open_paths:
        return -1
    # An edge on no open path does not change the output.
    used = {edge for path in open_paths for edge in path}
    return _GAIN_A_PATH * len(open_paths) + sum(_GAIN[by_edge[edge]] for edge in used)
