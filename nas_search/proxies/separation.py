"""Proxies from how well an untrained network separates the images of a batch."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas_search.proxies.gradients import Batch

__all__ = ["jacov", "nwot"]

_SMALL: Final = 1e-5
"""Added to eigenvalues, as in the authors' code."""
_ACTIVATIONS: Final = frozenset(
    {
        *("relu", "relu_", "hardtanh", "hardtanh_", "hardswish", "hardswish_", "gelu", "silu"),
        *("silu_", "leaky_relu", "leaky_relu_", "elu", "elu_", "clamp_min", "clamp_min_"),
        *("hardsigmoid", "hardsigmoid_", "sigmoid", "sigmoid_", "tanh", "tanh_"),
    }
)
"""Names of activation functions in PyTorch; `relu6` is a `hardtanh`."""


def jacov(network: nn.Module, batch: Batch) -> float:
    """Return a score of how uncorrelated output gradients are between images. Larger is better.

    Mellor et al. 2020, "Neural architecture search without training", first version
    (arXiv:2006.04647v1): -Σ (log(v + k) + 1 / (v + k)) over the eigenvalues v of the correlations
    between the gradients of the summed outputs with respect to each image, k = 1e-5.

    Returns:
        NaN if an image has no or a constant gradient, as without a path from input to output.
    """
    inputs = batch[0].detach().clone().requires_grad_()
    outputs = network(inputs)
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    found: tuple[Tensor | None, ...] = torch.autograd.grad(logits.sum(), inputs, allow_unused=True)
    jacobian = found[0]
    if jacobian is None:
        return float("nan")
    centred = jacobian.flatten(1).double()
    centred = centred - centred.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    if bool((norms == 0).any()):
        return float("nan")
    unit = centred / norms
    values = torch.linalg.eigvalsh(unit @ unit.T) + _SMALL
    # Rounding can make the smallest eigenvalues of dependent rows slightly negative.
    values = values.clamp_min(_SMALL)
    return float(-(values.log() + 1 / values).sum())


@torch.no_grad()
def nwot(network: nn.Module, batch: Batch) -> float:
    """Return the log-determinant of the matrix of activation agreements. Larger is better.

    Mellor et al. 2021, "NAS without training" (arXiv:2006.04647v3), NASWOT: K_ij counts the units
    that are active for both images i and j, or for neither. A unit is an input of an activation
    function, active above 0; with ReLU, as in the paper, these are the linear regions.

    Returns:
        Minus infinity if two images agree in every unit, or there is no activation function.
    """
    with _ActivationCounter(len(batch[0])) as codes:
        network(batch[0])
    sign, value = torch.linalg.slogdet(codes.kernel)
    return float(value) if float(sign) > 0 else -float("inf")


class _ActivationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts for each pair of images the units in which they agree, at each activation function."""

    def __init__(self, count: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch left it unannotated
        self.kernel = torch.zeros((count, count), dtype=torch.float64)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep PyTorch from importing its compiler, which takes a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in _ACTIVATIONS and args[0].dim() > 1 and len(args[0]) == len(self.kernel):
            # The mode is inactive inside this method, so there is no recursion.
            active = (args[0] > 0).flatten(1).to(torch.float32)
            idle = 1 - active
            # Counts below 2^24 are exact in float32.
            self.kernel += (active @ active.T + idle @ idle.T).double().cpu()
        return func(*args, **(kwargs or {}))
