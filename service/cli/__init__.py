"""The command line, `nbs`."""

from __future__ import annotations

import gc
import os
import sys

from missing_extra import MissingExtraError, needs

__all__ = ["main"]


def main() -> None:
    """Run `nbs` and exit with its status: 0, 1 for a failure, 2 for wrong usage."""
    # httpx loads a command line of its own, which is half the time of its import; None stands for
    # a module that is not installed, which httpx allows for.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # as importlib has it
    # Plugins of pydantic are looked for among all installed packages; none is for a command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with needs("cli", "the command line"):
            from service.cli.commands import run
        status = run()
    except MissingExtraError as error:
        sys.stderr.write(f"nbs: {error}\n")
        status = 1
    finally:
        # Python looks for cycles in all that was imported as it ends: a sixth of a short command.
        gc.freeze()
    sys.exit(status)
