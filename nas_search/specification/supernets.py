"""Checks of the settings of a supernet's training, which servers use without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_hub.errors import InvalidArgumentError

__all__ = ["check_parts"]

_BINNED: Final = "BinnedPaths"


def check_parts(stated: Mapping[str, Any], name: str) -> None:
    """Raise if settings do not fit together.

    Args:
        stated: The settings by name; None counts as missing.
        name: The name of the sampler or relaxation.

    Raises:
        InvalidArgumentError: A setting has no use, or lacks one that it needs; the error names it.
    """
    given = {part for part, value in stated.items() if value is not None}
    relaxed = "relaxation" in given
    if relaxed and "sampler" in given:
        raise InvalidArgumentError(
            "sampler", f"{name} needs no sampler: give either a sampler or a relaxation"
        )
    for part in ("arch_recipe", "loss"):
        if part in given and not relaxed:
            raise InvalidArgumentError(part, f"{name} has no logits: only a relaxation has them")
    if "loss" in given and "costs" not in given:
        raise InvalidArgumentError("costs", "a cost loss needs a table of costs")
    if name == _BINNED and "costs" not in given:
        raise InvalidArgumentError("costs", f"{name} needs a table of costs for its bins")
    if "costs" in given and not relaxed and name != _BINNED:
        raise InvalidArgumentError("costs", f"{name} does not use costs")
