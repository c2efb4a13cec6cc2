"""How deep containers nest, told without recursion."""

from collections.abc import Iterable
from typing import Final

from generators.raw.pickle_globals import PickledData

__all__ = ["nests_deeper"]

_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


def nests_deeper(value: PickledData, limit: int) -> bool:
    """Tell whether containers lie in one another more than `limit` levels deep.

    Args:
        value: Anything; containers may be shared, and may contain themselves.
        limit: Levels allowed; a number has none, a list of numbers one.

    Returns:
        Whether some path of containers is longer. A container within itself counts once.
    """
    heights: dict[int, int] = {}
    waiting = [value] if type(value) in _CONTAINERS else []
    while waiting:
        container = waiting[-1]
        inner = [part for part in _parts(container) if type(part) in _CONTAINERS]
        if id(container) not in heights:  # come back once the height of every part is known
            heights[id(container)] = 0
            waiting.extend(part for part in inner if id(part) not in heights)
            continue
        waiting.pop()
        height = 1 + max((heights[id(part)] for part in inner), default=0)
        if height > limit:
            return True
        heights[id(container)] = max(height, heights[id(container)])
    return False


def _parts(container: PickledData) -> Iterable[PickledData]:
    return container.values() if type(container) is dict else container
