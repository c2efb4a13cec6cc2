"""`nbs plan`: benchmarks of one's own, planned, measured by workers, and published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from missing_extra import needs
from service.cli.options import AsJson
from service.cli.output import print_fields, print_json, wants_json

if TYPE_CHECKING:
    from nas_search.plans import Plan

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Benchmarks of one's own: planned, measured by workers, published."
)

File = Annotated[
    Path, typer.Argument(metavar="FILE.toml", exists=True, dir_okay=False, help="The plan.")
]
YesReally = Annotated[
    bool, typer.Option("--yes-really", help="More than a million cells are meant.")
]


@app.callback()
def _commands() -> None:
    # Typer would take the only command for the whole.
    pass


@app.command("check")
def check_command(file: File, *, yes_really: YesReally = False, as_json: AsJson = False) -> None:
    """Tell what a plan would be: architectures, cells, sizes of networks, disk. Nothing starts.

    Sizes are counted without PyTorch, where the space has a formula.
    """
    with needs("hub", "a plan"):
        from nas_search.plans import Cells, Selection, estimate, read_plan, table_of

    plan = read_plan(file)
    selection = Selection(plan)
    cells = Cells(selection, large=yes_really)
    selection.check_bounds()
    table_of(selection)
    found = _checked(plan, selection, estimate(cells, None).as_dict())
    if wants_json(asked=as_json):
        print_json(found)
    else:
        print_fields(found)


def _checked(plan: Plan, selection: Any, cost: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": plan.name,
        "digest": plan.digest,
        "protocol": plan.protocol_digest,
        "architectures": len(selection),
        "trained": len(selection.trained),
        "cells": cost["cells"],
        "epochs": sum(plan.epochs) * len(plan.seeds) * len(selection.trained),
        "most_parameters": cost["parameters"],
        "most_macs": cost["macs"],
        "disk_bytes": cost["disk_bytes"],
        "data": plan.data,
        "data_sha256": plan.sha256,
    }
