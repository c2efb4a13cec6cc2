"""The network of a request, whichever way it is written: a space and the one sample for it.

Nothing here needs PyTorch: what is outside its space is refused at its submission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import model_hub
from bench_client.models import BenchmarkNetwork, Network, SearchedNetwork, SpaceNetwork
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidQuestionError
from model_hub import zoo
from model_hub.errors import ModelHubError, UnknownNameError
from model_hub.model_space import ModelSpace
from service.jobs.benchmark_networks import locate_network
from service.jobs.plain_json import plain_json

__all__ = ["ChosenNetwork", "chosen_network"]

_UNUSED_SEED: Final = 0
"""The seed of a network whose weights are not drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenNetwork:
    """A network that is in its space.

    Args:
        space: Its space.
        sample: Its canonical sample.
        record: Of the searched model that it is, if it is one.
        checkpoint: Digest of uploaded weights, if it has them.
        seed: What its weights are drawn by, if it has none.
    """

    space: ModelSpace
    sample: dict[str, Any]
    record: zoo.Record | None
    checkpoint: str | None
    seed: int

    @property
    def has_weights(self) -> bool:
        """Whether its weights are known, published or uploaded."""
        return self.record is not None or self.checkpoint is not None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an input, without the batch, where a request states none."""
        return self.record.protocol.input_shape if self.record else self.space.input_shape

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical form: equal for equal networks, and a network that may be asked for.

        The record of a searched model decides what it is; space, arguments and architecture are
        there for people and for programs that read jobs.
        """
        return {
            "model": self.record.name if self.record else None,
            "space": type(self.space).__name__,
            "arguments": plain_json("network.arguments", self.space.arguments),
            "arch": plain_json("network.arch", self.sample),
            "checkpoint": self.checkpoint,
            "seed": _UNUSED_SEED if self.has_weights else self.seed,
        }


def chosen_network(network: Network, catalog: Catalog) -> ChosenNetwork:
    """Return what a request means by a network.

    Args:
        network: As it is written.
        catalog: What is installed; see `locate_network`.

    Raises:
        InvalidQuestionError: There is no such model, space or benchmark, or the architecture or an
            argument is none of it; the error names the place in the request.
    """
    record = None
    match network:
        case SearchedNetwork():
            record = _record(network.model)
            space, sample = _in_space(record.space, record.arguments, record.architecture)
        case SpaceNetwork():
            space, sample = _in_space(network.space, network.arguments, network.arch)
        case BenchmarkNetwork():
            located, arch = locate_network(network, catalog)
            name = type(located).__name__
            space, sample = _in_space(name, located.arguments, arch, arguments_place="network.arch")
    chosen = ChosenNetwork(
        space=space,
        sample=sample,
        record=record,
        checkpoint=network.checkpoint,
        seed=network.seed,
    )
    if isinstance(network, SearchedNetwork):
        _refuse_others(network, chosen.to_dict())
    return chosen


def _record(name: str) -> zoo.Record:
    try:
        return zoo.record(name)
    except UnknownNameError as error:
        raise InvalidQuestionError("network.model", str(error)) from error


def _in_space(
    name: str,
    arguments: Mapping[str, Any],
    arch: Mapping[str, Any],
    *,
    arguments_place: str = "network.arguments",
) -> tuple[ModelSpace, dict[str, Any]]:
    """Return a space whose arguments are spelled in the one way, and a canonical sample of it."""
    space = _made(name, arguments, arguments_place)
    space = _made(name, space.arguments, arguments_place)
    try:
        sample = space.canonical(plain_json("network.arch", arch))
        space.check_network_bounds(sample)
    except ModelHubError as error:
        raise InvalidQuestionError("network.arch", str(error)) from error
    return space, sample


def _made(name: str, arguments: Mapping[str, Any], place: str) -> ModelSpace:
    """Return a space whose choices are stated, so that what is wrong with them is told now."""
    try:
        space = model_hub.space(name, **plain_json(place, arguments))
        space.check_bounds()
        space.choices  # noqa: B018 - a property that is kept
    except UnknownNameError as error:
        unknown_space = error.kind == "space"
        raise InvalidQuestionError(
            "network.space" if unknown_space else place, str(error)
        ) from error
    except ModelHubError as error:
        raise InvalidQuestionError(place, str(error)) from error
    return space


def _refuse_others(network: SearchedNetwork, canonical: Mapping[str, Any]) -> None:
    """Refuse a space, arguments or an architecture that are not those of the model."""
    for member in ("space", "arguments", "arch"):
        stated = getattr(network, member)
        if stated is not None and plain_json(f"network.{member}", stated) != canonical[member]:
            raise InvalidQuestionError(
                f"network.{member}",
                f"it is not that of {network.model}; leave it out, or leave out the model",
            )
