"""Modules and names that are imported on first use, so that a client starts quickly.

Building the models of all benchmarks takes longer than a query over HTTP, and most programs use one
benchmark. Type checkers see plain imports: each use is next to an `if TYPE_CHECKING` block that
imports the same names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

__all__ = ["LateModule", "late_names"]


class LateModule:
    """Placeholder for a module, which is imported when an attribute is first read.

    Args:
        name: Full name of the module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(self._name), attribute)
        setattr(self, attribute, found)
        return found


def late_names(
    package: str, names: Collection[str], modules: Collection[str]
) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package (PEP 562) that imports public names on first use.

    Args:
        package: Full name of the package.
        names: Its public names.
        modules: Modules of the package that define them, searched in this order.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - the name that Python calls
        if name in names:
            for module in modules:
                found = import_module(f"{package}.{module}")
                if name in found.__all__:
                    return vars(sys.modules[package]).setdefault(name, getattr(found, name))
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return __getattr__
