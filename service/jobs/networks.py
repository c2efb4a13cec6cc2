"""Conversion of the network of a request, in any of its three forms, into a space and a sample.

Submissions are checked here without PyTorch, so an architecture outside its space is refused before
a worker sees it. Equal networks get equal samples, which makes their jobs equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench_client.models import (
    BenchmarkNetwork,
    Network,
    SearchedNetwork,
    SpaceNetwork,
    WholeSpace,
)
from benchmark_db.catalog import Catalog
from benchmark_db.errors import InvalidArchitectureError, InvalidQuestionError, shown
from benchmark_db.registry import BENCHMARKS

if TYPE_CHECKING:
    from model_hub import zoo
    from model_hub.model_space import ModelSpace

__all__ = ["ChosenNetwork", "chosen_network", "digest_of", "plain_json", "subject_of"]

_ARCH: Final = "network.arch"

_DEEPEST: Final = 8
_LONGEST_LIST: Final = 128
"""Entries of a list, such as candidates, stages or a cell; published spaces have at most 20."""

_LONGEST_OBJECT: Final = 5_000
"""Members of an object, such as labels of a sample; a thousand blocks of two choices have 2,001."""

_LONGEST_TEXT: Final = 1_000
_LARGEST_NUMBER: Final = 2**53
"""Up to this number all JSON readers agree about integers."""

_SUBJECT: Final = ("space", "arguments", "arch")
"""Members of a canonical network that identify it, without its weights."""
_UNUSED_SEED: Final = 0
"""The seed in the canonical form of a network with known weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenNetwork:
    """A network of a model space, or a whole space.

    Args:
        sample: Its canonical sample; None for a whole space.
        record: The record of the searched model, if it is one.
        checkpoint: Digest of its uploaded weights, if it has any.
        seed: Seed of the random weights of a network without known ones.
    """

    space: ModelSpace
    sample: dict[str, Any] | None
    record: zoo.Record | None
    checkpoint: str | None
    seed: int

    @property
    def has_weights(self) -> bool:
        """Whether its weights are known, published or uploaded."""
        return self.record is not None or self.checkpoint is not None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Default shape of an input, without the batch dimension."""
        return self.record.protocol.input_shape if self.record else self.space.input_shape

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical form: equal for equal networks, and itself a valid request.

        A searched model is identified by its name; space, arguments and architecture are there for
        people and for programs that read jobs.
        """
        return {
            "model": self.record.name if self.record else None,
            "space": type(self.space).__name__,
            "arguments": plain_json("network.arguments", self.space.arguments),
            "arch": plain_json("network.arch", self.sample),
            "checkpoint": self.checkpoint,
            "seed": _UNUSED_SEED if self.has_weights else self.seed,
        }


def subject_of(network: Mapping[str, Any]) -> str:
    """Return the digest of a canonical network without its weights.

    A searched model and the same architecture of its space have one digest.
    """
    return digest_of([network.get(name) for name in _SUBJECT])


