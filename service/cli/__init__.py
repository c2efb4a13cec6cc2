"""The command line, `nbs`."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

from missing_extra import MissingExtraError, needs

__all__ = ["main"]

_WHOLE = frozenset({"utf-8", "utf8"})
"""Encodings, as Python names them, that have every letter."""
_INTERRUPTED = 130
"""What shells say of a program that Ctrl-C has ended."""


def main() -> None:
    """Run `nbs` and exit: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    # httpx loads a command line of its own, which is half the time of its import; None stands for
    # a module that is not installed, which httpx allows for.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # as importlib has it
    # Plugins of pydantic are looked for among all installed packages; none is for a command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # An arrow on a terminal that has none, or a name in another's letters, ends no command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in _WHOLE:
            stream.reconfigure(errors="backslashreplace")
    try:
        with needs("cli", "the command line"):
            from service.cli.commands import run
        status = run()
    except MissingExtraError as error:
        sys.stderr.write(f"nbs: {error}\n")
        status = 1
    except KeyboardInterrupt:  # while something is imported; a command that runs sees to its own
        status = _INTERRUPTED
    finally:
        # Python looks for cycles in all that was imported as it ends: a sixth of a short command.
        gc.freeze()
    sys.exit(status)
