"""The command line, `nbs`."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

from missing_extra import MissingExtraError, needs

__all__ = ["main"]

_WHOLE = frozenset({"utf-8", "utf8"})
"""Encodings, by Python's names, that can encode every character."""
_INTERRUPTED = 130
"""Exit status that shells report for a program ended by Ctrl-C."""


def main() -> None:
    """Run `nbs` and exit: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    # httpx imports its own command line, which takes half of its import time. None marks a module
    # as not installed, which httpx allows for.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # as importlib has it
    # Pydantic searches all installed packages for plugins, of which no command needs any.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Characters that the terminal's encoding lacks are escaped instead of raising an error.
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
    except KeyboardInterrupt:  # during imports; `run` handles it while a command runs
        status = _INTERRUPTED
    finally:
        # Without this, a final garbage collection takes a sixth of the time of a short command.
        gc.freeze()
    sys.exit(status)
