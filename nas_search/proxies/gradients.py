"""Proxies from weights and their gradients on one batch.

Only the weights of convolutions and linear layers count, not biases and norms. The loss is the mean
cross-entropy in training mode, as in the code of Abdelfattah et al. 2021 (arXiv:2101.08134). Every
function gets its own copy of the network, which it may change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = [
    "Batch",
    "fisher",
    "grad_norm",
    "grasp",
    "l2_norm",
    "layers",
    "plain",
    "snip",
    "synflow",
    "training_copy",
]

Layer: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Batch: TypeAlias = tuple[Tensor, Tensor]
"""Inputs (batch, channels, height, width) and labels (batch,)."""


def l2_norm(network: nn.Module, batch: Batch) -> float:
    """Return the sum of the weight norms of all layers. Larger is better.

    A baseline of Abdelfattah et al. 2021 (arXiv:2101.08134). Needs no data.
    """
    del batch
    return _total(weight.detach().norm() for weight in _weights(network))


def plain(network: nn.Module, batch: Batch) -> float:
    """Return the sum of w · ∂L/∂w, with signs. Larger is better.

    Mozer & Smolensky 1988, "Skeletonization", in the form of Abdelfattah et al. 2021.
    """
    pairs = zip(_weights(network), _gradients(network, batch), strict=True)
    return _total((weight.detach() * gradient).sum() for weight, gradient in pairs)


def grad_norm(network: nn.Module, batch: Batch) -> float:
    """Return the sum of the gradient norms of all layers. Larger is better.

    Abdelfattah et al. 2021 (arXiv:2101.08134).
    """
    return _total(gradient.norm() for gradient in _gradients(network, batch))


def snip(network: nn.Module, batch: Batch) -> float:
    """Return the sum of |w · ∂L/∂w|. Larger is better.

    Lee et al. 2019, "SNIP" (arXiv:1810.02340), not normalised.
    """
    pairs = zip(_weights(network), _gradients(network, batch), strict=True)
    return _total((weight.detach() * gradient).abs().sum() for weight, gradient in pairs)


def grasp(network: nn.Module, batch: Batch) -> float:
    """Return the sum of -w · (H ∂L/∂w), H being the Hessian of the loss. Larger is better.

    Wang et al. 2020, "Picking winning tickets" (arXiv:2002.07376), at temperature 1.
    """
    weights = _weights(network)
    with _TwiceDifferentiable():
        loss = _loss(network, batch)
    first = _grad(loss, weights, create_graph=True)
    # The gradient of half the squared norm is H g.
    halved = torch.stack([gradient.square().sum() for gradient in first]).sum() / 2
    if not halved.requires_grad:
        return 0.0
    second = _grad(halved, weights)
    pairs = zip(weights, second, strict=True)
    return _total(-(weight.detach() * product).sum() for weight, product in pairs)


def fisher(network: nn.Module, batch: Batch) -> float:
    """Return half the squared sum of output times gradient, by channel and image. Larger is better.

    Theis et al. 2018 (arXiv:1801.05787) and Turner et al. 2020, "BlockSwap" (arXiv:1906.04113): of
    each layer's output a, the sum over channels of 1/2 · mean over images of (Σ a · ∂L/∂a)², summed
    over positions inside the square. The gradient is that of the mean loss.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        del module, inputs
        outputs.append(output)
        # Later layers may overwrite it in place.
        return output.clone()

    with ExitStack() as hooks:
        for layer in layers(network):
            hooks.enter_context(layer.register_forward_hook(keep))
        loss = _loss(network, batch)
    reached = _grad(loss, outputs)
    return _total(
        _by_channel(output.detach() * gradient).square().mean(0).sum() / 2
        for output, gradient in zip(outputs, reached, strict=True)
    )


def synflow(network: nn.Module, batch: Batch) -> float:
    """Return the sum of w · ∂R/∂w, where R is the sum of outputs for an all-ones input.

    Tanaka et al. 2020 (arXiv:2006.05467). Larger is better. Weights are made absolute. It uses
    float64, because the score grows exponentially with depth, and evaluation mode, so that norms do
    not undo the weights. Needs only the shape of the data. Layer norms always centre activations,
    so for networks with them (AutoFormer) the score may be negative and is of little use.
    """
    network = network.double().eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    inputs, _ = batch
    ones = torch.ones((1, *inputs.shape[1:]), dtype=torch.float64, device=inputs.device)
    weights = _weights(network)
    reached = _grad(_logits(network, ones).sum(), weights)
    pairs = zip(weights, reached, strict=True)
    return _total((weight.detach() * gradient).sum() for weight, gradient in pairs)


def layers(network: nn.Module) -> list[Layer]:
    """Return the convolutions and linear layers with trainable weights."""
    return [
        module
        for module in network.modules()
        if isinstance(module, Layer) and module.weight.requires_grad
    ]


class _TwiceDifferentiable(TorchFunctionMode):
    """Computes `hardsigmoid` as `relu6(x + 3) / 6`, as PyTorch lacks its second derivative."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") in {"hardsigmoid", "hardsigmoid_"}:
            return F.relu6(args[0] + 3) / 6
        return func(*args, **(kwargs or {}))


def training_copy(network: nn.Module) -> nn.Module:
    """Return a copy in training mode, without gradients."""
    copied = copy.deepcopy(network).train()
    copied.zero_grad(set_to_none=True)
    return copied


def _weights(network: nn.Module) -> list[Tensor]:
    return [layer.weight for layer in layers(network)]


def _logits(network: nn.Module, inputs: Tensor) -> Tensor:
    outputs = network(inputs)
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits


def _loss(network: nn.Module, batch: Batch) -> Tensor:
    inputs, labels = batch
    return F.cross_entropy(_logits(network, inputs), labels)


def _gradients(network: nn.Module, batch: Batch) -> list[Tensor]:
    return _grad(_loss(network, batch), _weights(network))


def _grad(output: Tensor, inputs: list[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the gradients, with zeros for inputs that do not affect the output."""
    return list(
        torch.autograd.grad(
            output,
            inputs,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )
    )


def _by_channel(products: Tensor) -> Tensor:
    """Sum (batch, channels, …) or sequences (batch, positions, channels) over positions."""
    if products.dim() == 3:  # noqa: PLR2004 - a sequence
        return products.sum(1)
    return products.flatten(2).sum(2) if products.dim() > 2 else products  # noqa: PLR2004


def _total(terms: Iterator[Tensor]) -> float:
    return float(sum(float(term.double()) for term in terms))
