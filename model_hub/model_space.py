"""What a model space is: arguments, choices, and the one way from a sample to a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_hub.choices import Chosen, Sample
from model_hub.collection import collection_put_off
from model_hub.errors import UnknownNameError
from model_hub.search_space import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from model_hub.counting import Profile

__all__ = ["ModelSpace"]


@dataclass(frozen=True, kw_only=True)
class ModelSpace(ABC):
    """A family of networks with undecided choices.

    A space is a frozen dataclass of its constructor's arguments; lists among them become tuples.
    It holds no weights: they come into being in `freeze`, and PyTorch loads with them.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_tuple(getattr(self, field.name)))
        self._check()

    @cached_property
    def choices(self) -> SearchSpace:
        """The choices: labels, candidates, priors, constraints."""
        return self._choices()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that are not the defaults, as JSON; `space(name, **arguments)` is equal."""
        return {
            field.name: _as_json(value, field.default)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input that the space was made for, without the batch."""

    def canonical(self, sample: object) -> dict[str, Chosen]:
        """Return the one sample that stands for all that are known to make the same network.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return self.choices.validate(sample)

    def freeze(self, sample: object, *, strict: bool = True) -> nn.Module:
        """Build the network of a sample, initialised as the space states.

        This is the only way from a sample to a network: it is built from the chosen values, never
        cut out of something larger. Weights are drawn from PyTorch's global generator and lie on
        its default device.

        Args:
            sample: Labels and chosen values.
            strict: Refuse labels that the space does not know.

        Raises:
            InvalidSampleError: The sample is not in the space.
            TooLargeError: The weights do not fit into memory; nothing was allocated.
        """
        import torch

        from model_hub.memory import refuse_too_large
        from model_hub.weightless import META, weightless

        values = self.choices.resolve(sample, strict=strict)
        with collection_put_off():
            with weightless():
                outline = self._network(values)
            device = torch.get_default_device()
            if device == META:
                return outline
            refuse_too_large(outline, device)
            return self._network(values)

    def profile(
        self, sample: object, *, input_shape: Sequence[int] | None = None, strict: bool = True
    ) -> Profile:
        """Count the network of a sample, without making its weights.

        Args:
            sample: Labels and chosen values.
            input_shape: Shape of the input without the batch; that of the space by default.
            strict: Refuse labels that the space does not know.

        Raises:
            InvalidSampleError: The sample is not in the space.
            InvalidArgumentError: The network does not take inputs of this shape.
        """
        from model_hub.counting import profile
        from model_hub.weightless import META

        with META:
            network = self.freeze(sample, strict=strict)
        return profile(network, input_shape or self.input_shape)

    @classmethod
    def load_searched_model(
        cls,
        name: str,
        *,
        pretrained: bool = True,
        download: bool = False,
        checkpoint: Path | str | None = None,
    ) -> nn.Module:
        """Return the network of a searched model of this space; see `model_hub.zoo.load`.

        Raises:
            UnknownNameError: This space has no such model; the message offers the nearest.
        """
        from model_hub import zoo

        records = zoo.all_records()
        own = [known for known, record in records.items() if record.space == cls.__name__]
        if name not in own:
            raise UnknownNameError(f"searched model of {cls.__name__}", name, own)
        return zoo.load(name, pretrained=pretrained, download=download, checkpoint=checkpoint)

    @abstractmethod
    def _choices(self) -> SearchSpace:
        """State the choices."""

    @abstractmethod
    def _network(self, values: Sample) -> nn.Module:
        """Build and initialise the network of resolved values; may run on the meta device."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse arguments that cannot mean anything, by InvalidArgumentError."""


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


def _as_json(value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        return bool(value)  # 1 is taken for true, and must not look like another argument
    return [_as_json(item, None) for item in value] if isinstance(value, tuple) else value
