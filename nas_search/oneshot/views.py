"""Reading and writing the part of a stored tensor that belongs to a smaller network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from model_hub.sharing import View

__all__ = ["fits", "read", "write"]

_KERNEL_AXES = (2, 3)
"""Kernel axes of a 2-D convolution's weight, along which the middle is read."""
_CONVOLUTION_AXES = 4

_Index = tuple[slice, ...]


def read(stored: Tensor, view: View, shape: Sequence[int]) -> Tensor:
    """Return a copy of the part of a stored tensor that a view with this shape selects."""
    part = stored.new_empty(tuple(shape))
    for there, here in _pieces(stored.shape, view, shape):
        part[here] = stored[there]
    return part


def write(stored: Tensor, view: View, part: Tensor) -> None:
    """Write a tensor to the part of a stored tensor from which `read` takes it."""
    for there, here in _pieces(stored.shape, view, part.shape):
        stored[there] = part[here]


def fits(stored: Sequence[int], view: View, shape: Sequence[int]) -> bool:
    """Return whether a stored tensor is large enough for a view with this shape."""
    if len(stored) != len(shape):
        return False
    for there, here in _pieces(stored, view, shape):
        for axis, size in enumerate(stored):
            whole = there[axis].stop - there[axis].start == here[axis].stop - here[axis].start
            if not whole or there[axis].start < 0 or there[axis].stop > size:
                return False
    return True


def _pieces(
    stored: Sequence[int], view: View, shape: Sequence[int]
) -> Iterator[tuple[_Index, _Index]]:
    """Yield the index of each piece in the stored tensor, and its index in the part."""
    there, here = [], []
    for axis, (most, size) in enumerate(zip(stored, shape, strict=True)):
        centred = len(stored) == _CONVOLUTION_AXES and axis in _KERNEL_AXES
        start = (most - size) // 2 if centred else 0
        there.append(slice(start, start + size))
        here.append(slice(0, size))
    if view.blocks is None:
        if view.start:
            there[view.axis] = slice(view.start, view.start + shape[view.axis])
        yield tuple(there), tuple(here)
        return
    width = stored[view.axis] // view.of
    for place, block in enumerate(view.blocks):
        there[view.axis] = slice(block * width, (block + 1) * width)
        here[view.axis] = slice(place * width, (place + 1) * width)
        yield tuple(there), tuple(here)
