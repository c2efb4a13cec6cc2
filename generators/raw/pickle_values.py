"""The opcodes of a pickle that put one plain value on the stack."""

from collections.abc import Callable
from typing import Final

from generators.raw.errors import DamagedArchiveError
from generators.raw.pickle_input import PickleInput

__all__ = ["VALUE_READERS"]

_LONGEST_INTEGER: Final = 1024  # bytes


def _huge_integer(source: PickleInput) -> int:
    size = source.u4()
    if size > _LONGEST_INTEGER:
        raise DamagedArchiveError(f"malformed pickle: an integer of {size} bytes")
    return _signed(source.take(size))


def _signed(digits: bytes) -> int:
    return int.from_bytes(digits, "little", signed=True)


def _integer_line(source: PickleInput) -> int:
    """Read a decimal; protocols 0 and 1 write booleans as 00 and 01."""
    text = source.line()
    truth = {b"00": False, b"01": True}.get(text)
    return int(text) if truth is None else truth


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


VALUE_READERS: Final[dict[bytes, Callable[[PickleInput], object]]] = {
    b"N": lambda _: None,
    b"\x88": lambda _: True,
    b"\x89": lambda _: False,
    b"I": _integer_line,
    b"J": PickleInput.i4,
    b"L": lambda source: int(source.line().removesuffix(b"L")),
    b"M": PickleInput.u2,
    b"\x8a": lambda source: _signed(source.take(source.u1())),
    b"\x8b": _huge_integer,
    b"F": lambda source: float(source.line()),
    b"V": lambda source: source.line().decode("raw-unicode-escape"),
    b"\x8d": lambda source: _text(source.take(source.u8())),
    # Python 2 had one type for text and bytes; in data it is text.
    b"T": lambda source: source.take(source.u4()).decode("latin-1"),
    b"U": lambda source: source.take(source.u1()).decode("latin-1"),
    b"B": lambda source: source.take(source.u4()),
    b"C": lambda source: source.take(source.u1()),
    b"\x8e": lambda source: source.take(source.u8()),
}
"""Opcode → function that reads the operand behind it and returns the value.

The opcodes that may begin a run of dict items are the machine's own.
"""
