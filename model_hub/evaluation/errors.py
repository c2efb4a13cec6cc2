"""What can go wrong in an evaluation."""

from __future__ import annotations

from model_hub.errors import ModelHubError

__all__ = ["ClassesError", "DamagedImageError", "DatasetError", "LabelError", "OutputError"]


class DatasetError(ModelHubError, ValueError):
    """An image, a label or a data set that cannot be used; the message names the file."""


class DamagedImageError(DatasetError):
    """A file that is no image, or a damaged one."""


class LabelError(DatasetError):
    """A label that the network has no output for."""


class ClassesError(LabelError):
    """Classes that are not those of the network's outputs, or nobody knows which."""


class OutputError(ModelHubError, ArithmeticError):
    """Outputs of a network that are no finite numbers."""
