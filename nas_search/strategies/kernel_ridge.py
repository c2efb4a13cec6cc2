"""A small ensemble of kernel ridge regressions, in numpy."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from missing_extra import needs
from nas_search.strategies.draws import drawn_below, generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KernelRidgeEnsemble"]


class KernelRidgeEnsemble:
    """Kernel ridge regressions on bootstrap samples, with the kernel (x · y / n)², n = max x · x.

    On one-hot vectors x · y / n is the share of choices that two architectures have in common, and
    its square the share of pairs of choices.

    Args:
        num_members: The number of regressions.
        ridge: The number added to the diagonal of the kernel matrix.
        seed: Seed of the bootstrap samples.
    """

    def __init__(self, *, num_members: int = 5, ridge: float = 0.1, seed: int = 0) -> None:
        self._num_members = num_members
        self._ridge = ridge
        self._rng: Random = generator_of(seed)
        self._members: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._scale = 1.0
        self._mean = 0.0

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Fit to vectors of shape (results, n) and values of shape (results,)."""
        with needs("local", "a predictor"):
            import numpy as np  # noqa: PLC0415 - most strategies do without
        self._scale = max(float((x * x).sum(axis=1).max()), 1e-12)
        self._mean = float(y.mean())
        self._members = []
        for _ in range(self._num_members):
            drawn = [drawn_below(self._rng, len(y)) for _ in range(len(y))]
            chosen = x[drawn]
            kernel = (chosen @ chosen.T / self._scale) ** 2
            kernel[np.diag_indices_from(kernel)] += self._ridge
            self._members.append((chosen, np.linalg.solve(kernel, y[drawn] - self._mean)))

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions of each member, of shape (members, candidates)."""
        import numpy as np  # noqa: PLC0415

        return np.stack(
            [
                (x @ chosen.T / self._scale) ** 2 @ weights + self._mean
                for chosen, weights in self._members
            ]
        )
