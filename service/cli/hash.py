"""`nbs hash`: the published hash of NAS-Bench-101 cells, without a database."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from benchmark_db.errors import InvalidArchitectureError
from benchmark_db.nasbench101.cell import Cell
from benchmark_db.nasbench101.graph_hash import hash_cells
from benchmark_db.nasbench101.parameters import trainable_parameters
from benchmark_db.nasbench101.spelling import parse_cell
from service.cli.data import AsJson
from service.cli.output import print_items, print_json, wants_json

__all__ = ["hash_command"]


def hash_command(
    archs: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH...",
            help='Cells as JSON: {"op1": …, "input1": …} or {"module_adjacency": …, '
            '"module_operations": …}.',
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Hash NAS-Bench-101 cells: equal hashes are isomorphic cells.

    What is told of a cell is told of what remains once vertices on no path from input to output
    are removed. No database is needed.
    """
    cells = [_read(text) for text in archs]
    hashed = zip(hash_cells(cells), cells, strict=True)
    items = [_described(cell_hash, cell.pruned()) for cell_hash, cell in hashed]
    if wants_json(asked=as_json):
        print_json(items)
    else:
        shown = [{**item, "arch": str(item["arch"])} for item in items]
        print_items(shown, f"NAS-Bench-101: {len(items)} cells")


def _read(text: str) -> Cell:
    try:
        return parse_cell(text)
    except InvalidArchitectureError as error:
        raise InvalidArchitectureError(f"{text[:80]}: {error.message}") from error


def _described(cell_hash: str, pruned: Cell) -> dict[str, Any]:
    return {
        "hash": cell_hash,
        "num_vertices": pruned.num_vertices,
        "num_edges": pruned.num_edges,
        "trainable_parameters": trainable_parameters(pruned),
        "arch": pruned.to_dict(),
    }
