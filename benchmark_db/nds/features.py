"""Columns derived from NDS's networks alone: their design space, depth and width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmark_db.aggregates import Part
from benchmark_db.database import ReadOnlyDatabase
from benchmark_db.features import MARK, Feature
from benchmark_db.nds.tables import FAMILIES, GENERATORS, PROPOSERS

__all__ = ["network_features"]

_NETWORKS: Final = (
    "SELECT configuration, model_spec FROM run WHERE space = :space AND run = 0"
    " ORDER BY configuration"
)
_NAMES: Final = {"model_family": FAMILIES, "proposer": PROPOSERS, "generator": GENERATORS}
_DEPTH: Final = "Number of cells; of blocks in networks without cells."
_WIDTH: Final = "Channels at the start of a cell network; of the widest stage in any other."


def network_features(
    database: ReadOnlyDatabase, part_named: Callable[[Part], Mapping[str, Any]]
) -> tuple[Feature, ...]:
    """Return the columns of the networks of a database.

    Args:
        database: The database.
        part_named: Returns the properties of a design space.
    """

    def named(column: str, part: Part, numbers: NDArray[np.int64]) -> NDArray[Any]:
        return np.full(len(numbers), _NAMES[column].index(part_named(part)[column]))

    spaces = [
        Feature(
            name=MARK + column,
            kind="choice",
            type="uint8",
            description=f"The {column.replace('_', ' ')} of the design space.",
            values=partial(named, column),
            legend=names,
        )
        for column, names in _NAMES.items()
    ]
    sizes = [
        Feature(
            name=MARK + name,
            kind="count",
            type="int32",
            description=description,
            values=partial(_sizes, database, size),
        )
        for name, description, size in (("depth", _DEPTH, _depth), ("width", _WIDTH, _width))
    ]
    return (*spaces, *sizes)


def _sizes(
    database: ReadOnlyDatabase,
    size: Callable[[Mapping[str, Any]], int],
    part: Part,
    numbers: NDArray[np.int64],
) -> NDArray[Any]:
    rows = database.rows(_NETWORKS, {"space": part[0]})
    found = {number: size(orjson.loads(spec)) for number, spec in rows}
    return np.array([found[number] for number in numbers.tolist()], np.int64)


def _depth(spec: Mapping[str, Any]) -> int:
    return int(spec["depth"] if "depth" in spec else sum(spec["ds"]))


def _width(spec: Mapping[str, Any]) -> int:
    return int(spec["width"] if "width" in spec else max(spec["ws"]))
