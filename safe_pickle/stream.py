"""Reading of a whole pickle, or of a long one record by record."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from safe_pickle.constructors import PickledData
from safe_pickle.errors import DamagedArchiveError, WrongFormatError
from safe_pickle.input import LONGEST_VALUE
from safe_pickle.machine import DEEPEST, PickleMachine

__all__ = ["PickleStream", "load_pickle"]

_BATCH: Final = 1000  # picklers write at most so many dict items between MARK and SETITEMS
# Opcodes that begin a key, or the SETITEMS after the last item.
_AFTER_RECORD: Final = frozenset(b"IJKLM\x8aVX\x8cTUghju")
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


class PickleStream:
    """Reads one pickle of numbers, strings and containers from a binary file, record by record.

    Args:
        file: A file open for reading, at the pickle's first byte. It is read ahead; a seekable file
            is finally set to the byte after the pickle.
        stream_key: The key in the top-level dict of a dict of records, whose items `pairs` yields
            without keeping them. If its values are dicts, each is yielded once it is complete;
            other values are yielded in batches of up to 1,000.

    Byte strings of Python 2 are read as Latin-1 text. OrderedDicts become dicts, and numpy scalars
    become Python numbers. All errors except those of the disk are `ArchiveError`s that give the
    byte offset in the pickle.
    """

    def __init__(self, file: BinaryIO, *, stream_key: str | None = None) -> None:
        self._stream_key = stream_key
        self._machine = _RecordMachine(file, stream_key)
        self._started = False

    @property
    def root(self) -> PickledData:
        """The top-level object, in which the streamed dict is empty.

        Raises:
            RuntimeError: `pairs` is not exhausted yet.
        """
        if not self._machine.finished:
            raise RuntimeError("the root is known once pairs() is exhausted")
        return self._machine.result

    def pairs(self) -> Iterator[tuple[PickledData, PickledData]]:
        """Yield the items of the streamed dict in the order of the file; can be called once.

        Yields:
            Key and value. A repeated key is yielded each time.

        Raises:
            UnsafePickleError: The pickle contains more than data.
            DamagedArchiveError: The pickle is truncated or malformed.
            WrongFormatError: The top-level object has no dict under the stream key.
            RuntimeError: The pickle was read before.
        """
        if self._started:
            raise RuntimeError("a pickle can be read only once: open it again")
        self._started = True
        machine = self._machine
        while not machine.finished:
            machine.run()
            machine.end_record()
            while machine.complete:
                yield machine.complete.popleft()
        if not machine.found:
            raise WrongFormatError(
                f"the pickle has no dict under the key {self._stream_key!r} of its top-level dict"
            )

    def expect_end(self) -> None:
        """Check that the file ends after the pickle, once `pairs` is exhausted.

        Raises:
            DamagedArchiveError: The file continues, or the container reports damage.
        """
        self._machine.expect_end()


class _RecordMachine(PickleMachine):
    """A pickle machine that extracts the items of one dict as they are completed."""

    __slots__ = ("_outside", "_records", "_sought", "complete")

    def __init__(
        self,
        file: BinaryIO,
        stream_key: str | None,
        *,
        arrays: bool = False,
        longest_value: int = LONGEST_VALUE,
    ) -> None:
        super().__init__(file, arrays=arrays, longest_value=longest_value)
        self.complete: deque[tuple[PickledData, PickledData]] = deque()
        self._sought = stream_key
        self._records: dict[PickledData, PickledData] = {}  # a placeholder until it is found
        self._outside = 0  # containers created before the records

    @property
    def found(self) -> bool:
        """Whether the dict of records was found, or none was requested."""
        return self._sought is None

    def end_record(self) -> None:
        """Release what only the completed records, or the finished pickle, needed.

        Raises:
            DamagedArchiveError: They are nested too deeply.
        """
        if self.complete:
            values = [value for _, value in self.complete]
            self.memo.end_record()
            self.forget_copied()
        else:
            values = [self.result]
            self.containers += self._outside
        # With at most `DEEPEST` containers the check is not needed.
        if self.containers > DEEPEST and any(_nests_deeper(value, DEEPEST) for value in values):
            raise DamagedArchiveError(f"malformed pickle: nests deeper than {DEEPEST} levels")
        self.containers = 0

    def fill_dict(self, items: list[PickledData]) -> None:
        """Set items of the dict on top of the stack, or give out those of the dict of records."""
        target = self.target(dict)
        if target is self._records:
            self._give_out(items)
            return
        target.update(self.pairs_of(items))
        stack = self.stack
        if (
            len(stack) == 2  # noqa: PLR2004 - a key and the dict that was just filled
            and self.frames
            and self.frames[-1]
            and self.frames[-1][-1] is self._records
            and len(items) < 2 * _BATCH  # else another batch may follow
            and self.next_opcode() in _AFTER_RECORD
        ):
            self._give_out(stack)
            stack.clear()

    def push_container(self, new: PickledData) -> None:
        """Push a new container, and recognise the dict of records."""
        if self._sought is not None and self._is_sought(new):
            self._records = new
            self._sought = None
            self._outside, self.containers = self.containers, 0
            self.memo.begin_records()
        super().push_container(new)

    def _give_out(self, items: list[PickledData]) -> None:
        for key, value in self.pairs_of(items):
            hash(key)  # raises on unhashable keys, as storing them would
            self.complete.append((key, value))
        self.paused = bool(self.complete)

    def _is_sought(self, new: PickledData) -> bool:
        if type(new) is not dict or new or not self.stack or self.stack[-1] != self._sought:
            return False
        match self.frames, self.stack:
            case [], [dict(), _]:  # root and key, to be set by SETITEM
                return True
            case [[dict()]], keys_and_values:  # root below the mark, then keys and values
                return len(keys_and_values) % 2 == 1
        return False


def load_pickle(
    file: BinaryIO, *, arrays: bool = False, longest_value: int = LONGEST_VALUE
) -> PickledData:
    """Read a whole pickle.

    Args:
        file: A file open for reading, at the pickle's first byte, which ends after the pickle.
        arrays: Whether numpy arrays of bytes are allowed; they are read as `ByteArray`s.
        longest_value: The most bytes of a string or array.

    Returns:
        The object.

    Raises:
        UnsafePickleError: The pickle contains more than data.
        DamagedArchiveError: The pickle is truncated or malformed, or the file continues after it.
    """
    machine = _RecordMachine(file, None, arrays=arrays, longest_value=longest_value)
    machine.run()
    machine.end_record()
    machine.expect_end()
    return machine.result


def _nests_deeper(value: PickledData, limit: int) -> bool:
    """Return whether containers are nested more than `limit` levels deep, without recursion.

    Args:
        value: Any value; containers may be shared and may contain themselves.
        limit: The allowed levels; a number has none, a list of numbers has one.

    Returns:
        Whether a path of containers is longer. A container within itself counts once.
    """
    heights: dict[int, int] = {}
    waiting = [value] if type(value) in _CONTAINERS else []
    while waiting:
        container = waiting[-1]
        inner = [part for part in _parts(container) if type(part) in _CONTAINERS]
        if id(container) not in heights:  # visited again once the heights of all parts are known
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
