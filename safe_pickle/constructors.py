"""The allow-list of callables that a pickle of data may name, each with a safe replacement.

A pickle can name any importable object and have it called. Here a name is only looked up in a
table, and nothing is imported. The replacements in the table build plain numbers, strings,
containers and arrays of bytes from arguments whose types they check.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias

from safe_pickle.errors import DamagedArchiveError, UnsafePickleError

__all__ = [
    "LONGEST_KEY",
    "ByteArray",
    "Constructor",
    "NumberType",
    "PickledData",
    "constructor_for",
    "is_costly_key",
]

PickledData: TypeAlias = Any
"""The content of a pickle: numbers, strings and containers, whose types the caller has to check."""

_STRUCT_CODES: Final = {
    "b1": "?", "f2": "e", "f4": "f", "f8": "d",
    "i1": "b", "i2": "h", "i4": "i", "i8": "q",
    "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
}  # fmt: skip
_NUMPY_STATE_VERSION: Final = 3
_MOST_DIMENSIONS: Final = 32
_SIZED: Final = (dict, frozenset, list, set, str, tuple)
LONGEST_KEY: Final = 64
"""The most parts of a tuple used as a key, as Python hashes them again at each look-up."""


class NumberType:
    """Replacement of a numpy dtype of plain numbers.

    Args:
        name: numpy's short name, such as ``f8``, of kind b, f, i or u with its usual sizes.

    Raises:
        UnsafePickleError: It is another dtype, such as one of objects, text, dates or records.
    """

    __slots__ = ("_code", "_format", "_size", "name")

    def __init__(self, name: object) -> None:
        if not isinstance(name, str) or name not in _STRUCT_CODES:
            raise UnsafePickleError(f"refused a numpy dtype that is no plain number: {name!a:.60}")
        self.name = name
        self._code = _STRUCT_CODES[name]
        self._size = struct.calcsize("<" + self._code)
        # A pickle sets the byte order after the name; a single byte has none.
        self._format = self._code if self._size == 1 else ""

    def set_state(self, state: object) -> None:
        """Set the byte order from the pickled state of a dtype.

        Args:
            state: ``(3, byte order, None, None, None, -1, -1, flags)``.

        Raises:
            UnsafePickleError: The state describes fields, a sub-array or an unknown layout.
        """
        match state:
            case (version, "<" | ">" | "|" as order, None, None, None, int(), int(), int()) if (
                version == _NUMPY_STATE_VERSION and (order != "|" or self._size == 1)
            ):
                self._format = self._code if order == "|" else f"{order}{self._code}"
            case _:
                raise UnsafePickleError("refused a numpy dtype with fields or an unknown state")

    def number(self, raw: bytes) -> float:
        """Decode one number exactly.

        Args:
            raw: The bytes of the number, in the size of the type.

        Returns:
            A Python float, int or bool; shorter floats are widened without rounding.

        Raises:
            DamagedArchiveError: The length is wrong, or no byte order was set.
        """
        if len(raw) != self._size or not self._format:
            raise DamagedArchiveError(f"a numpy number of {len(raw)} bytes where {self._size} fit")
        number: float = struct.unpack(self._format, raw)[0]
        return number


class ByteArray:
    """A numpy array of unsigned bytes.

    Attributes:
        shape: The shape; its product is the number of bytes.
        content: The bytes in C order.
    """

    __slots__ = ("content", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)  # the initial shape in numpy's pickles
        self.content = b""

    def set_state(self, state: object) -> None:
        """Set shape and content from the pickled state of an array.

        Args:
            state: ``(1, shape, dtype, False, content)``; in Python 2 the content is text.

        Raises:
            UnsafePickleError: The array is not one of unsigned bytes in C order.
            DamagedArchiveError: Its shape does not fit its content.
        """
        match state:
            case (
                int(),
                tuple() as shape,
                NumberType(name="u1"),
                False | 0,
                str() | bytes() as content,
            ):
                if len(shape) > _MOST_DIMENSIONS or not all(map(_is_size, shape)):
                    raise DamagedArchiveError("malformed pickle: an array of impossible shape")
                if prod(shape) != len(content):
                    raise DamagedArchiveError(
                        f"malformed pickle: {len(content)} bytes for an array of shape {shape}"
                    )
                self.shape = shape
                self.content = content.encode("latin-1") if isinstance(content, str) else content
            case _:
                raise UnsafePickleError("refused an array that is not one of bytes in C order")

    @staticmethod
    def copied(state: object) -> int:
        """Return the number of bytes that `set_state` copies."""
        match state:
            case (*_, str() as content):
                return len(content)
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class Constructor:
    """Replacement of an importable callable.

    Attributes:
        name: The name of the callable, for messages.
        build: Makes the value from the tuple of arguments.
        raw_argument: Index of the argument with the raw content of a number or byte string, if any.
            It belongs to that value only, so nothing later in the pickle refers to it.
        copies: Whether the value is a copy of its first argument, which a pickle could request
            again and again in a few bytes.
    """

    name: str
    build: Callable[[tuple[PickledData, ...]], PickledData]
    raw_argument: int | None = None
    copies: bool = True

    def copied(self, arguments: tuple[PickledData, ...]) -> int:
        """Return the number of elements or characters that a call copies."""
        if not self.copies or not arguments:
            return 0
        first = arguments[0]
        return len(first) if isinstance(first, _SIZED) else 0


def constructor_for(module: str, name: str, *, arrays: bool = False) -> Constructor:
    """Return the replacement of a global.

    Args:
        module: The module in the pickle.
        name: The object in it; dots are part of the name and never followed.
        arrays: Whether arrays of bytes are allowed.

    Returns:
        The constructor to call in place of the global.

    Raises:
        UnsafePickleError: The global is not on the allow-list.
    """
    constructor = _ALLOWED.get((module, name))
    if constructor is None and arrays:
        constructor = _ALLOWED_FOR_ARRAYS.get((module, name))
    if constructor is None:
        shown = ascii(f"{module}.{name}")
        raise UnsafePickleError(
            f"refused to load {shown:.120}: only numbers, strings and containers are read"
        )
    return constructor


def is_costly_key(key: PickledData) -> bool:
    """Return whether hashing a key may take long, as nested tuples are hashed without limit."""
    return type(key) is tuple and (len(key) > LONGEST_KEY or tuple in map(type, key))


def _wrong_arguments(name: str) -> UnsafePickleError:
    return UnsafePickleError(f"refused to call {name} with arguments that no pickle of data has")


def _items(name: str, arguments: tuple[PickledData, ...]) -> list[PickledData]:
    """Return the elements for a container: none, or those of one list, tuple or set."""
    match arguments:
        case ():
            return []
        case (list() | tuple() | set() | frozenset() as items,):
            return list(items)
    raise _wrong_arguments(name)


def _hashable(name: str, arguments: tuple[PickledData, ...]) -> list[PickledData]:
    items = _items(name, arguments)
    if any(map(is_costly_key, items)):
        raise _wrong_arguments(name)
    return items


def _mapping(arguments: tuple[PickledData, ...]) -> dict[PickledData, PickledData]:
    match arguments:
        case (dict() as items,):
            return dict(items)
    pairs = _items("dict", arguments)
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
        raise _wrong_arguments("dict")
    keys = _hashable("dict", ([key for key, _ in pairs],))
    return dict(zip(keys, (value for _, value in pairs), strict=True))


def _number(kind: type[int | float], arguments: tuple[PickledData, ...]) -> float:
    match arguments:
        case () | (int() | float(),):
            return kind(*arguments)
    raise _wrong_arguments(kind.__name__)


def _bytes(arguments: tuple[PickledData, ...]) -> bytes:
    if arguments:  # protocols 0 to 2 write only b"" this way, and longer values as text
        raise _wrong_arguments("bytes")
    return b""


def _encode(arguments: tuple[PickledData, ...]) -> bytes:
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            return text.encode("latin-1")
    raise _wrong_arguments("_codecs.encode")


def _number_type(arguments: tuple[PickledData, ...]) -> NumberType:
    match arguments:
        case (name,) | (name, False | 0 | True | 1, False | 0 | True | 1):
            return NumberType(name)
    raise _wrong_arguments("numpy.dtype")


def _scalar(arguments: tuple[PickledData, ...]) -> float:
    match arguments:
        case (NumberType() as number_type, bytes() as raw):
            return number_type.number(raw)
    raise _wrong_arguments("numpy's scalar")


def _array(arguments: tuple[PickledData, ...]) -> ByteArray:
    match arguments:
        case (Constructor() as kind, (0,), str() | bytes()) if kind is _NDARRAY:
            return ByteArray()
    raise _wrong_arguments("numpy's _reconstruct")


def _array_itself(_: tuple[PickledData, ...]) -> PickledData:
    raise _wrong_arguments("numpy.ndarray")  # only an argument of `_reconstruct`, never called


_SCALAR: Final = Constructor("numpy's scalar", _scalar, raw_argument=1, copies=False)
_BUILTINS: Final = {
    "bytes": Constructor("bytes", _bytes),
    "dict": Constructor("dict", _mapping),
    "float": Constructor("float", lambda arguments: _number(float, arguments)),
    "frozenset": Constructor("frozenset", lambda given: frozenset(_hashable("frozenset", given))),
    "int": Constructor("int", lambda arguments: _number(int, arguments)),
    "list": Constructor("list", lambda arguments: _items("list", arguments)),
    "set": Constructor("set", lambda arguments: set(_hashable("set", arguments))),
    "tuple": Constructor("tuple", lambda arguments: tuple(_items("tuple", arguments))),
}
_ALLOWED: Final[dict[tuple[str, str], Constructor]] = {
    ("collections", "OrderedDict"): Constructor("collections.OrderedDict", _mapping),
    ("_codecs", "encode"): Constructor("_codecs.encode", _encode, raw_argument=0),
    ("numpy", "dtype"): Constructor("numpy.dtype", _number_type),
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    **{(module, name): built for module in ("builtins", "__builtin__")
       for name, built in _BUILTINS.items()},
}  # fmt: skip
_NDARRAY: Final = Constructor("numpy.ndarray", _array_itself, copies=False)
_RECONSTRUCT: Final = Constructor("numpy's _reconstruct", _array, copies=False)
_ALLOWED_FOR_ARRAYS: Final[dict[tuple[str, str], Constructor]] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 32
