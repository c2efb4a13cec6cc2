"""What can go wrong in an evaluation."""

from __future__ import annotations

from model_hub.errors import ModelHubError

__all__ = ["DatasetError", "OutputError"]


class DatasetError(ModelHubError, ValueError):
    """An image, a label or a data set that cannot be used; the message names the file."""


class OutputError(ModelHubError, ArithmeticError):
    """Outputs of a network that are no finite numbers."""
