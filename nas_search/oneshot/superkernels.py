"""The superkernels of Single-Path NAS (Stamoulis et al. 2019, arXiv:1904.02877, section 3).

A layer has one depthwise kernel of 5 x 5 and expansion 6. Its outer ring, its upper half of
channels and the whole layer are each switched on if the norm of that part of the weights exceeds a
threshold, which is trained with the weights.

    kernels = Superkernels(Supernet(SuperkernelSpace(num_labels=10)))
    loss = cross_entropy(kernels(images), labels) + 0.02 * kernels.runtime().log()
    sample = kernels.decode()

A network with masked kernels differs from the sliced network that `decode` returns: its 1 x 1
convolutions keep their width, and after a norm a masked channel equals the norm's bias, not 0. The
network found has to be trained again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows it by

from model_hub.arguments import a_number
from model_hub.choices import Chosen
from model_hub.spaces.single_path_nas import FIXED_RUNTIME, RUNTIMES, SuperkernelSpace
from nas_search.errors import ProblemError
from nas_search.oneshot.supernet import Supernet

__all__ = ["Indicators", "Superkernels", "indicator"]

_SKIP: Final = "skip"
_RING: Final = 1
"""Width of the ring around the central 3 x 3 of a 5 x 5 kernel."""


class Indicators(NamedTuple):
    """The active parts of a kernel, each 1 or 0.

    Args:
        ring: Whether the outer ring is active: 1 for a 5 x 5 kernel, 0 for 3 x 3.
        kept: Whether the layer is kept; 0: it is skipped.
        upper: Whether the upper half of the channels is active: 1 for expansion 6, 0 for 3.
    """

    ring: Tensor
    kept: Tensor
    upper: Tensor


def indicator(x: Tensor) -> Tensor:
    """Return 1 where x >= 0 and 0 elsewhere, with the gradient of the logistic function."""
    smooth = x.sigmoid()
    return (x >= 0).to(x.dtype) + (smooth - smooth.detach())


class Superkernels(nn.Module):
    """A supernet whose kernels are masked by trained thresholds (Single-Path NAS).

    Args:
        supernet: The supernet of a `SuperkernelSpace`, whose largest network runs.
        keep_probability: Probability of keeping an indicator under dropout in training; the authors
            begin with 0.6.

    Raises:
        ProblemError: The supernet belongs to another kind of space.
        InvalidArgumentError: The probability is not from 0.01 to 1.
    """

    def __init__(self, supernet: Supernet, *, keep_probability: float = 1.0) -> None:
        super().__init__()
        if not isinstance(supernet.space, SuperkernelSpace):
            raise ProblemError(
                f"{type(supernet.space).__name__} has no shared kernels with thresholds; "
                "SuperkernelSpace has"
            )
        self.supernet = supernet
        self.keep_probability = keep_probability
        labels = supernet.space.choices.labels
        # Pairs, because ParameterDict sorts the names of a dict: layer_10 before layer_2.
        self.thresholds = nn.ParameterDict(
            [(label, nn.Parameter(torch.zeros(len(Indicators._fields)))) for label in labels]
        )

    @property
    def keep_probability(self) -> float:
        """Probability of keeping an indicator in training; kept ones are divided by it."""
        return self._keep_probability

    @keep_probability.setter
    def keep_probability(self, value: float) -> None:
        self._keep_probability = a_number("keep_probability", value, least=0.01, most=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (batch, num_labels) of images, with masked kernels."""
        space = self.supernet.space
        largest = {c.label: _name(5, 6) for c in space.choices.choices}
        self.supernet.activate(largest)
        masked = {
            f"{self._path(place)}.weight": self._masked(label, place)
            for place, label in enumerate(self.thresholds)
        }
        y: Tensor = torch.func.functional_call(self.supernet.network, masked, (x,))
        return y

    def indicators(self, label: str) -> Indicators:
        """Return the active parts of the kernel of a layer, without dropout.

        Raises:
            ProblemError: There is no such layer.
        """
        if label not in self.thresholds:
            raise ProblemError(f"{label} is no layer; there are {', '.join(self.thresholds)}")
        return self._indicators(label, list(self.thresholds).index(label))

    def runtime(self) -> Tensor:
        """Return the latency on a Pixel 1 in milliseconds, differentiable in the thresholds."""
        layers = enumerate(zip(self.thresholds, RUNTIMES, strict=True))
        times = [_runtime(self._indicators(label, place), row) for place, (label, row) in layers]
        return FIXED_RUNTIME + torch.stack(times).sum()

    def decode(self) -> dict[str, Chosen]:
        """Return the sample that corresponds to the indicators."""
        found: dict[str, Chosen] = {}
        for place, label in enumerate(self.thresholds):
            ring, kept, upper = (bool(part) for part in self._indicators(label, place))
            found[label] = _name(5 if ring else 3, 6 if upper else 3) if kept else _SKIP
        return self.supernet.space.choices.validate(found)

    def _path(self, place: int) -> str:
        """Return the path of the depthwise convolution of a layer."""
        stage, inside = divmod(place, len(self.thresholds) // 5)
        return f"blocks.{1 + stage}.{inside}.3"

    def _kernel(self, place: int) -> Tensor:
        weight = self.supernet.network.get_submodule(self._path(place)).weight
        assert isinstance(weight, Tensor)  # noqa: S101 - by construction
        return weight

    def _indicators(self, label: str, place: int) -> Indicators:
        kernel, thresholds = self._kernel(place), self.thresholds[label]
        ring = indicator((kernel - _middle(kernel)).norm() - thresholds[0])
        lower, upper = (_middle(kernel) + ring * (kernel - _middle(kernel))).chunk(2)
        choice = self.supernet.space.choices.choices[place]
        may_skip = _SKIP in choice.candidates
        kept = indicator(lower.norm() - thresholds[1]) if may_skip else torch.ones_like(ring)
        return Indicators(ring, kept, indicator(upper.norm() - thresholds[2]))

    def _masked(self, label: str, place: int) -> Tensor:
        """Return the masked kernel of a layer."""
        kernel = self._kernel(place)
        ring, kept, upper = self._dropped(self._indicators(label, place))
        lower_half, upper_half = (_middle(kernel) + ring * (kernel - _middle(kernel))).chunk(2)
        return kept * torch.cat((lower_half, upper * upper_half))

    def _dropped(self, indicators: Indicators) -> Iterator[Tensor]:
        for value in indicators:
            yield F.dropout(value, 1 - self.keep_probability, self.training)


def _middle(kernel: Tensor) -> Tensor:
    """Return a 5 x 5 kernel with its ring set to 0."""
    inner = kernel[..., _RING:-_RING, _RING:-_RING]
    return F.pad(inner, (_RING,) * 4)


def _runtime(indicators: Indicators, row: tuple[float, float, float]) -> Tensor:
    small, narrow, full = row
    ring, kept, upper = indicators
    with_ring = kept * (narrow + upper * (full - narrow))
    ratio = small / full
    return with_ring * ratio + with_ring * (1 - ratio) * ring


def _name(kernel_size: int, expand_ratio: int) -> str:
    return f"{kernel_size}x{kernel_size}-{expand_ratio}"
