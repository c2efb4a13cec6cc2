"""An evaluator for `SpaceProblem` that uses weights inherited from a supernet, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from model_hub.arguments import a_count, a_number
from model_hub.errors import InvalidArgumentError
from model_hub.model_space import ModelSpace
from nas_search.oneshot.recalibration import BATCH_SIZE, BATCHES, kept_statistics, recalibrate
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Halves
from nas_search.problems import Report
from nas_search.training.measuring import measured

__all__ = ["Inherited"]


class Inherited:
    """Evaluator that measures networks with the weights that they inherit from a supernet.

    Before each evaluation the statistics of norms are estimated for the path; afterwards those of
    the supernet are restored. So metrics do not depend on earlier evaluations.

    Metrics: `accuracy` and `top5` of the validation images in percent and their `loss` in nats.

    Args:
        supernet: A trained supernet.
        data: Training images, on which statistics are estimated, and validation images.
        batches: Batches for the statistics; 0: those of the supernet, which mix all paths.
        batch_size: Images per batch, limited to the number of training images.
        momentum: Weight of the newest batch, 0.1 in Single Path One-Shot; None: a plain average.
        seed: Seed of the order of these images.

    Raises:
        InvalidArgumentError: An argument is invalid.
    """

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "top5", "loss")

    def __init__(
        self,
        supernet: Supernet,
        data: Halves,
        *,
        batches: int = BATCHES,
        batch_size: int = BATCH_SIZE,
        momentum: float | None = None,
        seed: int = 0,
    ) -> None:
        device = next(supernet.parameters()).device
        self._supernet = supernet
        self._train, self._valid = (part.on(device) for part in data)
        self._batches = a_count("batches", batches, least=0)
        self._batch_size = min(a_count("batch_size", batch_size), len(self._train))
        self._momentum = (
            None if momentum is None else a_number("momentum", momentum, least=0, most=1)
        )
        self._seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments that affect the metrics, as JSON; weights and images by their digests."""
        digest = hashlib.sha256()
        for name, tensor in self._supernet.state_dict().items():
            digest.update(repr((name, tuple(tensor.shape), str(tensor.dtype))).encode())
            flat = tensor.detach().cpu().reshape(-1).contiguous()
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        return {
            "weights": digest.hexdigest(),
            "train": self._train.digest,
            "valid": self._valid.digest,
            "batches": self._batches,
            "batch_size": self._batch_size,
            "momentum": self._momentum,
            "seed": self._seed,
        }

    def evaluate(
        self, space: ModelSpace, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> Mapping[str, float]:
        """Return the metrics of the network of a sample, whatever the fidelity.

        Raises:
            InvalidArgumentError: The space is not that of the supernet.
            LabelError: A label has no output.
            OutputError: The loss is not finite.
        """
        del fidelity, report
        supernet = self._supernet
        if space != supernet.space:
            raise InvalidArgumentError("space", f"the supernet belongs to {supernet.space}")
        supernet.activate(sample)
        training = supernet.training
        try:
            with kept_statistics(supernet):
                if self._batches:
                    recalibrate(
                        supernet,
                        self._train,
                        batches=self._batches,
                        batch_size=self._batch_size,
                        momentum=self._momentum,
                        seed=self._seed,
                    )
                return measured(supernet, self._valid, next(supernet.parameters()).dtype)
        finally:
            supernet.train(training)
