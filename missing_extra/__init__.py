"""What is not installed, told by the extra that brings it and the command that installs it.

    with needs("hub", "a network"):
        import torch

Every other package of the project uses this one, which uses none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["PACKAGES", "MissingExtraError", "install_command", "needs", "refuse_missing"]

_DISTRIBUTION: Final = "nas-bench-service"

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
        super().__init__(f"{purpose} needs {module}: {install_command(extra)}", name=module)
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


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, wherever one stands.

    An installation is added to from where it came: a clone, a file, an address, or an index. pip
    notes that in `direct_url.json` (PEP 610), with `{}` for an index here.

    Args:
        extra: The extra.
    """
    return f"{_installer()} {_source(_origin(), extra)}"


def _installer() -> str:
    """Return how packages are installed into this environment, which need not be activated."""
    from shlex import quote
    from shutil import which

    if Path(sys.prefix, "pipx_metadata.json").is_file():
        return f"pipx runpip {_DISTRIBUTION} install"
    # Past setuptools, which warns of a `distutils` that is loaded, as PyTorch's compiler does.
    if PathFinder.find_spec("pip") is None:
        return f"uv pip install --python {quote(sys.executable)}"
    found = which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip install"
    return f"{quote(sys.executable)} -m pip install"


def _origin() -> dict[str, Any]:
    """Return where this installation came from, as PEP 610 has it."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found: dict[str, Any] = json.loads(
            distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}"
        )
    except PackageNotFoundError:
        # Run from its sources, which somebody has put on the path.
        return {"url": Path(__file__).parents[1].as_uri(), "dir_info": {"editable": True}}
    return found


def _source(origin: dict[str, Any], extra: str) -> str:
    """Return what to install: a clone or file that is there, an address, or the name."""
    from shlex import quote
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    url: str = origin.get("url", "")
    named = f"{_DISTRIBUTION}[{extra}]"
    if not url:
        return quote(named)
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return quote(f"{named} @ {vcs['vcs']}+{url}@{vcs['commit_id']}")
    if not url.startswith("file:"):
        return quote(f"{named} @ {url}")
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        return f"'.[{extra}]' in a clone of {_DISTRIBUTION}"
    editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    return f"{editable}{quote(f'{path}[{extra}]')}"
