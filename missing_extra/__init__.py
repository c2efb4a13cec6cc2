"""Errors for missing modules that name the extra to install and the command for it.

    with needs("hub", "a network"):
        import torch

All other packages of the project use this one; it imports none of them.
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
    """A module is not installed that an extra of the project would install.

    Args:
        extra: The extra.
        purpose: The feature that needs the module; the message begins with it.
        module: The module.

    Attributes:
        extra: The extra.
        name: The module.
    """

    def __init__(self, extra: str, purpose: str, module: str) -> None:
        super().__init__(f"{purpose} needs {module}: {install_command(extra)}", name=module)
        self.extra = extra

    def __reduce__(self) -> tuple[type[Exception], tuple[str]]:
        """Pickle as a plain ModuleNotFoundError with the same message."""
        return ModuleNotFoundError, (str(self),)


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Turn a failed import inside the block into an error that names the extra to install.

    Errors for missing modules of the project itself pass unchanged. Of nested blocks the outermost
    names its extra, as it knows the purpose best.

    Args:
        extra: The extra that installs all modules imported in the block.
        purpose: The feature that needs it; the message begins with it.

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
    """Raise if a module is missing that is imported later or in another process.

    Raises:
        MissingExtraError: A module is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(extra, purpose, module)


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, valid in any folder.

    The command installs from the same source as before: a clone, a file, a URL, or an index. pip
    stores the source in `direct_url.json` (PEP 610), which is missing for an index.

    Args:
        extra: The extra.
    """
    return f"{_installer()} {_source(_origin(), extra)}"


def _installer() -> str:
    """Return the install command for this environment, activated or not."""
    from shlex import quote
    from shutil import which

    if Path(sys.prefix, "pipx_metadata.json").is_file():
        return f"pipx runpip {_DISTRIBUTION} install"
    # `find_spec("pip")` would run the finder of setuptools, which warns if PyTorch's compiler has
    # loaded `distutils`.
    if PathFinder.find_spec("pip") is None:
        return f"uv pip install --python {quote(sys.executable)}"
    found = which("pip")
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return "pip install"
    return f"{quote(sys.executable)} -m pip install"


def _origin() -> dict[str, Any]:
    """Return the source of this installation as PEP 610 describes it; empty for an index."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found: dict[str, Any] = json.loads(
            distribution(_DISTRIBUTION).read_text("direct_url.json") or "{}"
        )
    except PackageNotFoundError:
        # Not installed, but imported from a source folder on the path.
        return {"url": Path(__file__).parents[1].as_uri(), "dir_info": {"editable": True}}
    return found


def _source(origin: dict[str, Any], extra: str) -> str:
    """Return the requirement to install: the path of a clone or file, a URL, or the name."""
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
