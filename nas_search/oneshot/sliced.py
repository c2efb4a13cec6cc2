"""Layers that use a slice of their weights: the first channels, the middle of a kernel.

The input size of a layer follows from its input; its output channels and kernel size are set as
attributes. Depthwise convolutions, norms, class tokens and positions follow their input. Slices are
made contiguous before they are multiplied, as only then gradients are summed in the same order as
in the stand-alone network and are bitwise equal.

A layer is converted by changing its class, which keeps its weights, their names and its settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.blocks.mobile import InvertedResidual, SqueezeExcite
from model_hub.spaces.autoformer_network import (
    HEAD_DIM,
    ClassToken,
    Positions,
    RelativeAttention,
)
from nas_search.oneshot.switches import Row

__all__ = ["KeptBlocks", "slice_layers", "told_modules"]


class SlicedConv2d(nn.Conv2d):
    """A sliced convolution: without groups, depthwise, or with a fixed number of groups."""

    channels: int
    kernel: int

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (batch, channels, height, width)."""
        entering, channels, groups = x.shape[1], self.channels, self.groups
        if groups == self.in_channels:  # depthwise
            channels = groups = entering
        cut = (self.kernel_size[0] - self.kernel) // 2
        weight = self.weight[:channels, : entering // groups]
        if cut:
            weight = weight[:, :, cut:-cut, cut:-cut]
        padding: Any = self.padding  # equal in both directions
        if cut:
            padding = padding[0] - cut
        bias = _first(self.bias, channels)
        return F.conv2d(x, weight.contiguous(), bias, self.stride, padding, self.dilation, groups)


class SlicedLinear(nn.Linear):
    """A sliced linear layer."""

    channels: int

    def forward(self, x: Tensor) -> Tensor:
        """Apply to (..., channels)."""
        weight = self.weight[: self.channels, : x.shape[-1]].contiguous()
        return F.linear(x, weight, _first(self.bias, self.channels))


class SlicedBatchNorm2d(nn.BatchNorm2d):
    """A batch norm of the first channels, which updates only their statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, height, width)."""
        factor = self.momentum or 0.0
        if self.training and self.track_running_stats:
            assert self.num_batches_tracked is not None  # noqa: S101 - statistics are tracked
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                factor = 1.0 / float(self.num_batches_tracked)
        return F.batch_norm(
            x,
            _first(self.running_mean, x.shape[1]),
            _first(self.running_var, x.shape[1]),
            _first(self.weight, x.shape[1]),
            _first(self.bias, x.shape[1]),
            self.training or self.running_mean is None,
            factor,
            self.eps,
        )


class SlicedLayerNorm(nn.LayerNorm):
    """A layer norm of the first channels of each token."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., channels)."""
        size = x.shape[-1]
        weight, bias = _first(self.weight, size), _first(self.bias, size)
        return F.layer_norm(x, (size,), weight, bias, self.eps)


class SlicedClassToken(ClassToken):
    """The first channels of a class token."""

    def forward(self, x: Tensor) -> Tensor:
        """Prepend the token to tokens (batch, tokens, width)."""
        token = self.cls_token[..., : x.shape[-1]]
        return torch.cat((token.expand(x.shape[0], -1, -1), x), 1)


class SlicedPositions(Positions):
    """The first channels of position embeddings."""

    def forward(self, x: Tensor) -> Tensor:
        """Add the vectors to tokens (batch, tokens, width)."""
        return x + self.pos_embed[..., : x.shape[-1]]


class SlicedAttention(RelativeAttention):
    """Attention of the first heads, with one bias for queries, keys and values.

    As published (Chen et al. 2021, arXiv:2107.00651), the joint bias is sliced as a whole: entries
    for keys in a narrow network are entries for queries in a wide one.
    """

    heads: int
    qkv_bias: nn.Parameter | None

    def share_bias(self) -> None:
        """Join the three biases into one parameter."""
        layers = (self.q, self.k, self.v)
        biased = self.q.bias is not None
        self.qkv_bias = (
            nn.Parameter(torch.cat([q.bias.detach() for q in layers])) if biased else None
        )
        for layer in layers:
            layer.register_parameter("bias", None)

    def _projected(self, x: Tensor) -> tuple[Tensor, ...]:
        width = self.heads * HEAD_DIM
        layers = (self.q, self.k, self.v)
        weights = [layer.weight[:width, : x.shape[-1]].contiguous() for layer in layers]
        biases: Sequence[Tensor | None] = (None,) * len(layers)
        if self.qkv_bias is not None:
            biases = self.qkv_bias[: len(layers) * width].view(len(layers), width).unbind()
        return tuple(
            F.linear(x, weight, bias).view(*x.shape[:2], self.heads, HEAD_DIM).transpose(1, 2)
            for weight, bias in zip(weights, biases, strict=True)
        )


class OptionalSequence(nn.Sequential):
    """Layers that may be skipped."""

    present: bool

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers if they are present."""
        if not self.present:
            return x
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return y


class OptionalSqueezeExcite(SqueezeExcite):
    """A squeeze-and-excitation module that may be skipped."""

    present: bool

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel if the module is present."""
        return super().forward(x) if self.present else x


class OptionalBlock(InvertedResidual):
    """A block that may be skipped."""

    present: bool

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block if it is present."""
        return super().forward(x) if self.present else x


class KeptBlocks(nn.ModuleList):
    """A list of blocks that iterates only over the first ones, which are kept.

    Args:
        row: The row that chooses the number of blocks.
        blocks: All blocks.
    """

    def __init__(self, row: Row, blocks: Iterator[nn.Module]) -> None:
        super().__init__(blocks)
        self.row = row

    def __iter__(self) -> Iterator[nn.Module]:
        """Yield the kept blocks."""
        kept: Any = self.row.chosen
        yield from list(super().__iter__())[:kept]


_SLICED: Final[dict[type[nn.Module], type[nn.Module]]] = {
    nn.Conv2d: SlicedConv2d,
    nn.Linear: SlicedLinear,
    nn.BatchNorm2d: SlicedBatchNorm2d,
    nn.LayerNorm: SlicedLayerNorm,
    ClassToken: SlicedClassToken,
    Positions: SlicedPositions,
    RelativeAttention: SlicedAttention,
}
"""The sliced class of each kind of layer."""

_OPTIONAL: Final[dict[type[nn.Module], type[nn.Module]]] = {
    nn.Sequential: OptionalSequence,
    SqueezeExcite: OptionalSqueezeExcite,
    InvertedResidual: OptionalBlock,
}


def slice_layers(network: nn.Module) -> None:
    """Convert the layers of a network to sliced ones, initially at full size."""
    for module in list(network.modules()):
        for plain, sliced in _SLICED.items():
            if isinstance(module, plain):
                module.__class__ = sliced
        if isinstance(module, SlicedConv2d):
            module.channels, module.kernel = module.out_channels, module.kernel_size[0]
        elif isinstance(module, SlicedLinear):
            module.channels = module.out_features
        elif isinstance(module, SlicedAttention):
            module.heads = module.num_heads
            module.share_bias()


def told_modules(network: nn.Module, path: str, what: str) -> list[nn.Module]:
    """Return the modules whose attribute a space sets through a path.

    Args:
        network: The sliced network.
        path: The path of a layer, or of a module with all of its layers.
        what: `channels`, `kernel`, `heads`, or `present`, which applies only to the module itself.
    """
    module = network.get_submodule(path)
    if what != "present":
        return [inner for inner in module.modules() if hasattr(inner, what)]
    if type(module) in _OPTIONAL:
        module.__class__ = _OPTIONAL[type(module)]
    return [module]


def _first(tensor: Tensor | None, size: int) -> Tensor | None:
    return None if tensor is None else tensor[:size]
