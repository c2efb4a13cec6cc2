"""Which parts of a statement of a supernet go together. Needs no PyTorch: servers check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_hub.errors import InvalidArgumentError

__all__ = ["check_parts"]

_BINNED: Final = "BinnedPaths"


def check_parts(stated: Mapping[str, Any], name: str) -> None:
    """Refuse parts that belong to nothing, or lack what they need.

    Args:
        stated: Parts by name; those that are None are as left out.
        name: That of the sampler or relaxation.

    Raises:
        InvalidArgumentError: A part does; the error names it.
    """
    given = {part for part, value in stated.items() if value is not None}
    relaxed = "relaxation" in given
    if relaxed and "sampler" in given:
        raise InvalidArgumentError(
            "sampler", f"{name} draws what it needs itself: state a sampler or a relaxation"
        )
    for part in ("arch_recipe", "loss"):
        if part in given and not relaxed:
            raise InvalidArgumentError(part, f"{name} has no logits: only a relaxation has them")
    if "loss" in given and "costs" not in given:
        raise InvalidArgumentError("costs", "a loss of costs needs a table of them")
    if name == _BINNED and "costs" not in given:
        raise InvalidArgumentError("costs", f"{name} needs a table of costs to fill its bins by")
    if "costs" in given and not relaxed and name != _BINNED:
        raise InvalidArgumentError("costs", f"{name} asks for no costs")