def digest_of(value: Any) -> str:
    """Return the digest of a JSON value, which does not depend on the order of members."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def chosen_network(network: Network | WholeSpace, catalog: Catalog) -> ChosenNetwork:
    """Return the network that a request describes.

    Raises:
        InvalidQuestionError: The model, space or benchmark does not exist, or the architecture or
            an argument is outside the space; the error names the place in the request.
    """
    record = None
    sample: dict[str, Any] | None = None
    match network:
        case WholeSpace():
            space = _canonical_space(network.space, network.arguments, "network.arguments")
        case SearchedNetwork():
            record = _record(network.model)
            space, sample = _in_space(record.space, record.arguments, record.architecture)
        case SpaceNetwork():
            space, sample = _in_space(network.space, network.arguments, network.arch)
        case BenchmarkNetwork():
            located, arch = _locate(network, catalog)
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
        _refuse_mismatch(network, chosen.to_dict())
    return chosen


def _record(name: str) -> zoo.Record:
    from model_hub import zoo  # noqa: PLC0415 - used for jobs only
    from model_hub.errors import UnknownNameError  # noqa: PLC0415

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
    """Return a space with canonical arguments, and a canonical sample of it."""
    from model_hub.errors import ModelHubError  # noqa: PLC0415 - as above

    space = _canonical_space(name, arguments, arguments_place)
    try:
        sample = space.canonical(plain_json("network.arch", arch))
        space.check_network_bounds(sample)
    except ModelHubError as error:
        raise InvalidQuestionError("network.arch", str(error)) from error
    return space, sample


def _canonical_space(name: str, arguments: Mapping[str, Any], place: str) -> ModelSpace:
    """Return a space with canonical arguments."""
    return _checked_space(name, _checked_space(name, arguments, place).arguments, place)


def _checked_space(name: str, arguments: Mapping[str, Any], place: str) -> ModelSpace:
    """Return a space whose bounds and choices have been checked."""
    import model_hub  # noqa: PLC0415 - as above
    from model_hub.errors import ModelHubError, UnknownNameError  # noqa: PLC0415

    try:
        space = model_hub.space(name, **plain_json(place, arguments))
        space.check_bounds()
        space.choices  # noqa: B018 - a cached property that checks them
    except UnknownNameError as error:
        unknown_space = error.kind == "space"
        raise InvalidQuestionError(
            "network.space" if unknown_space else place, str(error)
        ) from error
    except ModelHubError as error:
        raise InvalidQuestionError(place, str(error)) from error
    return space


def _refuse_mismatch(network: SearchedNetwork, canonical: Mapping[str, Any]) -> None:
    """Refuse a space, arguments or architecture that differ from those of the model."""
    for member in ("space", "arguments", "arch"):
        stated = getattr(network, member)
        if stated is not None and plain_json(f"network.{member}", stated) != canonical[member]:
            raise InvalidQuestionError(
                f"network.{member}",
                f"it is not that of {network.model}; leave it out, or leave out the model",
            )


def _locate(network: BenchmarkNetwork, catalog: Catalog) -> tuple[ModelSpace, dict[str, Any]]:
    """Return the model space of a benchmark's architecture, and its sample there.

    Args:
        network: Benchmark, architecture and data set.
        catalog: Used to look up hashes of NAS-Bench-101; no other benchmark has to be installed.

    Raises:
        InvalidQuestionError: The benchmark or data set does not exist, or the architecture is
            malformed, outside the space or an unknown hash.
    """
    import model_hub  # noqa: PLC0415 - as above
    from model_hub.errors import InvalidArgumentError, ModelHubError, UnknownNameError  # noqa: PLC0415

    kind = BENCHMARKS.get(network.benchmark)
    if kind is None:
        unknown = UnknownNameError("benchmark", network.benchmark, BENCHMARKS)
        raise InvalidQuestionError("network.benchmark", str(unknown))
    try:
        arch = plain_json(_ARCH, network.arch)
        row = kind.network_arch(arch, lambda: catalog[network.benchmark])
        return model_hub.locate(network.benchmark, row, dataset=network.dataset)
    except InvalidArchitectureError as error:
        raise InvalidQuestionError(_ARCH, error.message) from error
    except InvalidArgumentError as error:
        place = "network.dataset" if error.argument == "dataset" else _ARCH
        raise InvalidQuestionError(place, str(error)) from error
    except ModelHubError as error:
        raise InvalidQuestionError(_ARCH, str(error)) from error


def plain_json(place: str, value: Any) -> Any:
    """Return a JSON value with whole numbers as integers, so that equal values look alike.

    Args:
        place: Its place in the request, for messages.
        value: A value from a JSON reader.

    Raises:
        InvalidQuestionError: The value is too deep, too long, too large, not finite or not JSON.
    """
    return _plain(place, value, _DEEPEST)


def _plain(place: str, value: Any, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case int() | float():
            return _number(place, value)
        case str():
            return _text(place, value)
        case Mapping() | list() | tuple() if depth == 0:
            raise InvalidQuestionError(place, f"it is more than {_DEEPEST} levels deep")
        case Mapping():
            _refuse_long(place, len(value), _LONGEST_OBJECT)
            return {_key(place, k): _plain(place, v, depth - 1) for k, v in value.items()}
        case list() | tuple():
            _refuse_long(place, len(value), _LONGEST_LIST)
            return [_plain(place, item, depth - 1) for item in value]
    raise InvalidQuestionError(place, f"{shown(value)} is not JSON")


def _number(place: str, value: float) -> float:
    if not -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
        raise InvalidQuestionError(
            place, f"{shown(value)} is not a number between -2^53 and 2^53, which all must be"
        )
    return int(value) if value == int(value) else value


def _text(place: str, value: str) -> str:
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise InvalidQuestionError(
            place, f"{shown(value)} is not a text of at most {_LONGEST_TEXT} printable characters"
        )
    return value


def _key(place: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidQuestionError(place, f"{shown(key)} is not the name of a member")
    return _text(place, key)


def _refuse_long(place: str, length: int, most: int) -> None:
    if length > most:
        raise InvalidQuestionError(place, f"a value of it has {length} entries; {most} are allowed")
