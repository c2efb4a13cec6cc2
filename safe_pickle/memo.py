"""The memo of the pickle machine, whose size is bounded for pickles of any length.

A pickler numbers every string and container, and may refer to any of them later. Keeping all of
them for many records would exhaust the memory, but records share only strings, class names and
dtypes. The memo therefore keeps all entries of the current record only. Of earlier records it keeps
the immutable values, as compressed pages of codes into a table of distinct values. Containers of
earlier records are dropped; a reference to one is an error.
"""

import zlib
from array import array
from bisect import bisect_right
from typing import Final

from safe_pickle.constructors import Constructor, NumberType, PickledData
from safe_pickle.errors import DamagedArchiveError

__all__ = ["Memo"]

_FORGOTTEN: Final = object()
_UNSET: Final = object()
_MOST_RECALLED: Final = 1 << 16
_TUPLE_PARTS: Final = frozenset({str, int, bool, type(None)})


class Memo:
    """The numbered values of a pickle; ids count up from 0."""

    __slots__ = (
        "_base", "_codes", "_kept", "_page", "_page_starts", "_pages", "_recalled", "_run_codes",
        "_runs", "_runs_at", "_spent", "_values",
    )  # fmt: skip

    def __init__(self) -> None:
        self._kept: list[PickledData] = []  # all entries before the first record
        self._base = 0
        self._page: list[PickledData] = []  # entries since then, or of the current record
        self._runs_at: list[tuple[int, tuple[str, ...]]] = []
        self._spent: dict[int, object] = {}
        self._page_starts = array("q")
        self._pages: list[bytes] = []
        self._recalled: dict[int, PickledData] = {}
        self._values: list[object] = [_FORGOTTEN]
        self._codes: dict[object, int] = {}
        self._runs: list[tuple[str, ...]] = []
        self._run_codes: dict[tuple[str, ...], int] = {}

    @property
    def next_id(self) -> int:
        """The id of the next entry."""
        return self._base + len(self._page)

    def append(self, value: PickledData) -> None:
        """Give a value the next id."""
        self._page.append(value)

    def extend(self, strings: tuple[str, ...]) -> None:
        """Give the next ids to strings, in their order."""
        self._runs_at.append((len(self._page), strings))
        self._page.extend(strings)

    def put(self, number: int, value: PickledData) -> None:
        """Give a value the id in the pickle.

        Raises:
            DamagedArchiveError: It is not the next id; picklers count up from 0 or 1.
        """
        due = self._base + len(self._page)
        if number == 1 and not due:
            self._page.append(_UNSET)
        elif number != due:
            raise DamagedArchiveError(f"memo id {number} where {due} is due")
        self._page.append(value)

    def get(self, number: int) -> PickledData:
        """Return the value with this id.

        Raises:
            DamagedArchiveError: There is none, or it is a container or number of an earlier record.
        """
        index = number - self._base
        if 0 <= index < len(self._page):
            value = self._page[index]
        elif 0 <= number < len(self._kept):
            value = self._kept[number]
        elif number in self._recalled:
            return self._recalled[number]
        elif 0 <= number < self._base:
            value = self._recall(number)
        else:
            value = _UNSET
        if value is _UNSET:
            raise DamagedArchiveError(f"refers to memo id {number}, which does not exist")
        if value is _FORGOTTEN:
            raise DamagedArchiveError(
                f"refers to memo id {number}, a container or number of an earlier record"
            )
        return value

    def forget(self, value: PickledData) -> None:
        """Drop a value at the end of the current record, although it could be kept."""
        # The value is kept alive until then, so that its `id` is not reused.
        self._spent[id(value)] = value

    def begin_records(self) -> None:
        """Keep all entries so far permanently; the following ones belong to records."""
        self._kept, self._base, self._page = self._page, len(self._page), []
        self._runs_at.clear()
        self._spent.clear()

    def end_record(self) -> None:
        """Reduce the entries of the current record to those to which later records may refer."""
        codes = array("i")
        done = 0
        for start, strings in self._runs_at:
            codes.extend(map(self._code, self._page[done:start]))
            codes.append(self._run_code(strings))
            done = start + len(strings)
        codes.extend(map(self._code, self._page[done:]))
        self._page_starts.append(self._base)
        self._pages.append(zlib.compress(codes.tobytes(), 1))
        self._base += len(self._page)
        self._page = []
        self._runs_at.clear()
        self._spent.clear()

    def _code(self, value: PickledData) -> int:
        """Return the index of a value in the table; 0 for a dropped value."""
        kind = type(value)
        key: object = value
        if kind is tuple:
            kinds = tuple(map(type, value))
            if not _TUPLE_PARTS.issuperset(kinds):
                return 0
            key = (value, kinds)  # with types, as (1,) == (True,)
        elif kind not in (str, bytes, Constructor, NumberType):
            return 0
        if id(value) in self._spent:
            return 0
        code = self._codes.setdefault(key, len(self._values))
        if code == len(self._values):
            self._values.append(value)
        return code

    def _run_code(self, strings: tuple[str, ...]) -> int:
        """Return the bitwise complement of the index of a run of strings in its own table."""
        code = self._run_codes.setdefault(strings, len(self._runs))
        if code == len(self._runs):
            self._runs.append(strings)
        return ~code

    def _recall(self, number: int) -> PickledData:
        """Return an entry from the pages of earlier records, and cache it."""
        page = bisect_right(self._page_starts, number) - 1
        codes = array("i")
        codes.frombytes(zlib.decompress(self._pages[page]))
        index = number - self._page_starts[page]
        value: PickledData = _UNSET
        for code in codes:
            size = len(self._runs[~code]) if code < 0 else 1
            if index < size:
                value = self._runs[~code][index] if code < 0 else self._values[code]
                break
            index -= size
        if value is not _FORGOTTEN:
            if len(self._recalled) >= _MOST_RECALLED:
                self._recalled.clear()
            self._recalled[number] = value
        return value
