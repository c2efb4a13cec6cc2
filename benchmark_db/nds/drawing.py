"""Drawing of a network of NDS: its cells, or the widths of its stages."""

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
    """Return the drawing of a network, as `Benchmark.drawn` does; it need not be recorded.

    Raises:
        InvalidArchitectureError: The network is malformed, or has neither cells nor stages.
    """
    model, cells = specifications(arch)
    for text in (*_texts(model), *_texts(cells)):
        if not text.isprintable():
            raise InvalidArchitectureError(f"{shown(text)} is not a name that can be displayed")
    if cells:
        specs = {"model_spec": model, "cell_spec": cells}
        row = {"benchmark": "nds", "model_family": CELL_FAMILY, "dataset": DATASETS[0], **specs}
        return {"title": "cells", "row": row}
    depths, widths = _stages(model, "ds"), _stages(model, "ws")
    if len(depths) != len(widths):
        raise InvalidArchitectureError(f"{len(depths)} depths for {len(widths)} stages")
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
            f"a network without cells needs ds and ws, 1 to {_MOST_STAGES} numbers each; "
            f"{name} is {shown(values)}"
        )
    for value in values:
        whole = isinstance(value, int | float) and not isinstance(value, bool)
        if not whole or not 0 <= value <= _WIDEST or value != int(value):
            raise InvalidArchitectureError(
                f"{shown(value)} in {name} is not a whole number from 0 to {_WIDEST}"
            )
    return [int(value) for value in values]


def _texts(spec: Mapping[str, Any]) -> list[str]:
    inner = [one for value in spec.values() if isinstance(value, list) for one in value]
    return [str(text) for text in (*spec, *spec.values(), *inner) if isinstance(text, str)]
