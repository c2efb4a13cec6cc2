"""Spaces of networks that read integer ids in place of images."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from missing_extra import needs
from model_hub.arguments import a_count
from model_hub.data_sets import LARGEST_SIDE
from model_hub.model_space import ModelSpace

if TYPE_CHECKING:
    from model_hub.counting import Profile

__all__ = ["TokenSpace"]


@dataclass(frozen=True, kw_only=True)
class TokenSpace(ModelSpace, ABC):
    """A space whose networks take integer ids, of the shape `input_shape`."""

    @property
    def most_ids(self) -> int:
        """Most ids of an input."""
        return LARGEST_SIDE

    def accepted_input(self, shape: object, *, argument: str = "input_shape") -> tuple[int, ...]:
        """Return the shape of an input, without the batch, that all networks of the space take.

        Args:
            shape: How many ids it has, as in (128,): `most_ids` at most.
            argument: What to call it in an error.

        Raises:
            InvalidArgumentError: The networks take no such input; the message says which they do.
        """
        (ids,) = self._dimensions(shape, argument)
        return (a_count(argument, ids, most=self.most_ids),)

    def profile(
        self, sample: object, *, input_shape: Sequence[int] | None = None, strict: bool = True
    ) -> Profile:
        """Count the network of a sample on ids, without making its weights.

        Args:
            sample: Labels and chosen values.
            input_shape: How many ids an input has, as in (128,); that of the space by default.
            strict: Refuse labels that the space does not know.

        Raises:
            InvalidSampleError: The sample is not in the space.
            InvalidArgumentError: The network does not take inputs of this shape.
        """
        with needs("hub", "counting a network"):
            import torch

            from model_hub.counting import profile
            from model_hub.meta_device import META

        shape = self._accepted(input_shape)
        with META:
            network = self.freeze(sample, strict=strict)
            example = torch.zeros((1, *shape), dtype=torch.int64)
        return profile(network, example)
