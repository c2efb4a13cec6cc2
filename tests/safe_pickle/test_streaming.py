"""One record after the other is read, in the memory of one."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import OrderedDict
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from written_pickles import all_protocols, both_picklers, curves, dumped, same, streamed

from safe_pickle import (
    DamagedArchiveError,
    PickleStream,
    WrongFormatError,
)


class TestStreaming:
    @pytest.mark.usefixtures("unmeasured")
    @both_picklers
    @all_protocols
    @pytest.mark.parametrize("count", [1, 2, 3, 999, 1000, 1001, 2300])
    def test_pairs_are_the_items_in_their_order(
        self, protocol: int, pickler: str, count: int
    ) -> None:
        records = {n: {"less": {0: n / 2}, "full": {"a": [n], "b": None}} for n in range(count)}
        value = {"names": ["x"], "records": records, "rest": {"y": set(range(3))}}
        pairs, root = streamed(dumped(value, protocol, pickler))
        assert pairs == list(records.items())
        assert root == {**value, "records": {}}

    @all_protocols
    @pytest.mark.parametrize(
        "record", [1.5, "text", None, [], {}, [1, 2], (1, 2), ({"a": 1, "b": 2}, {}), {"a": 1}]
    )
    def test_records_need_not_be_dicts(self, protocol: int, record: object) -> None:
        records = {str(n): deepcopy(record) for n in range(1100)}
        pairs, root = streamed(dumped({"records": records}, protocol))
        assert pairs == list(records.items())
        assert root == {"records": {}}

    @all_protocols
    def test_records_longer_than_a_batch_are_whole(self, protocol: int) -> None:
        records = {n: {m: str(m) for m in range(998 + n)} for n in range(5)}
        assert streamed(dumped({"records": records}, protocol))[0] == list(records.items())

    @all_protocols
    def test_ordered_dicts_are_streamed_like_dicts(self, protocol: int) -> None:
        records = OrderedDict((n, OrderedDict(a=1, b=n)) for n in range(5))
        value = OrderedDict(records=records, z=1)
        pairs, root = streamed(dumped(value, protocol))
        assert pairs == [(n, {"a": 1, "b": n}) for n in range(5)]
        assert root == {"records": {}, "z": 1}

    @pytest.mark.parametrize("protocol", [2, 4])
    def test_the_first_pair_comes_before_the_file_is_read_to_its_end(self, protocol: int) -> None:
        raw = dumped({"records": {n: curves(200) for n in range(900)}}, protocol)
        file = io.BytesIO(raw)
        pairs = PickleStream(file, stream_key="records").pairs()
        assert next(pairs) == (0, curves(200))
        assert file.tell() < len(raw) / 10

    @all_protocols
    def test_strings_and_numpy_types_of_an_early_record_serve_later_ones(
        self, protocol: int
    ) -> None:
        names = [f"x-valid@{epoch}" for epoch in range(120)]
        key = ("cifar10", 777)
        records = {
            n: {"name": names[n % 120], key: np.float64(n), "v": dict.fromkeys(names, n / 3)}
            for n in range(12)
        }
        pairs, _ = streamed(dumped({"records": records}, protocol))
        assert same(dict(pairs), {n: {**r, key: float(n)} for n, r in records.items()})

    @all_protocols
    def test_equal_values_of_other_types_are_told_apart(self, protocol: int) -> None:
        shared = [(1, "a"), (True, "a"), b"ab", "ab", (None, "a")]
        records = {n: {"shared": tuple(shared), "n": n} for n in range(4)}
        pairs, _ = streamed(dumped({"records": records}, protocol))
        assert same([record["shared"][:2] for _, record in pairs], [tuple(shared[:2])] * 4)

    @pytest.mark.parametrize("shared", [[1, 2], {"a": 1}, {1, 2}, (1, [2]), np.float64(2.5)])
    @all_protocols
    def test_containers_of_an_earlier_record_are_gone(self, protocol: int, shared: object) -> None:
        records = {n: {"own": n, "shared": shared} for n in range(3)}
        with pytest.raises(DamagedArchiveError, match=r"of an earlier record at byte \d"):
            streamed(dumped({"records": records}, protocol))

    def test_containers_from_before_the_records_stay(self) -> None:
        names = ["a", "b"]
        records = {n: {"names": names, "n": n} for n in range(3)}
        value = {"names": names, "records": records, "again": names}
        pairs, root = streamed(dumped(value))
        assert pairs[2][1]["names"] is root["names"] is root["again"]

    @all_protocols
    def test_a_missing_key_is_the_wrong_format(self, protocol: int) -> None:
        for value in (
            {"arch": {1: 2}},
            {"records": None},
            [{"records": {}}],
            {"a": {"records": {}}},
        ):
            with pytest.raises(WrongFormatError, match="no dict under the key 'records'"):
                streamed(dumped(value, protocol))

    def test_an_empty_dict_of_records_gives_no_pairs(self) -> None:
        assert streamed(dumped({"records": {}})) == ([], {"records": {}})

    def test_a_record_that_is_no_valid_key_is_refused(self) -> None:
        with pytest.raises(DamagedArchiveError, match="unhashable"):
            streamed(b"}U\x07records}(]K\x01us.")

    def test_the_root_cannot_be_read_too_early(self) -> None:
        stream = PickleStream(
            io.BytesIO(dumped({"records": {1: {2: 3, 4: 5}}})), stream_key="records"
        )
        pairs = stream.pairs()
        next(pairs)
        with pytest.raises(RuntimeError, match="once pairs"):
            _ = stream.root
        assert list(pairs) == []
        assert stream.root == {"records": {}}
        with pytest.raises(RuntimeError, match="read only once"):
            next(stream.pairs())

    @pytest.mark.usefixtures("unmeasured")
    def test_memory_stays_flat_over_a_hundred_megabytes(self) -> None:
        probe = subprocess.run(  # a process of its own: the peak of this one says nothing
            [sys.executable, "-c", MEMORY_PROBE],
            check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        growth, size = map(int, probe.stdout.split())
        assert size > 100e6
        assert growth < size / 10


MEMORY_PROBE = """
import io, itertools, resource, struct
from safe_pickle import PickleStream

