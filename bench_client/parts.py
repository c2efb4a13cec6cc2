"""Selection of one value for each axis of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from bench_client.arguments import refused
from benchmark_spec import Axis, BenchmarkSpec
from benchmark_spec.spec import AxisValue

__all__ = ["part_named"]


def part_named(spec: BenchmarkSpec, given: Mapping[str, Any]) -> dict[str, AxisValue]:
    """Return the value of each axis of a table, in order.

    Args:
        spec: Description of the table.
        given: Values by axis, text in any case. An axis with a single value may be left out.

    Raises:
        InvalidRequestError: An axis or value is unknown, or an axis is missing.
    """
    axes = {axis.name: axis for axis in spec.axes}
    for name in given:
        if name not in axes:
            near = get_close_matches(name, axes, n=1) or list(axes)
            known = f"did you mean {near[0]}?" if len(near) == 1 else f"it has {', '.join(near)}"
            raise refused(name, f"{spec.name} has no axis {name!r:.80}; {known}")
    return {name: _value(spec.name, axis, given.get(name)) for name, axis in axes.items()}


def _value(table: str, axis: Axis, given: Any) -> AxisValue:
    told = ", ".join(map(str, axis.values))
    if given is None:
        if len(axis.values) > 1:
            raise refused(axis.name, f"say which {axis.name} of {table}: {told}")
        return axis.values[0]
    meant = axis.same_as.get(given.lower(), given.lower()) if isinstance(given, str) else given
    if type(meant) is not type(axis.values[0]) or meant not in axis.values:
        raise refused(axis.name, f"{table} has no {axis.name} {given!r:.80}; it has {told}")
    return meant
