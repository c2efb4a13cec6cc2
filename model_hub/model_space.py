"""Base classes of model spaces: arguments, choices, and networks of samples.

`ModelSpace` is for networks of images, `TokenSpace` for networks of integer ids.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from missing_extra import needs
from model_hub.arguments import a_count
from model_hub.choices import Choice, Chosen, LayerChoice, Sample
from model_hub.data_sets import LARGEST_SIDE
from model_hub.errors import InvalidArgumentError, NoSupernetError, TooLargeError, shown
from model_hub.network_counts import NetworkCounts
from model_hub.search_space import SearchSpace
from model_hub.sharing import Sharing, View, chosen_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from model_hub.counting import Profile

__all__ = ["ModelSpace", "TokenSpace"]

_BLOCK_LIMIT: Final = 1_000
_CHANNEL_LIMIT: Final = 1 << 14
_PARAMETER_LIMIT: Final = 1 << 34
"""16 billion, 64 GiB in float32."""


@dataclass(frozen=True, kw_only=True)
class ModelSpace(ABC):
    """A family of networks with open choices.

    A space is a frozen dataclass of its constructor's arguments; lists among them become tuples.
    It has no weights: `freeze` creates them and only then imports PyTorch.
    """

    row_counts: ClassVar[frozenset[str]] = frozenset({"num_labels"})
    """Arguments that count the rows of a matrix; all other integers have the limit of a width."""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_tuple(getattr(self, field.name)))
        self._check()

    @cached_property
    def choices(self) -> SearchSpace:
        """The choices of the space: labels, candidates, priors, constraints."""
        return self._choices()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that are not the defaults, as JSON; `space(name, **arguments)` is equal."""
        return {
            field.name: _as_json(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input that the space is designed for, without the batch."""

    @property
    def image_step(self) -> int:
        """Height and width of an input must be multiples of this."""
        return 1

    @property
    def least_side(self) -> int:
        """Smallest height and width of an input."""
        return self.image_step

    def accepted_input(self, shape: object, *, argument: str = "input_shape") -> tuple[int, ...]:
        """Check the shape of an input, without the batch, and return it as a tuple.

        Args:
            shape: (channels, height, width), up to 1,024 rows and columns.
            argument: Name of the argument in error messages.

        Raises:
            InvalidArgumentError: The networks do not accept the shape; the message says why.
        """
        channels, *sides = self._dimensions(shape, argument)
        if channels != self.input_shape[0]:
            raise InvalidArgumentError(
                argument, f"{shown(shape)} has {channels} channels, not {self.input_shape[0]}"
            )
        for side in sides:
            a_count(argument, side, least=self.least_side, most=LARGEST_SIDE)
            if side % self.image_step:
                raise InvalidArgumentError(
                    argument,
                    f"{shown(shape)}: height and width of images for {type(self).__name__} are "
                    f"multiples of {self.image_step}",
                )
        return (channels, *sides)

    @property
    @abstractmethod
    def most_blocks(self) -> int:
        """Number of blocks (repeated layers or cells) of the deepest network of the space."""

    @property
    def most_channels(self) -> int:
        """Channels of the widest layer if the arguments only imply them; otherwise 0."""
        return 0

    def check_bounds(self) -> None:
        """Refuse a space whose networks are too large to build, without building anything.

        Servers call this before they create the choices of a space from an untrusted request. It is
        fast even for networks of a million blocks.

        Raises:
            InvalidArgumentError: A width is more than 16,384.
            TooLargeError: Networks may have over 1,000 blocks, or over 16,384 channels in a layer.
        """
        for argument, value in self.arguments.items():
            widest = max(_integers(value), default=0)
            if argument not in self.row_counts and widest > _CHANNEL_LIMIT:
                raise InvalidArgumentError(
                    argument, f"{widest} is more than {_CHANNEL_LIMIT}; no network is as large"
                )
        if self.most_blocks > _BLOCK_LIMIT:
            raise TooLargeError(
                f"networks of this space may have {self.most_blocks} blocks; {_BLOCK_LIMIT} are "
                "allowed"
            )
        if self.most_channels > _CHANNEL_LIMIT:
            raise TooLargeError(
                f"the last of these stacks is {self.most_channels} wide; {_CHANNEL_LIMIT} is "
                "allowed"
            )

    def num_parameters(self, sample: object) -> int | None:  # noqa: ARG002 - for spaces that do
        """Return the number of parameters of the network of a sample by a formula.

        Returns:
            The number; None if the space has no formula and `profile` must count the network.
        """
        return None

    def counts(self, sample: object) -> NetworkCounts | None:  # noqa: ARG002 - for spaces that do
        """Return the counts of the network of a sample by a formula, without PyTorch.

        Returns:
            The counts for an input of `input_shape`; None if the space has no formula.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return None

    def computes(self, sample: object) -> str:
        """Return a key that is equal for samples whose networks are known to compute the same.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return json.dumps(self.canonical(sample))

    def check_network_bounds(self, sample: object) -> None:
        """Refuse a network with too many parameters if a formula gives their number.

        For all other networks, `freeze` compares their size with the available memory before it
        allocates anything.

        Args:
            sample: A sample of the space.

        Raises:
            TooLargeError: The network has more than 16 billion parameters.
        """
        parameters = self.num_parameters(sample)
        if parameters is not None and parameters > _PARAMETER_LIMIT:
            raise TooLargeError(
                f"it has {parameters:,} parameters; {_PARAMETER_LIMIT:,} are allowed"
            )

    def _dimensions(self, shape: object, argument: str) -> tuple[int, ...]:
        """Return a shape after checking that its length matches the input of the space."""
        wanted = self.input_shape
        if isinstance(shape, str) or not isinstance(shape, Sequence) or len(shape) != len(wanted):
            raise InvalidArgumentError(
                argument,
                f"{shown(shape)} is no shape of an input of {type(self).__name__}, which is like "
                f"{list(wanted)}",
            )
        return tuple(a_count(argument, size) for size in shape)

    def canonical(self, sample: object) -> dict[str, Chosen]:
        """Return the canonical sample among those that are known to yield the same network.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return self.choices.validate(sample)

    def freeze(self, sample: object, *, strict: bool = True) -> nn.Module:
        """Build the network of a sample, with the initialisation of the space.

        The network is built from the chosen values and is not part of a larger one. Weights are
        drawn from PyTorch's global generator, on its default device. The attribute `input_shape` of
        the network is that of the space.

        Args:
            sample: Labels and chosen values.
            strict: Refuse unknown labels.

        Raises:
            InvalidSampleError: The sample is not in the space.
            TooLargeError: The weights do not fit into memory; nothing has been allocated.
        """
        with needs("hub", "a network"):
            import torch

            from model_hub.memory import META, no_garbage_collection, refuse_too_large

        values = self.choices.resolve(sample, strict=strict)
        network = self._on_meta(values)
        device = torch.get_default_device()
        if device != META:
            refuse_too_large(network, device)
            with no_garbage_collection():
                network = self._network(values)
        network.input_shape = self.input_shape  # type: ignore[assignment]  # a tuple, not a module
        return network

    @property
    def sharing(self) -> Sharing:
        """How the networks of the space share the weights of one supernet.

        Raises:
            NoSupernetError: They do not share weights, or not with these arguments.
        """
        raise NoSupernetError(
            f"{type(self).__name__} does not say where its networks' weights lie in a supernet"
        )

    def widest_networks(self) -> Iterator[tuple[Sample, nn.Module]]:
        """Yield samples and networks that together contain every module that a supernet stores.

        The first network contains every path in `sharing`. All networks have the largest sizes, and
        each has another candidate at each path.
        """
        decided = {part for label in self.sharing.slots.values() for part in label.split("+")}
        choices = self.choices.choices
        ranks = max((len(c.candidates) for c in choices if c.label in decided), default=1)
        for rank in range(ranks):
            sample = {
                choice.label: choice.candidates[min(rank, len(choice.candidates) - 1)]
                if choice.label in decided
                else _largest(choice)
                for choice in choices
            }
            yield self.choices.resolve(sample), self.freeze(sample)

    def further_modules(self) -> Iterator[tuple[Sample, str, nn.Module]]:
        """Yield sample, path and module of stored modules that no widest network contains."""
        yield from ()

    def located(self, values: Sample, path: str) -> str:  # noqa: ARG002 - for spaces that shift
        """Return the path that a module would have if no block of its network were left out.

        Args:
            values: The resolved sample of the network.
            path: Path of the module, or the name of one of its tensors.
        """
        return path

    def placed(self, values: Sample, name: str) -> tuple[str, View]:
        """Return the stored tensor that contains a tensor of a network, and which part of it.

        Args:
            values: The resolved sample of the network.
            name: Name of a tensor of `freeze(sample)`, or the path of a module.

        Raises:
            NoSupernetError: Networks of the space do not share weights.
        """
        parts = self.located(values, name).split(".")
        slots = self.sharing.slots
        for end in range(1, len(parts) + 1):
            label = slots.get(".".join(parts[:end]))
            if label is not None:
                chosen = str(chosen_of(values, label))
                return ".".join((*parts[:end], chosen, *parts[end:])), View()
        return ".".join(parts), View()

    def profile(
        self, sample: object, *, input_shape: Sequence[int] | None = None, strict: bool = True
    ) -> Profile:
        """Count parameters and multiply-adds of the network of a sample, without its weights.

        Args:
            sample: Labels and chosen values.
            input_shape: Shape of the input without the batch: (3, 224, 224), or (128,) for 128 ids;
                that of the space by default.
            strict: Refuse unknown labels.

        Raises:
            InvalidSampleError: The sample is not in the space.
            InvalidArgumentError: The network does not accept inputs of this shape.
        """
        with needs("hub", "counting a network"):
            from model_hub.counting import profile

        values = self.choices.resolve(sample, strict=strict)
        shape = self.accepted_input(self.input_shape if input_shape is None else input_shape)
        return profile(self._on_meta(values), self._example(shape))

    def _on_meta(self, values: Sample) -> nn.Module:
        """Build the network of resolved values on the meta device."""
        from model_hub.memory import meta_device, no_garbage_collection

        with no_garbage_collection(), meta_device():
            return self._network(values)

    def _example(self, shape: tuple[int, ...]) -> Tensor | tuple[int, ...]:
        """Return an example input, or the shape of an image, from which `profile` creates one."""
        return shape

    @abstractmethod
    def _choices(self) -> SearchSpace:
        """Create the choices."""

    @abstractmethod
    def _network(self, values: Sample) -> nn.Module:
        """Build and initialise the network of resolved values; may run on the meta device."""

    @abstractmethod
    def _check(self) -> None:
        """Check the arguments; raise InvalidArgumentError if one is invalid."""


@dataclass(frozen=True, kw_only=True)
class TokenSpace(ModelSpace, ABC):
    """A space whose networks take integer ids of shape `input_shape`."""

    @property
    def most_ids(self) -> int:
        """Largest number of ids in an input."""
        return LARGEST_SIDE

    def accepted_input(self, shape: object, *, argument: str = "input_shape") -> tuple[int, ...]:
        """Check the shape of an input, without the batch, and return it as a tuple.

        Args:
            shape: The number of ids, as in (128,); at most `most_ids`.
            argument: Name of the argument in error messages.

        Raises:
            InvalidArgumentError: The networks do not accept the shape; the message says why.
        """
        (ids,) = self._dimensions(shape, argument)
        return (a_count(argument, ids, most=self.most_ids),)

    def _example(self, shape: tuple[int, ...]) -> Tensor:
        import torch

        return torch.zeros((1, *shape), dtype=torch.int64, device="meta")


def _largest(choice: Choice) -> Chosen:
    """Return the largest number or, of named modules, the last one, such as `se`."""
    return choice.candidates[-1] if isinstance(choice, LayerChoice) else max(choice.candidates)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


def _as_json(value: Any) -> Any:
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _integers(item)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value
