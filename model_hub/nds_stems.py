"""Which stem a network of NDS for ImageNet has: the tables do not say, but their counts do.

The two stems that the authors' code has differ in the size of their kernel, so that the parameters
of a network are those of one of them at most.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from model_hub.arguments import a_number
from model_hub.errors import InvalidArgumentError, listed, shown
from model_hub.spaces.nds_stages import StageSpace
from model_hub.stages import STEMS

__all__ = ["with_recorded_stem"]

_IMAGENET_STEMS: Final = ("resnet", "simple")
_MILLION: Final = 1e6
_MOST_MILLIONS: Final = 1e6
_UNSTATED_STRIDE: Final = 1
"""What a row for CIFAR has, where the stem changes no resolution."""


def with_recorded_stem(space: StageSpace, parameters: object, stride: object) -> StageSpace:
    """Return a space of one network with the stem that makes it the network that was recorded.

    Args:
        space: The space, with any stem.
        parameters: How many the network has, in millions; None if that is not recorded.
        stride: Of the stem, as recorded; 1 leaves it open.

    Raises:
        InvalidArgumentError: Neither stem gives as many parameters, or the one that does has
            another stride; the message says how many they give, and how to choose a stem.
    """
    candidates = {name: replace(space, stem=name) for name in _IMAGENET_STEMS}
    counts = {name: candidate.num_parameters({}) for name, candidate in candidates.items()}
    found = ", ".join(f"{count:,} with stem={name!r}" for name, count in counts.items())
    way_out = f"whoever knows the stem names it: {candidates['resnet']}.freeze({{}})"
    if parameters is None:
        raise InvalidArgumentError(
            "parameters",
            "the row lacks them, and for imagenet they alone tell which stem the network has: "
            f"it has {found}. Give the whole row, not its config; {way_out}",
        )
    recorded = round(a_number("parameters", parameters, least=0, most=_MOST_MILLIONS) * _MILLION)
    matching = [name for name, count in counts.items() if count == recorded]
    if not matching:
        raise InvalidArgumentError(
            "parameters",
            f"{recorded:,} are recorded, but the network has {found}. Made-up rows, as in a sample "
            f"database, fit no network; {way_out}",
        )
    (name,) = matching
    strides = (_UNSTATED_STRIDE, STEMS[name].stride)
    if stride not in strides:
        raise InvalidArgumentError(
            "model_spec",
            f"ss begins with {shown(stride)}, but the parameters are those of stem={name!r}, where "
            f"it is one of {listed(strides)}; {way_out}",
        )
    return candidates[name]
