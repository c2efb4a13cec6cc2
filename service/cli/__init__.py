"""The command line, `nbs`."""

from __future__ import annotations

import sys

from missing_extra import MissingExtraError, needs

__all__ = ["main"]


def main() -> None:
    """Run `nbs` and exit with its status: 0, 1 for a failure, 2 for wrong usage."""
    try:
        with needs("cli", "the command line"):
            from service.cli.commands import run  # noqa: PLC0415 - the extra may be missing
    except MissingExtraError as error:
        sys.stderr.write(f"nbs: {error}\n")
        sys.exit(1)
    sys.exit(run())
