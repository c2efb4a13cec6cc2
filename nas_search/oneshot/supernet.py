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
"""Stored name of a tensor of a network, which part of the stored one it is, and its shape."""


class Supernet(nn.Module):
    """All networks of a space, with shared weights.

    After `activate(sample)` it computes what `space.freeze(sample)` with the same weights computes,
    to the bit, in evaluation and in training; what the sample does not use gets no gradient.

    Args:
        space: What it holds the networks of.
        seed: Of the initial weights, which are drawn as the space draws them, and of the sample
            that is active at first; the global generator is left as it was.

    Raises:
        NoSupernetError: The space does not say where its networks' weights lie in a supernet.
        TooLargeError: The weights do not fit into memory.
    """

    def __init__(self, space: ModelSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network, self._plan = build(space)
        # Not the default sample, which need not meet the constraints of a space.
        self.activate(space.choices.sample(seed))

    @property
    def rows(self) -> Mapping[str, Row]:
        """What can be mixed: what is chosen at some places, by name, often the label."""
        return MappingProxyType(self._plan.rows)

    @property
    def switches(self) -> Mapping[str, list[Switch]]:
        """The places that a row decides, by its name."""
        found: dict[str, list[Switch]] = {}
        for module in self.modules():
            if isinstance(module, Switch):
                found.setdefault(module.row.name, []).append(module)
        return MappingProxyType(found)

    def activate(self, sample: object) -> None:
        """Be the network of a sample from now on.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        self._plan.activate(self.space.choices.resolve(sample))

    def forward(self, *inputs: Tensor, **options: Tensor) -> Any:
        """Return what the active network, or the mixture, makes of a batch."""
        return self.network(*inputs, **options)

    def no_weight_decay(self) -> set[str]:
        """Return the names of the parameters that the space's authors train without decay."""
        named = getattr(self.network, "no_weight_decay", None)
        return {f"network.{name}" for name in named()} if callable(named) else set()

    # ------------------------------------------------------------------ weights of one sample

    def weights_of(self, sample: object) -> dict[str, Tensor]:
        """Return copies of the weights of a sample, by the names of `freeze(sample)`'s state.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        return self._read(self.places_of(sample))

    def absorb(self, sample: object, weights: Mapping[str, Tensor]) -> None:
        """Put weights of a sample, as `weights_of` gives them, into the supernet.

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
        """Return the parameters that a sample uses, all of them or a part, each once.

        Raises:
            InvalidSampleError: The sample is not in the space.
        """
        named = dict(self.network.named_parameters())
        stored = (place for _, (place, _, _) in self.places_of(sample))
        return [named[name] for name in dict.fromkeys(stored) if name in named]

    def state_of_network(self) -> dict[str, Tensor]:
        """Return the stored tensors by name, without copying them."""
        return self.network.state_dict()

    def _read(self, placed: Iterable[tuple[str, _Place]]) -> dict[str, Tensor]:
        state = self.state_of_network()
        return {name: read(state[stored], view, shape) for name, (stored, view, shape) in placed}

    def places_of(
        self, sample: object, network: nn.Module | None = None
    ) -> Iterator[tuple[str, _Place]]:
        """Yield the name of every tensor of the network of a sample, and where it is stored.

        Args:
            sample: A sample.
            network: Its network, if it is at hand, with or without weights.

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
        """The candidates that can be mixed, by the name of their row of weights.

        Raises:
            NoMixtureError: Networks of this space cannot be mixed; the message says why.
        """
        reason = self.space.sharing.no_mixture
        if reason is not None:
            raise NoMixtureError(f"{type(self.space).__name__} has no mixture: {reason}")
        return MappingProxyType({name: row.candidates for name, row in self.rows.items()})

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        """Be the weighted sum of the candidates at every place from now on.

        Args:
            weights: For each of `mixtures` one weight a candidate, in their order.

        Raises:
            NoMixtureError: Networks of this space cannot be mixed.
            ProblemError: A row is missing or unknown, or has another number of weights.
        """
        self._check_rows(weights)
        self._plan.mix(weights)

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Chosen]:
        """Return the sample of the largest probabilities.

        In cells, each node reads the two states whose best operation is the most probable.

        Args:
            probabilities: As the weights of `mix`.

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
