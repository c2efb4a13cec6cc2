"""Reads a pickle whole, or gives out the records of a long one while it is read."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from safe_pickle.constructors import PickledData
from safe_pickle.errors import DamagedArchiveError, WrongFormatError
from safe_pickle.input import LONGEST_VALUE
from safe_pickle.machine import DEEPEST, PickleMachine

__all__ = ["PickleStream", "load_pickle"]

_BATCH: Final = 1000  # items of a dict that picklers write between MARK and SETITEMS
# What a key starts with, or the SETITEMS that follows the last item.
_AFTER_RECORD: Final = frozenset(b"IJKLM\x8aVX\x8cTUghju")
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


class PickleStream:
    """One pickle in a binary file: numbers, strings and containers only.

    Args:
        file: Open for reading, at the pickle's first byte. It is read ahead, and at the pickle's
            end set back to right behind it where it can seek.
        stream_key: A string key of the top-level dict under which a dict of records stands; its
            items are given out by `pairs` and not kept. Its values should be dicts: then each
            comes as soon as it is complete. Others come in batches of up to 1,000.

    Byte strings of Python 2 are read as Latin-1 text. OrderedDicts become dicts, numpy scalars
    become Python numbers. All errors but those of the disk are `ArchiveError`s and give the byte
    offset in the pickle.
    """

    def __init__(self, file: BinaryIO, *, stream_key: str | None = None) -> None:
        self._stream_key = stream_key
        self._machine = _RecordMachine(file, stream_key)
        self._started = False

    @property
    def root(self) -> PickledData:
        """The top-level object, with the streamed dict left empty.

        Raises:
            RuntimeError: `pairs` is not exhausted yet.
        """
        if not self._machine.finished:
            raise RuntimeError("the root is known once pairs() is exhausted")
        return self._machine.result

    def pairs(self) -> Iterator[tuple[PickledData, PickledData]]:
        """Give out the items of the streamed dict, in the order of the file; once.

        Yields:
            Key and value. A key that is written twice comes twice.

        Raises:
            UnsafePickleError: The pickle asks for more than data.
            DamagedArchiveError: It is cut short or makes no sense.
            WrongFormatError: The top-level object has no dict under the stream key.
            RuntimeError: The pickle was read before.
        """
        if self._started:
            raise RuntimeError("a pickle is read once: open it again")
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
        """Check that nothing follows the pickle, which `pairs` has read to its end.

        Raises:
            DamagedArchiveError: Something does, or the container says its content is damaged.
        """
        self._machine.expect_end()


class _RecordMachine(PickleMachine):
    """A machine that takes the items of one dict out as they are completed."""

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
        self._records: dict[PickledData, PickledData] = {}  # one of its own until it is met
        self._outside = 0  # containers made before the records

    @property
    def found(self) -> bool:
        """Whether the dict of records was met, or none was sought."""
        return self._sought is None

    def end_record(self) -> None:
        """Drop what only the complete records, or the ended pickle, needed.

        Raises:
            DamagedArchiveError: They nest too deep for their readers.
        """
        if self.complete:
            values = [value for _, value in self.complete]
            self.memo.end_record()
            self.forget_copied()
        else:
            values = [self.result]
            self.containers += self._outside
        # So few containers cannot nest deeper: records need no look.
        if self.containers > DEEPEST and any(_nests_deeper(value, DEEPEST) for value in values):
            raise DamagedArchiveError(f"malformed pickle: nests deeper than {DEEPEST} levels")
        self.containers = 0

    def fill_dict(self, items: list[PickledData]) -> None:
        """Set items of the dict on top of the stack; those of the records' dict are complete."""
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
        """Put a new container on the stack, and recognise the records' dict."""
        if self._sought is not None and self._is_sought(new):
            self._records = new
            self._sought = None
            self._outside, self.containers = self.containers, 0
            self.memo.begin_records()
        super().push_container(new)

    def _give_out(self, items: list[PickledData]) -> None:
        for key, value in self.pairs_of(items):
            hash(key)  # as storing it would
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
    """Read one pickle whole.

    Args:
        file: Open for reading, at the pickle's first byte; nothing may follow its last.
        arrays: Whether it may hold numpy arrays of bytes, which are read as `ByteArray`s.
        longest_value: Bytes that a string, or an array, may have.

    Returns:
        The object.

    Raises:
        UnsafePickleError: The pickle asks for more than data.
        DamagedArchiveError: It is cut short, makes no sense, or something follows it.
    """
    machine = _RecordMachine(file, None, arrays=arrays, longest_value=longest_value)
    machine.run()
    machine.end_record()
    machine.expect_end()
    return machine.result


def _nests_deeper(value: PickledData, limit: int) -> bool:
    """Tell whether containers lie in one another more than `limit` levels deep.

    It does not recurse, so that no depth is too much for it.

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
