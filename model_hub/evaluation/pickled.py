"""Pickles of arrays of bytes, read without the pickle module: nothing in them is ever called.

CIFAR comes as pickles of Python 2. What they hold needs a handful of instructions, and of the names
that it may state but four; here these build plain values, and anything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from model_hub.evaluation.errors import DatasetError

__all__ = ["read_pickle"]

_RECONSTRUCT: Final = "_reconstruct"
_NDARRAY: Final = "ndarray"
_DTYPE: Final = "dtype"
_ENCODE: Final = "encode"
_GLOBALS: Final = {
    "numpy.core.multiarray _reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": _RECONSTRUCT,
    "numpy ndarray": _NDARRAY,
    "numpy dtype": _DTYPE,
    "_codecs encode": _ENCODE,
}
"""Names that a pickle may state, and what stands for them; they are never imported."""

_MARK: Final = object()
_KEY_TYPES: Final = frozenset({str, bytes, int})


@dataclass(frozen=True)
class _Name:
    """Stands for one of `_GLOBALS`."""

    name: str


class _Bytes:
    """Stands for an array of unsigned bytes until its state is read."""

    def __init__(self) -> None:
        self.array: Any = None

    def set_state(self, shape: tuple[Any, ...], raw: bytes) -> None:
        if not all(type(size) is int and size >= 0 for size in shape) or prod(shape) != len(raw):
            raise ValueError(f"{len(raw)} bytes for an array of shape {shape}")
        self.array = np.frombuffer(raw, np.uint8).reshape(shape)


class _Machine:
    """The instructions, on a stack; text stays text, whatever Python 2 meant by it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._may_copy = 0
        self.memo: dict[int, Any] = {}
        value = self.stack.append
        self.instructions: dict[str, Callable[[Any], object]] = {
            **dict.fromkeys(("PROTO", "FRAME"), lambda _: None),
            **dict.fromkeys(("BININT", "BININT1", "BININT2", "INT", "LONG1"), value),
            **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), value),
            **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE"), value),
            **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES"), value),
            "NONE": value,
            "NEWTRUE": lambda _: value(True),  # noqa: FBT003
            "NEWFALSE": lambda _: value(False),  # noqa: FBT003
            "MARK": lambda _: value(_MARK),
            "EMPTY_DICT": lambda _: value({}),
            "EMPTY_LIST": lambda _: value([]),
            "EMPTY_TUPLE": lambda _: value(()),
            "DICT": lambda _: value(_paired(self._marked())),
            "LIST": lambda _: value(self._marked()),
            "TUPLE": lambda _: value(tuple(self._marked())),
            "TUPLE1": lambda _: value(tuple(self._popped(1))),
            "TUPLE2": lambda _: value(tuple(self._popped(2))),
            "TUPLE3": lambda _: value(tuple(self._popped(3))),
            "APPEND": lambda _: self._extend(self._popped(1)),
            "APPENDS": lambda _: self._extend(self._marked()),
            "SETITEM": lambda _: self._update(self._popped(2)),
            "SETITEMS": lambda _: self._update(self._marked()),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda key: value(self.memo[key])),
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            "GLOBAL": self._name,
            "REDUCE": lambda _: self._reduce(),
            "BUILD": lambda _: self._build(),
            "STOP": lambda _: None,
        }

    def run(self, data: bytes) -> Any:
        self._may_copy = len(data)
        for code, argument, _ in pickletools.genops(data):
            if code.name not in self.instructions:
                raise ValueError(f"the instruction {code.name}, which data have no use for")
            self.instructions[code.name](argument)
        (result,) = self.stack
        return result

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("an instruction without its values")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _marked(self) -> list[Any]:
        start = max(place for place, value in enumerate(self.stack) if value is _MARK)
        taken = self.stack[start + 1 :]
        del self.stack[start:]
        return taken

    def _extend(self, values: list[Any]) -> None:
        self._last(list).extend(values)

    def _update(self, values: list[Any]) -> None:
        self._last(dict).update(_paired(values))

    def _last(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ValueError(f"an instruction for a {kind.__name__} on something else")
        return self.stack[-1]

    def _put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def _name(self, name: str) -> None:
        if name not in _GLOBALS:
            raise ValueError(f"the name {name!a:.80}, which data have no use for")
        self.stack.append(_Name(_GLOBALS[name]))

    def _reduce(self) -> None:
        match self._popped(2):
            case [_Name(name="_reconstruct"), (_Name(name="ndarray"), (0,), str() | bytes())]:
                self.stack.append(_Bytes())
            case [_Name(name="dtype"), ("u1" | "|u1", *_)]:
                self.stack.append(_Name(_DTYPE))
            case [_Name(name="encode"), (str(text), "latin1" | "latin-1")]:
                self.stack.append(self._encoded(text))  # how Python 3 spells bytes of Python 2
            case _:
                raise ValueError("a call that makes no array of bytes")

    def _build(self) -> None:
        target, state = self._popped(2)
        if isinstance(target, _Bytes):
            match state:
                case (int(), tuple(shape), _Name(name="dtype"), False | 0, str() | bytes() as raw):
                    target.set_state(shape, self._encoded(raw) if isinstance(raw, str) else raw)
                case _:
                    raise ValueError("an array that is not one of bytes in C order")
        elif target != _Name(_DTYPE):
            raise ValueError("a state for something without one")
        self.stack.append(target)

    def _encoded(self, text: str) -> bytes:
        """Return the bytes of a text; what is copied is bounded by the pickle's own bytes."""
        self._may_copy -= len(text)
        if self._may_copy < 0:
            raise ValueError("more copies than bytes")
        return text.encode("latin-1")


def read_pickle(data: bytes, place: object) -> Any:
    """Return what a pickle of numbers, text, containers and arrays of bytes holds.

    Args:
        data: The pickle.
        place: What it is, for messages.

    Raises:
        DatasetError: It is damaged, or holds something else; nothing of it was called.
    """
    try:
        return _plain(_Machine().run(data))
    except (ValueError, LookupError, TypeError, UnicodeError, RecursionError) as error:
        raise DatasetError(
            f"{place} is damaged or no pickle of arrays: it holds {error}"
        ) from error


def _paired(values: list[Any]) -> dict[Any, Any]:
    # Tuples that hold another one many times take for ever to hash.
    if not _KEY_TYPES.issuperset(map(type, values[::2])):
        raise ValueError("a key that is neither text nor a number")
    return dict(zip(values[::2], values[1::2], strict=True))


def _plain(value: Any) -> Any:
    """Return a value, or the values of a dict, with arrays in place of what stands for them."""
    if isinstance(value, dict):
        return {key: _array(part) for key, part in value.items()}
    return _array(value)


def _array(value: Any) -> Any:
    return value.array if isinstance(value, _Bytes) else value
