"""Spaces by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, Final

from model_hub import spaces
from model_hub.errors import InvalidArgumentError, UnknownNameError, nearest
from model_hub.model_space import ModelSpace
from model_hub.spaces.nds_cells import NdsCells

__all__ = ["space", "space_names"]


_KINDS: Final[Mapping[str, type[ModelSpace]]] = MappingProxyType(
    {name: getattr(spaces, name) for name in spaces.__all__} | {NdsCells.__name__: NdsCells}
)
"""The spaces by name, and the networks of two given cells, which have no default."""


def space_names() -> tuple[str, ...]:
    """Return the names of all spaces."""
    return tuple(spaces.__all__)


def space(name: str, /, **arguments: Any) -> ModelSpace:
    """Make a space by its name.

    Args:
        name: Its name, such as `ProxylessNAS`; or `NdsCells`, for networks of given cells.
        arguments: The arguments of its constructor.

    Raises:
        UnknownNameError: There is no such space; the message offers the nearest.
        InvalidArgumentError: It has no such argument, or needs one that is not there, or the value
            cannot mean anything.
    """
    if name not in _KINDS:
        raise UnknownNameError("space", name, _KINDS)
    kind = _KINDS[name]
    known = {field.name: field for field in fields(kind)}
    for argument in arguments:
        if argument not in known:
            raise InvalidArgumentError(
                argument, f"{name} has no such argument{nearest(argument, known)}"
            )
    for field in known.values():
        if field.default is MISSING and field.name not in arguments:
            raise InvalidArgumentError(field.name, f"{name} needs this argument")
    return kind(**arguments)
