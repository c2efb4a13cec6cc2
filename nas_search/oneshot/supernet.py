"""`Supernet`: one network that holds the weights of all networks of a space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from model_hub.choices import Chosen, Value
from model_hub.memory import META
from model_hub.model_space import ModelSpace
from model_hub.sharing import View
from nas_search.errors import NoMixtureError, ProblemError
from nas_search.oneshot.building import build
from nas_search.oneshot.switches import Row, Switch
from nas_search.oneshot.views import read, write

__all__ = ["Supernet"]

_Place = tuple[str, View, torch.Size]
"""The stored name of a network's tensor, its view of the stored tensor, and its shape."""


class Supernet(nn.Module):
    """One network that contains all networks of a space, with shared weights.

    After `activate(sample)` its outputs are bitwise equal to those of `space.freeze(sample)` with
    the same weights, in evaluation and in training. Weights outside the sample get no gradient.

    Args:
        space: The space.
        seed: Seed of the initial weights, with the distributions of the space, and of the initially
            active sample. The global generator is not changed.

    Raises:
        NoSupernetError: The space does not define how its networks share weights.
        TooLargeError: The weights do not fit into memory.
    """

    def __init__(self, space: ModelSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network, self._plan = build(space)
        # Not the default sample, which may violate the constraints of a space.
        self.activate(space.choices.sample(seed))

    @property
    def rows(self) -> Mapping[str, Row]:
        """The rows of candidates by name, which is usually the label of a choice."""
        return MappingProxyType(self._plan.rows)

    @property
    def switches(self) -> Mapping[str, list[Switch]]:
        """The switches that each row controls, by its name."""
        found: dict[str, list[Switch]] = {}
        for module in self.modules():
            if isinstance(module, Switch):
                found.setdefault(module.row.name, []).append(module)
        return MappingProxyType(found)

    def activate(self, sample: object) -> None:
        """Become the network of a sample.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        self._plan.activate(self.space.choices.resolve(sample))

    def forward(self, *inputs: Tensor, **options: Tensor) -> Any:
        """Return the output of the active network, or of the mixture, for a batch."""
        return self.network(*inputs, **options)

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters that the space's authors train without weight decay."""
        named = getattr(self.network, "no_weight_decay", None)
        return {f"network.{name}" for name in named()} if callable(named) else set()

    # ------------------------------------------------------------------ weights of one sample

    def weights_of(self, sample: object) -> dict[str, Tensor]:
        """Return copies of the weights of a sample, named as in the state of `freeze(sample)`.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return self._read(self.places_of(sample))

    def absorb(self, sample: object, weights: Mapping[str, Tensor]) -> None:
        """Write weights of a sample, as returned by `weights_of`, into the supernet.

        Raises:
            InvalidSampleError: The sample is not in the space.
            ProblemError: Names or shapes are not those of the sample's network.
        """
        placed = dict(self.places_of(sample))
        wrong = placed.keys() ^ weights.keys() or {
            name for name, (*_, shape) in placed.items() if weights[name].shape != shape
        }
        if wrong:
            raise ProblemError(
                f"these are not the weights of this sample: {min(wrong)} and {len(wrong) - 1} more "
                "have another name or another shape"
            )
        state = self.state_of_network()
        for name, (stored, view, _) in placed.items():
            write(state[stored], view, weights[name])

    def extract(self, sample: object) -> nn.Module:
        """Return `freeze(sample)` with copies of the supernet's weights.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        network = self.space.freeze(sample)
        like = next(self.parameters())
        network.to(like.device, like.dtype).train(self.training)
        network.load_state_dict(self._read(self.places_of(sample, network)))
        return network

    def parameters_of(self, sample: object) -> list[nn.Parameter]:
        """Return the parameters that a sample uses in whole or in part, without repeats.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        named = dict(self.network.named_parameters())
        stored = (place for _, (place, _, _) in self.places_of(sample))
        return [named[name] for name in dict.fromkeys(stored) if name in named]

    def state_of_network(self) -> dict[str, Tensor]:
        """Return the stored tensors by name, without copies."""
        return self.network.state_dict()

    def _read(self, placed: Iterable[tuple[str, _Place]]) -> dict[str, Tensor]:
        state = self.state_of_network()
        return {name: read(state[stored], view, shape) for name, (stored, view, shape) in placed}

    def places_of(
        self, sample: object, network: nn.Module | None = None
    ) -> Iterator[tuple[str, _Place]]:
        """Yield the name and the storage place of every tensor of the network of a sample.

        Args:
            sample: A sample.
            network: Its network, with or without weights; None: it is built without.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        values = self.space.choices.resolve(sample)
        if network is None:
            with META:
                network = self.space.freeze(sample)
        for name, tensor in network.state_dict().items():
            yield name, (*self.space.placed(values, name), tensor.shape)

    # ------------------------------------------------------------------------------ mixtures

    @property
    def mixtures(self) -> Mapping[str, tuple[Value, ...]]:
        """The candidates that can be mixed, by the name of their row.

        Raises:
            NoMixtureError: Networks of this space cannot be mixed; the message says why.
        """
        reason = self.space.sharing.no_mixture
        if reason is not None:
            raise NoMixtureError(f"{type(self.space).__name__} has no mixture: {reason}")
        return MappingProxyType({name: row.candidates for name, row in self.rows.items()})

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Become the mixture: the weighted sum of the candidates at every place.

        Args:
            weights: For each of `mixtures` one weight per candidate, in their order.

        Raises:
            NoMixtureError: Networks of this space cannot be mixed.
            ProblemError: A row is missing or unknown, or has another number of weights.
        """
        self._check_rows(weights)
        self._plan.mix(weights)

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return the sample with the largest probabilities.

        In cells, the inputs of a node are the two states with the most probable best operations.

        Args:
            probabilities: One row for each of `mixtures`, as for `mix`.

        Raises:
            NoMixtureError: Networks of this space cannot be mixed.
            ProblemError: A row is missing or unknown, or has another number of entries.
        """
        self._check_rows(probabilities)
        detached = {name: row.detach() for name, row in probabilities.items()}
        return self.space.choices.validate(self._plan.decode(detached))

    def _check_rows(self, given: Mapping[str, Tensor]) -> None:
        mixtures = self.mixtures
        if wrong := mixtures.keys() ^ given.keys():
            raise ProblemError(f"{min(wrong)}: there must be weights for {', '.join(mixtures)}")
        for name, candidates in mixtures.items():
            if given[name].shape != (len(candidates),):
                raise ProblemError(
                    f"{name}: weights of shape {tuple(given[name].shape)} are not one for each of "
                    f"{len(candidates)} candidates"
                )