RECORDS, CURVES, EPOCHS = 400, 50, 200
ids = itertools.count(10)

def put():
    return b"r" + struct.pack("<I", next(ids))

def text(string):
    return b"X" + struct.pack("<I", len(string)) + string.encode() + put()

def record(number):
    yield b"J" + struct.pack("<i", number) + b"}" + put() + b"("
    for curve in range(CURVES):
        yield text(f"curve{curve}") + b"}" + put() + b"("
        value = b"G" + struct.pack(">d", number + curve / 7)
        for epoch in range(EPOCHS):
            yield text(f"x-valid@{epoch}") + value
        yield b"u"
    yield b"u"

def pieces():
    yield b"\\x80\\x02}(U\\x07records}" + b"Nr\\x00\\x00\\x00\\x000"
    yield b"".join(b"Nr" + struct.pack("<I", i) + b"0" for i in range(1, 10)) + b"("
    for number in range(RECORDS):
        yield b"".join(record(number))
    yield b"uu."

class Source(io.RawIOBase):
    size, rest, source = 0, b"", pieces()

    def readable(self):
        return True

    def read(self, size=-1):
        self.rest = self.rest or next(self.source, b"")
        head, self.rest = self.rest[:size], self.rest[size:]
        self.size += len(head)
        return head

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

source = Source()
before = peak()
stream = PickleStream(source, stream_key="records")
for count, (number, curves) in enumerate(stream.pairs()):
    assert number == count and len(curves) == CURVES
    assert curves["curve3"]["x-valid@9"] == number + 3 / 7
assert count == RECORDS - 1
print(peak() - before, source.size)
"""
