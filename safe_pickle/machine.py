"""The stack machine that executes pickles of plain data.

A pickle is a program for a small stack machine. This machine omits everything that could run code:
there are no imports, classes or attributes, only numbers, strings and containers, and the few
callables of `constructors` that picklers and numpy need for such data. It supports the output of
CPython's picklers in protocols 0 to 5. Anything else is refused before it has an effect.

The opcodes are documented in the `pickletools` module of the standard library.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, TypeVar

from safe_pickle.constructors import (
    LONGEST_KEY,
    ByteArray,
    Constructor,
    NumberType,
    PickledData,
    constructor_for,
    is_costly_key,
)
from safe_pickle.errors import ArchiveError, DamagedArchiveError, UnsafePickleError
from safe_pickle.input import LONGEST_VALUE, VALUE_READERS, PickleInput
from safe_pickle.memo import Memo
from safe_pickle.runs import Run, integer_key_run, memoized_key_run, numbered_key_run

__all__ = ["DEEPEST", "PickleMachine"]

DEEPEST: Final = 1000
"""The most levels of nested containers; CPython's picklers stop at the recursion limit."""

_NEWEST_PROTOCOL: Final = 5
_MOST_ON_STACK: Final = 1 << 20
_FREE_COPIES: Final = 4096
"""Elements that may be copied in addition to the number of bytes read."""
_FORBIDDEN: Final = {
    ord("P"): "PERSID", ord("Q"): "BINPERSID", ord("i"): "INST", ord("o"): "OBJ",
    ord("S"): "STRING", 0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", 0x82: "EXT1", 0x83: "EXT2",
    0x84: "EXT4", 0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}  # fmt: skip
