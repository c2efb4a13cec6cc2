"""How a network of NDS is drawn: by its cells, or by the widths of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmark_db.errors import InvalidArchitectureError, shown
from benchmark_db.items import Item
from benchmark_db.nds.specification import specifications
from benchmark_db.nds.tables import CELL_FAMILY, DATASETS

__all__ = ["drawing_of"]

_MOST_STAGES: Final = 64
_WIDEST: Final = 16_384


def drawing_of(arch: Any) -> Item:
    """Return how a network is drawn, as `Benchmark.drawn` does; it need not be recorded.

    Raises:
        InvalidArchitectureError: It is malformed, or neither cells nor stages.
    """
    model, cells = specifications(arch)
    for text in (*_texts(model), *_texts(cells)):
        if not text.isprintable():
            raise InvalidArchitectureError(f"{shown(text)} is no name that can be written")
    if cells:
        specs = {"model_spec": model, "cell_spec": cells}
        row = {"benchmark": "nds", "model_family": CELL_FAMILY, "dataset": DATASETS[0], **specs}
        return {"title": "cells", "row": row}
    depths, widths = _stages(model, "ds"), _stages(model, "ws")
    if len(depths) != len(widths):
        raise InvalidArchitectureError(f"{len(depths)} depths of {len(widths)} stages")
    bars = [
        (f"{depth} block{'' if depth == 1 else 's'}", width)
        for depth, width in zip(depths, widths, strict=True)
    ]
    return {"title": f"{len(bars)} stages", "bars": bars}


def _stages(model: Mapping[str, Any], name: str) -> list[int]:
    """Return the depths or widths of the stages of a network."""
    values = model.get(name)
    if not isinstance(values, Sequence) or not 1 <= len(values) <= _MOST_STAGES:
        raise InvalidArchitectureError(
            f"a network without cells is drawn by ds and ws, 1 to {_MOST_STAGES} numbers each; "
            f"{name} is {shown(values)}"
        )
    for value in values:
        whole = isinstance(value, int | float) and not isinstance(value, bool)
        if not whole or not 0 <= value <= _WIDEST or value != int(value):
            raise InvalidArchitectureError(
                f"{shown(value)} in {name} is not a whole number of 0 to {_WIDEST}"
            )
    return [int(value) for value in values]


def _texts(spec: Mapping[str, Any]) -> list[str]:
    inner = [one for value in spec.values() if isinstance(value, list) for one in value]
    return [str(text) for text in (*spec, *spec.values(), *inner) if isinstance(text, str)]
