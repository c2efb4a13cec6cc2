"""What is not installed, told by the extra that brings it.

    with needs("hub", "a network"):
        import torch

Every other package of the project uses this one, which uses none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

__all__ = ["PACKAGES", "MissingExtraError", "needs", "refuse_missing"]

PACKAGES: Final = frozenset(
    {
        *("bench_client", "benchmark_db", "benchmark_spec", "generators", "missing_extra"),
        *("model_hub", "nas_search", "safe_pickle", "service"),
    }
)
"""The packages of this project."""


class MissingExtraError(ModuleNotFoundError):
    """A module that an extra of the project brings is not installed.

    Args:
        extra: The extra.
        purpose: What needs the module, the beginning of the message.
        module: The module.

    Attributes:
        extra: The extra.
        name: The module.
    """

    def __init__(self, extra: str, purpose: str, module: str) -> None:
        super().__init__(
            f"{purpose} needs {module}: pip install 'nas-bench-service[{extra}]'", name=module
        )
        self.extra = extra

    def __reduce__(self) -> tuple[type[Exception], tuple[str]]:
        """Arrive in another process with the message, as a plain ModuleNotFoundError."""
        return ModuleNotFoundError, (str(self),)


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Name the extra where an import inside does not find what it brings.

    A module of the project that is missing is no matter of extras, and its error is left as it is.
    Of several around each other the outermost counts: it knows best what is wanted.

    Args:
        extra: The extra that has all that is imported inside.
        purpose: What needs it, the beginning of the message.

    Raises:
        MissingExtraError: A module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "something").partition(".")[0]
        if module in PACKAGES:
            raise
        raise MissingExtraError(extra, purpose, module) from error


def refuse_missing(extra: str, purpose: str, *modules: str) -> None:
    """Refuse to begin without modules that are loaded later, or in another process.

    Raises:
        MissingExtraError: One is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(extra, purpose, module)