# Raised by Python if an operand is missing, has a wrong type or is out of range.
_MALFORMED: Final = (
    IndexError, OverflowError, RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip
_U4: Final = struct.Struct("<I").unpack_from
_F8: Final = struct.Struct(">d").unpack_from

_Operation = Callable[["PickleMachine"], None]
_Method = TypeVar("_Method", bound=Callable[..., None])


def _refuse(machine: "PickleMachine") -> None:
    machine.refuse_opcode()


def _pushes(read: Callable[[PickleInput], object]) -> _Operation:
    return lambda machine: machine.stack.append(read(machine))


_OPERATIONS: Final[list[_Operation]] = [_refuse] * 256
for _opcode, _read in VALUE_READERS.items():
    _OPERATIONS[ord(_opcode)] = _pushes(_read)


def _executes(opcode: bytes) -> Callable[[_Method], _Method]:
    """Register a method as the operation of an opcode."""

    def enter(method: _Method) -> _Method:
        _OPERATIONS[ord(opcode)] = method
        return method

    return enter


class PickleMachine(PickleInput):
    """A machine that executes one pickle.

    Args:
        file: A file open for reading, at the pickle's first byte.
        arrays: Whether arrays of bytes are allowed.
        longest_value: The most bytes of a string or a line of text.

    Attributes:
        stack: The values since the last mark.
        frames: The stacks below each mark, outermost first.
        memo: The values to which the pickle may refer.
        containers: The number of containers created.
        paused: Set by an operation to stop the machine after it.
        result: The top-level object, once the pickle has ended.
        finished: Whether the pickle has ended.
    """

    __slots__ = (
        "_arrays", "_copied", "_copied_from", "_costly_tuples", "containers", "finished", "frames",
        "memo", "paused", "result", "stack",
    )  # fmt: skip

    def __init__(
        self, file: BinaryIO, *, arrays: bool = False, longest_value: int = LONGEST_VALUE
    ) -> None:
        super().__init__(file, longest_value=longest_value)
        self._arrays = arrays
        self.stack: list[PickledData] = []
        self.frames: list[list[PickledData]] = []
        self.memo = Memo()
        self.containers = 0
        self.paused = False
        self.finished = False
        self.result: PickledData = None
        self._costly_tuples = False  # whether a tuple was created that is too costly as a key
        self._copied = 0
        self._copied_from = 0

    def run(self) -> None:
        """Execute opcodes until an operation pauses the machine or the pickle ends.

        Raises:
            UnsafePickleError: The pickle contains more than data.
            DamagedArchiveError: It is truncated or malformed. Both errors give the byte offset.
        """
        operations = _OPERATIONS
        self.paused = False
        try:
            while not self.paused:
                self.opcode_pos = position = self.pos
                if position >= self.refill_pos:
                    self._bound_stack()
                    self.refill()
                    position = self.pos
                self.pos = position + 1
                operations[self.data[position]](self)
        except ArchiveError as error:
            raise type(error)(self._placed(str(error))) from error.__cause__
        except _MALFORMED as error:
            # `refill` ran before, so the end of `data` is the end of the file.
            if isinstance(error, struct.error) or self.pos >= len(self.data):
                raise DamagedArchiveError(self._placed(str(self.truncated()))) from error
            raise DamagedArchiveError(self._placed(f"malformed pickle: {error!s:.120}")) from error

    def fill_dict(self, items: list[PickledData]) -> None:
        """Set items, given as alternating keys and values, of the dict on top of the stack."""
        self.target(dict).update(self.pairs_of(items))

    def push_container(self, new: PickledData) -> None:
        """Push a new container."""
        self.containers += 1
        self.stack.append(new)

    def target(self, kind: type[PickledData]) -> PickledData:
        """Return the container on top of the stack.

        Raises:
            TypeError: It is not of type `kind`.
        """
        target = self.stack[-1]
        if type(target) is not kind:
            raise TypeError(f"adds to a {type(target).__name__} as if to a {kind.__name__}")
        return target

    def pairs_of(self, items: list[PickledData]) -> Iterator[tuple[PickledData, PickledData]]:
        """Pair alternating keys and values, after checking that the keys can be hashed safely."""
        keys = items[::2]
        self._check_keys(keys)
        return zip(keys, items[1::2], strict=True)

    def next_opcode(self) -> int:
        """Return the next opcode without executing it, skipping headers of frames."""
        while self.data[self.pos] == 0x95:  # noqa: PLR2004 - FRAME
            self.pos += 1
            self.u8()
        return self.data[self.pos]

    def refuse_opcode(self) -> None:
        """Raise on the current opcode, which is not supported.

        Raises:
            UnsafePickleError: The opcode loads more than data.
            DamagedArchiveError: There is no such opcode.
        """
        opcode = self.data[self.opcode_pos]
        if opcode in _FORBIDDEN:
            raise UnsafePickleError(
                f"refused opcode {_FORBIDDEN[opcode]}: only numbers, strings and containers "
                "are read"
            )
        raise DamagedArchiveError(f"malformed pickle: 0x{opcode:02x} is no pickle opcode")

    def _placed(self, message: str) -> str:
        """Add the byte offset to a message of the form `what: why`."""
        what, colon, why = message.partition(": ")
        return f"{what} at byte {self.offset}{colon}{why}"

    def _bound_stack(self) -> None:
        if len(self.stack) + sum(map(len, self.frames)) > _MOST_ON_STACK:
            raise DamagedArchiveError("malformed pickle: its stack grows without end")

    # Values that may begin a run of dict items

    @_executes(b"G")
    def _float(self) -> None:
        self.stack.append(_F8(self.data, self.pos)[0])
        self.pos += 8

    @_executes(b"K")
    def _small_integer(self) -> None:
        run = integer_key_run(self.data, self.opcode_pos)
        if run is None:
            self.stack.append(self.u1())
        else:
            self._push_run(run)

    @_executes(b"X")
    def _text(self) -> None:
        run = numbered_key_run(self.data, self.opcode_pos, self.memo.next_id)
        if run is None:
            self.stack.append(self.take(self.u4()).decode("utf-8", "surrogatepass"))
        else:
            self.memo.extend(run.keys)
            self._push_run(run)

    @_executes(b"\x8c")
    def _short_text(self) -> None:
        run = memoized_key_run(self.data, self.opcode_pos)
        if run is None:
            self.stack.append(self.take(self.u1()).decode("utf-8", "surrogatepass"))
        else:
            self.memo.extend(run.keys)
            self._push_run(run)

    def _push_run(self, run: Run[Any]) -> None:
        """Push the keys and values of a run alternately."""
        items: list[PickledData] = [None] * (2 * len(run.keys))
        items[::2] = run.keys
        items[1::2] = run.values
        self.stack += items
        self.pos = self.opcode_pos + run.size

    # Containers

    @_executes(b"(")
    def _mark(self) -> None:
        if len(self.frames) >= DEEPEST:
            raise DamagedArchiveError(f"malformed pickle: nests deeper than {DEEPEST} levels")
        self.frames.append(self.stack)
        self.stack = []

    @_executes(b"}")
    def _empty_dict(self) -> None:
        self.push_container({})

    @_executes(b"]")
    def _empty_list(self) -> None:
        self.push_container([])

    @_executes(b")")
    def _empty_tuple(self) -> None:
        self.stack.append(())

    @_executes(b"\x8f")
    def _empty_set(self) -> None:
        self.push_container(set())

    @_executes(b"d")
    def _dict(self) -> None:
        items = self._pop_mark()
        self.push_container(dict(self.pairs_of(items)))

    @_executes(b"l")
    def _list(self) -> None:
        items = self._pop_mark()
        self.push_container(items)

    @_executes(b"t")
    def _tuple(self) -> None:
        items = self._pop_mark()
        self.push_container(self._tuple_of(items))

    @_executes(b"\x85")
    def _tuple_1(self) -> None:
        self.stack[-1:] = [self._tuple_of(self._last(1))]

    @_executes(b"\x86")
    def _tuple_2(self) -> None:
        self.stack[-2:] = [self._tuple_of(self._last(2))]

    @_executes(b"\x87")
    def _tuple_3(self) -> None:
        self.stack[-3:] = [self._tuple_of(self._last(3))]

    @_executes(b"\x91")
    def _frozenset(self) -> None:
        items = self._pop_mark()
        self._check_keys(items)
        self.push_container(frozenset(items))

    @_executes(b"a")
    def _append(self) -> None:
        value = self.stack.pop()
        self.target(list).append(value)

    @_executes(b"e")
    def _appends(self) -> None:
        values = self._pop_mark()
        self.target(list).extend(values)

    @_executes(b"\x90")
    def _add_items(self) -> None:
        values = self._pop_mark()
        self._check_keys(values)
        self.target(set).update(values)

    @_executes(b"s")
    def _set_item(self) -> None:
        items = self._last(2)
        del self.stack[-2:]
        self.fill_dict(items)

    @_executes(b"u")
    def _set_items(self) -> None:
        items = self._pop_mark()
        self.fill_dict(items)

    def _pop_mark(self) -> list[PickledData]:
        """Return the values above the last mark, and restore the stack below it."""
        items = self.stack
        self.stack = self.frames.pop()
        return items

    def _last(self, count: int) -> list[PickledData]:
        values = self.stack[-count:]
        if len(values) < count:
            raise IndexError("operands are missing on the stack")
        return values

    def _tuple_of(self, items: list[PickledData]) -> tuple[PickledData, ...]:
        self.containers += 1
        if tuple in map(type, items) or len(items) > LONGEST_KEY:
            self._costly_tuples = True
        return tuple(items)

    def _check_keys(self, keys: list[PickledData]) -> None:
        """Raise on tuples as keys that take long to hash."""
        if self._costly_tuples and any(map(is_costly_key, keys)):
            raise TypeError(f"a tuple of tuples, or of more than {LONGEST_KEY} values, as a key")

    # Stack and memo

    @_executes(b"0")
    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    @_executes(b"1")
    def _discard_to_mark(self) -> None:
        self._pop_mark()

    @_executes(b"2")
    def _duplicate(self) -> None:
        self.stack.append(self.stack[-1])

    @_executes(b"p")
    def _put_text(self) -> None:
        self.memo.put(int(self.line()), self.stack[-1])

    @_executes(b"q")
    def _put_short(self) -> None:
        self.memo.put(self.u1(), self.stack[-1])

    @_executes(b"r")
    def _put(self) -> None:
        memo = self.memo
        number = _U4(self.data, self.pos)[0]
        self.pos += 4
        memo.put(number, self.stack[-1])

    @_executes(b"\x94")
    def _memoize(self) -> None:
        self.memo.append(self.stack[-1])

    @_executes(b"g")
    def _get_text(self) -> None:
        self.stack.append(self.memo.get(int(self.line())))

    @_executes(b"h")
    def _get_short(self) -> None:
        self.stack.append(self.memo.get(self.u1()))

    @_executes(b"j")
    def _get(self) -> None:
        number = _U4(self.data, self.pos)[0]
        self.pos += 4
        self.stack.append(self.memo.get(number))

    # Callables

    @_executes(b"c")
    def _global(self) -> None:
        module, name = self.line(), self.line()
        self._push_global(module.decode(), name.decode())

    @_executes(b"\x93")
    def _stack_global(self) -> None:
        module, name = self._last(2)
        if type(module) is not str or type(name) is not str:
            raise TypeError("a global's name is no string")
        del self.stack[-2:]
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        self.stack.append(constructor_for(module, name, arrays=self._arrays))

    @_executes(b"R")
    def _reduce(self) -> None:
        constructor, arguments = self._last(2)
        if type(constructor) is not Constructor or type(arguments) is not tuple:
            raise UnsafePickleError("refused to call what is no allowed callable")
        self._count_copied(constructor.copied(arguments))
        value = constructor.build(arguments)
        if constructor.raw_argument is not None:
            raw = arguments[constructor.raw_argument]
            self.memo.forget(arguments)
            if len(raw) > 1:  # Python shares strings of a single character
                self.memo.forget(raw)
        del self.stack[-2:]
        self.push_container(value)

    def _count_copied(self, size: int) -> None:
        """Limit the amount copied to the bytes read since `forget_copied`."""
        self._copied += size
        if self._copied > self.offset - self._copied_from + _FREE_COPIES:
            raise DamagedArchiveError("malformed pickle: it copies more than it holds")

    def forget_copied(self) -> None:
        """Reset the amount copied, after the records so far have been given out."""
        self._copied, self._copied_from = 0, self.offset

    @_executes(b"b")
    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is ByteArray:
            self._count_copied(target.copied(state))
        elif type(target) is not NumberType:
            raise UnsafePickleError(f"refused to set the state of a {type(target).__name__}")
        target.set_state(state)

    # Frame and end

    @_executes(b"\x80")
    def _protocol(self) -> None:
        protocol = self.u1()
        if protocol > _NEWEST_PROTOCOL:
            raise DamagedArchiveError(f"malformed pickle: protocol {protocol} is unknown")

    @_executes(b"\x95")
    def _frame(self) -> None:
        self.u8()  # the size of the frame, a hint for reading ahead

    @_executes(b".")
    def _stop(self) -> None:
        if self.frames or len(self.stack) != 1:
            raise DamagedArchiveError("malformed pickle: ends with values left on its stack")
        self.result = self.stack.pop()
        self.finished = self.paused = True
        self.set_back()
