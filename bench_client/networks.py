"""The network that a request is about, as methods of the client take it and services read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bench_client.errors import InvalidRequestError

__all__ = ["Network"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """An architecture of a benchmark, a sample of a model space, or a searched model.

    The service checks whether there is such a thing; `bench_client.models.Network` is what it
    reads.

    Args:
        benchmark: A benchmark, of which `arch` is an architecture in any spelling.
        model: A searched model of the zoo, instead.
        space: A model space, instead.
        arch: The architecture, or a sample of the choices of `space`.
        arguments: Arguments of the space.
        dataset: The data set that a benchmark's network is for.
        checkpoint: SHA-256 of uploaded weights.
        seed: What weights are drawn by where there are none; 0 by default.

    Raises:
        InvalidRequestError: It is not exactly one of the three.
    """

    benchmark: str | None = None
    model: str | None = None
    space: str | None = None
    arguments: Mapping[str, Any] | None = None
    arch: Any = None
    dataset: str | None = None
    checkpoint: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if sum(form is not None for form in (self.benchmark, self.model, self.space)) != 1:
            raise InvalidRequestError(
                "network: name a benchmark, a model or a space, and one of them only"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is submitted: what was not stated is left to the service."""
        stated = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in stated.items() if value is not None}
