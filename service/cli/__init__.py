"""The command line, `nbs`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run `nbs` and exit with its status: 0, 1 for a failure, 2 for wrong usage."""
    try:
        from service.cli.commands import run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"nbs: {error.name} is missing; install the command line with "
            "`pip install 'nas-bench-service[cli]'`, or [server] to serve\n"
        )
        sys.exit(1)
    sys.exit(run())
