"""`nbs keys`: the API keys of a server."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.access.keys import Key, KeyFile, KeyScope
from service.cli.options import AsJson, DataDirectory, existing_directory
from service.cli.output import print_items, print_json, wants_json
from service.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Keys of a server: create, list, revoke.",
)


@app.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Name of the holder, for logs.")],
    *,
    scope: Annotated[
        KeyScope,
        typer.Option(
            help="read: reading; jobs: also jobs; plans: reading and plans; worker: reading and "
            "the routes of workers; admin: everything, including uploads of checkpoints."
        ),
    ],
    data: DataDirectory = None,
) -> None:
    """Create a key and print it; it cannot be shown again."""
    file = _file(data)
    token = file.create(name, scope)
    sys.stderr.write(f"{name} may {scope} (in {file.path}); its key, shown this once:\n")
    sys.stdout.write(f"{token}\n")


@app.command("list")
def list_command(*, data: DataDirectory = None, as_json: AsJson = False) -> None:
    """List the keys: name, scope, times of creation and revocation."""
    file = _file(data if data is None else existing_directory(data))
    rows = [_row(key) for key in file.read() or ()]
    if wants_json(asked=as_json):
        print_json(rows)
    else:
        print_items(rows, f"{'Keys' if rows else 'No keys'} in {file.path}")
        if not rows:
            sys.stderr.write("make one: nbs keys create NAME --scope jobs\n")


@app.command("revoke")
def revoke_command(
    name: Annotated[str, typer.Argument(help="The name of the key.")], *, data: DataDirectory = None
) -> None:
    """Revoke a key; running servers notice within two seconds."""
    _file(data if data is None else existing_directory(data)).revoke(name)
    sys.stderr.write(f"{name} is revoked\n")


def _file(data: DataDirectory) -> KeyFile:
    settings = Settings() if data is None else Settings(directory=data)
    return KeyFile(settings.keys_path)


def _row(key: Key) -> dict[str, str | None]:
    revoked = None if key.revoked_at is None else _date(key.revoked_at)
    return {
        "name": key.name,
        "scope": key.scope,
        "created": _date(key.created_at),
        "revoked": revoked,
    }


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
