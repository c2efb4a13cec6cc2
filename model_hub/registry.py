"""Spaces by name."""

from __future__ import annotations

from typing import Any

from model_hub import spaces
from model_hub.errors import InvalidArgumentError, UnknownNameError, nearest
from model_hub.model_space import ModelSpace

__all__ = ["space", "space_names"]


def space_names() -> tuple[str, ...]:
    """Return the names of all spaces."""
    return tuple(spaces.__all__)


def space(name: str, **arguments: Any) -> ModelSpace:
    """Make a space by its name.

    Args:
        name: Its name, such as `ProxylessNAS`.
        arguments: The arguments of its constructor.

    Raises:
        UnknownNameError: There is no such space; the message offers the nearest.
        InvalidArgumentError: It has no such argument, or the value cannot mean anything.
    """
    if name not in spaces.__all__:
        raise UnknownNameError("space", name, spaces.__all__)
    kind: type[ModelSpace] = getattr(spaces, name)
    for argument in arguments:
        if argument not in kind.__dataclass_fields__:
            raise InvalidArgumentError(
                argument,
                f"{name} has no such argument{nearest(argument, kind.__dataclass_fields__)}",
            )
    return kind(**arguments)
