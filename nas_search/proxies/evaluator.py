"""Zero-cost proxies as an evaluator of a `SpaceProblem`, and as the score of a `ProxySearch`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from model_hub.arguments import one_of
from model_hub.model_space import ModelSpace
from nas_search.problems import Report
from nas_search.proxies.scoring import Batch, proxy_names, score

__all__ = ["NetworkScore", "ProxyEvaluator"]


class ProxyEvaluator:
    """Evaluator that scores untrained networks, which takes seconds instead of a training.

    Args:
        batch: Inputs (batch, channels, height, width) and labels (batch,).
        names: The proxies, whose names are the metrics.
        seed: Seed of the initial weights.

    Raises:
        InvalidArgumentError: There is no such proxy.
    """

    def __init__(self, batch: Batch, names: Sequence[str], *, seed: int = 0) -> None:
        self._batch, self._seed = batch, seed
        self.metrics = tuple(one_of("names", name, proxy_names()) for name in names)

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments as JSON; the batch by its digest."""
        digest = hashlib.sha256()
        for tensor in self._batch:
            digest.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return {"names": list(self.metrics), "seed": self._seed, "batch": digest.hexdigest()}

    def evaluate(
        self, space: ModelSpace, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> Mapping[str, float]:
        """Return the scores of the network of a sample, whatever the fidelity."""
        del fidelity, report
        return score(space, sample, self._batch, self.metrics, seed=self._seed)


class NetworkScore:
    """Scores architectures of a space by one proxy, as the `score` of `ProxySearch`.

    Args:
        space: The space of the architectures.
        batch: Inputs (batch, channels, height, width) and labels (batch,).
        name: The proxy, also the name of the score in settings.
        seed: Seed of the initial weights.

    Raises:
        InvalidArgumentError: There is no such proxy.
    """

    def __init__(self, space: ModelSpace, batch: Batch, name: str, *, seed: int = 0) -> None:
        self.setting = one_of("score", name, proxy_names())
        self._space, self._batch, self._seed = space, batch, seed

    def __call__(self, arch: str) -> float:
        """Return the score of an architecture, the canonical JSON of a sample."""
        sample = json.loads(arch)
        found = score(self._space, sample, self._batch, [self.setting], seed=self._seed)
        return found[self.setting]
