"""Hostile, malformed and damaged pickles are refused before anything of them could run."""

from __future__ import annotations

import bz2
import io
import os
import pickle
import random
import struct
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from written_pickles import (
    PROTOCOLS,
    Reader,
    all_protocols,
    both_picklers,
    curves,
    dumped,
    loaded,
    outcome,
    streamed,
)

from safe_pickle import (
    ArchiveError,
    DamagedArchiveError,
    PickleStream,
    UnsafePickleError,
    load_pickle,
)


class Payload:
    """Touches a file when it is unpickled by an ordinary unpickler."""

    def __init__(self, callable_: Callable[..., object], *arguments: object) -> None:
        self.call = callable_, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


class TestHostilePickles:
    @both_picklers
    @all_protocols
    @pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"a": [1, (x,)]}, lambda x: {x: 1}])
    def test_a_call_of_os_system_is_refused_and_not_run(
        self, tmp_path: Path, protocol: int, pickler: str, wrap: Callable[[object], object]
    ) -> None:
        touched = tmp_path / "touched"
        raw = dumped(wrap(Payload(os.system, f"touch {touched}")), protocol, pickler)
        with pytest.raises(UnsafePickleError, match=r"refused to load '\w+\.system' at byte \d+:"):
            loaded(raw)
        assert not touched.exists()
        pickle.loads(raw)
        assert touched.exists(), "the payload would not have run anyway"

    @pytest.mark.parametrize(
        "name",
        [
            "os system", "builtins eval", "builtins getattr", "builtins __import__",
            "__builtin__ exec", "builtins object", "builtins type", "builtins bytearray",
            "builtins set.__init__", "collections OrderedDict.fromkeys", "collections Counter",
            "copyreg _reconstructor", "_codecs decode", "codecs encode", "numpy load",
            "numpy.core.multiarray _reconstruct", "torch._utils _rebuild_tensor_v2",
            "operator attrgetter", "functools partial", "subprocess Popen", " ", "numpy dtype.x",
        ],
    )  # fmt: skip
    def test_other_globals_are_refused_where_they_are_named(self, name: str) -> None:
        module, _, attribute = name.partition(" ")
        by_line = f"c{module}\n{attribute}\n.".encode()
        with pytest.raises(UnsafePickleError, match=r"refused to load .* at byte 0: only numbers"):
            loaded(by_line)
        by_stack = b"\x80\x04" + b"".join(
            b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, attribute)
        )
        with pytest.raises(UnsafePickleError, match="refused to load"):
            loaded(by_stack + b"\x93.")

    def test_a_name_cannot_fake_the_message_with_control_characters(self) -> None:
        with pytest.raises(UnsafePickleError, match=r"refused to load 'a\\x1b\[2J\.b'"):
            loaded(b"ca\x1b[2J\nb\n.")

    @pytest.mark.parametrize(
        "raw",
        [
            b"c__builtin__\nint\n(VFF\nI16\ntR.",
            b"c__builtin__\nint\n(VFF\ntR.",
            b"c__builtin__\nlist\n(Vtext\ntR.",
            b"c__builtin__\nbytes\n(I1000000000\ntR.",
            b"c__builtin__\ndict\n((lI1\natR.",
            b"ccollections\nOrderedDict\n((l(I1\ntatR.",
            b"c_codecs\nencode\n(Vtext\nVrot13\ntR.",
            b"c_codecs\nencode\n(Vtext\ntR.",
            b"c_codecs\nencode\n(I1\nVlatin1\ntR.",
            b"cnumpy\ndtype\n(VO\ntR.",
            b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR.",
            b"cnumpy\ndtype\n((lVf8\natR.",
            b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\nVf8\ntR.",
            b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\ntRVnot bytes\ntR.",
            b"cnumpy\ndtype\n(Vf8\ntR(I3\nV<\nNV(fields,)\nNI-1\nI-1\nI0\ntb.",
            b"cnumpy\ndtype\n(Vf8\ntR(I4\nV<\nNNNI-1\nI-1\nI0\ntb.",
            b"cnumpy\ndtype\n(Vf8\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb.",
            b"cnumpy\ndtype\n(Vf8\ntRI1\nb.",
            b"}(V__setstate__\nI1\nud}b.",
            b"}}b.",
            b"]}b.",
            b"c__builtin__\nset\n}b.",
            b"Vos.system\n(Vid\ntR.",
            b"}(Vid\ntR.",
            b"c__builtin__\nset\n]R.",
        ],
    )
    def test_allowed_callables_take_only_what_data_gives_them(self, raw: bytes) -> None:
        with pytest.raises(ArchiveError, match=r"at byte \d+"):
            loaded(raw)

    @pytest.mark.parametrize(
        ("raw", "opcode"),
        [
            (b"P1\n.", "PERSID"), (b"NQ.", "BINPERSID"), (b"(ios\nsystem\n.", "INST"),
            (b"(o.", "OBJ"), (b"S'a'\n.", "STRING"), (b"))\x81.", "NEWOBJ"),
            (b"))}\x92.", "NEWOBJ_EX"), (b"\x82\x01.", "EXT1"), (b"\x83\x01\x00.", "EXT2"),
            (b"\x84\x01\x00\x00\x00.", "EXT4"), (b"\x96" + bytes(8) + b".", "BYTEARRAY8"),
            (b"\x97.", "NEXT_BUFFER"), (b"\x98.", "READONLY_BUFFER"),
        ],
    )  # fmt: skip
    def test_opcodes_that_load_more_than_data_are_refused(self, raw: bytes, opcode: str) -> None:
        with pytest.raises(UnsafePickleError, match=rf"refused opcode {opcode} at byte \d"):
            loaded(raw)

    def test_bytes_that_are_no_opcode_are_named(self) -> None:
        with pytest.raises(DamagedArchiveError, match="at byte 3: 0xff is no pickle opcode"):
            loaded(b"\x80\x02N\xff.")


def nested_tuples(depth: int) -> bytes:
    return b")" + b"\x85" * depth


class TestMalformedPickles:
    @pytest.mark.parametrize(
        "raw",
        [
            b"(" * 100_000 + b".",
            b"]" * 100_000 + b"a" * 99_999 + b".",
            b"]" * 100_000 + b".",
            b"}" + b"K\x00}" * 100_000 + b"s" * 100_000 + b".",
            nested_tuples(100_000) + b".",
            b"}" + nested_tuples(100_000) + b"K\x01s.",
            b"}" + nested_tuples(100_000) + b"2" + nested_tuples(100_000) + b"\x86K\x01s.",
            b"\x8f(" + nested_tuples(100_000) + b"\x90.",
            b"c__builtin__\nset\n]" + nested_tuples(100_000) + b"a\x85R.",
            b"]" + b"q\x00" + b"]h\x00a" * 50_000 + b".",
            b"".join(b"\x94]h" + bytes([0]) + b"a" for _ in range(3)) + b".",
        ],
    )  # fmt: skip
    def test_nesting_a_hundred_thousand_deep_is_an_archive_error(self, raw: bytes) -> None:
        with pytest.raises(ArchiveError):
            loaded(raw)

    def test_lists_built_from_the_inside_are_measured_too(self) -> None:
        raw = b"]\x94" + b"".join(
            b"]\x94j" + struct.pack("<I", number) + b"a" for number in range(5_000)
        )
        raw = b"(" + raw + b"l."
        with pytest.raises(DamagedArchiveError, match="nests deeper than 1000"):
            loaded(raw)
        assert len(loaded(dumped([[n] for n in range(5_000)]))) == 5_000

    def test_a_tower_of_doubled_tuples_is_no_key(self) -> None:
        raw = b"})" + b"2\x86" * 60 + b"K\x01s."
        with pytest.raises(DamagedArchiveError, match="a tuple of tuples"):
            loaded(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            b"\x8d" + (2**60).to_bytes(8, "little") + b"a.",
            b"\x8e" + (2**64 - 1).to_bytes(8, "little") + b"a.",
            b"X\xff\xff\xff\xffa.",
            b"T\xff\xff\xff\xffa.",
            b"\x8b\xff\xff\xff\x7fa.",
            b"\x8b\xff\xff\xff\xffa.",
            b"X\x09\x00\x00\x00short.",
            b"Nr" + (2**31).to_bytes(4, "little") + b".",
            b"Nq\x05.",
            b"Nq\x00q\x00.",
            b"Np-1\n.",
            b"h\x00.",
            b"g-1\n.",
            b"Nq\x01h\x00\x86.",
            b"j\xff\xff\xff\xff.",
            b"",
            b".",
            b"N",
            b"NN.",
            b"(N.",
            b"a.",
            b"Na.",
            b"NNa.",
            b"K\x01K\x02u.",
            b"}(K\x01u.",
            b"}(]K\x01u.",
            b"}(\x8fK\x01u.",
            b"}K\x01.s.",
            b"}s.",
            b"e.",
            b"t.",
            b"\x86.",
            b"N\x87.",
            b"R.",
            b"NR.",
            b"b.",
            b"2.",
            b"0.",
            b"1.",
            b"q\x00.",
            b"\x94.",
            b"\x93.",
            b"NN\x93.",
            b"(]\x91.",
            b"\x8f(]\x90.",
            b"\x80\x06N.",
            b"X\x01\x00\x00\x00\xff.",
            b"V\\ud8\n.",
            b"c\xff\n\xff\n.",
            b"Itext\n.",
            b"I" + b"9" * 5_000 + b"\n.",
            b"L1\n" + b"L" * 3,
            b"Fone\n.",
            b"V" + b"a" * 100,
            b"G\x00\x00.",
            b"M\x00",
            b"J\x00",
            b"K",
            b"\x95\x00",
        ],
    )
    def test_nonsense_is_an_archive_error_that_says_where(self, raw: bytes) -> None:
        with pytest.raises(ArchiveError, match=r"at byte \d+"):
            loaded(raw)

    def test_a_line_without_end_is_not_read_to_the_files_end(self) -> None:
        raw = io.BytesIO(b"V" + b"a" * (40 << 20))
        with pytest.raises(DamagedArchiveError, match="line without end"):
            load_pickle(raw)
        assert raw.tell() < 20 << 20

    def test_a_stack_that_grows_without_end_is_cut(self) -> None:
        with pytest.raises(DamagedArchiveError, match="stack grows without end"):
            loaded(b"(" + b"N" * (3 << 20) + b"t.")

    def test_what_follows_a_pickle_is_an_error(self) -> None:
        with pytest.raises(DamagedArchiveError, match="something follows"):
            loaded(dumped({}) + b"\n")

    def test_a_second_pickle_can_be_read_from_where_the_first_ended(self) -> None:
        file = io.BytesIO(dumped({"a": 1}) + dumped([2]))
        first = PickleStream(file)
        assert list(first.pairs()) == []
        assert first.root == {"a": 1}
        assert load_pickle(file) == [2]

    def test_a_damaged_bz2_file_is_an_archive_error(self, tmp_path: Path) -> None:
        packed = bz2.compress(dumped(curves(500)))
        for name, raw in ("cut", packed[:-40]), ("flipped", packed[:99] + b"!" + packed[100:]):
            path = tmp_path / name
            path.write_bytes(raw)
            with bz2.open(path) as file, pytest.raises(DamagedArchiveError, match="damaged contai"):
                load_pickle(file)


BIG_LIST = b"]q\x00(" + b"K\x01" * 50_000 + b"e"
BIG_DICT = b"}q\x00(" + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(50_000)) + b"u"
BIG_SET = b"\x8fq\x00(" + b"".join(b"J" + struct.pack("<i", n) for n in range(50_000)) + b"\x90"
BIG_TEXT = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00"
LATIN1 = b"\x8c\x06latin1"
COPIES = {
    "list": (BIG_LIST, b"cbuiltins\nlist\n", b"h\x00\x85R"),
    "tuple": (BIG_LIST, b"cbuiltins\ntuple\n", b"h\x00\x85R"),
    "set": (BIG_SET, b"c__builtin__\nset\n", b"h\x00\x85R"),
    "frozenset": (BIG_SET, b"cbuiltins\nfrozenset\n", b"h\x00\x85R"),
    "list of a set": (BIG_SET, b"cbuiltins\nlist\n", b"h\x00\x85R"),
    "dict": (BIG_DICT, b"cbuiltins\ndict\n", b"h\x00\x85R"),
    "OrderedDict": (BIG_DICT, b"ccollections\nOrderedDict\n", b"h\x00\x85R"),
    "encode": (BIG_TEXT, b"c_codecs\nencode\n", b"h\x00" + LATIN1 + b"\x86R"),
}


class TestCopyBombs:
    @pytest.mark.parametrize("name", COPIES)
    def test_what_is_copied_is_bounded_by_what_was_read(self, name: str) -> None:
        big, call, arguments = COPIES[name]
        copy = call + b"q\x01" + arguments
        calls = b"0" + b"h\x01" + arguments
        loaded(b"](" + big + copy + b"e.")
        raw = b"](" + big + copy + calls * 5_000 + b"e."
        tracemalloc.start()
        with pytest.raises(DamagedArchiveError, match="copies more than it holds"):
            loaded(raw)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 60 * len(big)

    @pytest.mark.parametrize("name", ["list", "encode"])
    def test_records_given_out_pay_for_no_later_copies(self, name: str) -> None:
        big, call, arguments = COPIES[name]
        one = b"K%c}\x8c\x01v" + big[: big.index(b"q")] + big[big.index(b"q") + 2 :] + b"s"
        records = b"".join(one % number for number in range(10))
        copies = call + b"q\x01" + arguments + (b"0h\x01" + arguments) * 40
        last = b"K\x63}\x8c\x01v(" + big + copies + b"ls"
        raw = b"}(\x8c\x07records}(" + records + last + b"uu."
        # Behind ten lists of the same size, forty copies of one are less than the file has bytes.
        with pytest.raises(DamagedArchiveError, match="copies more than it holds"):
            streamed(raw)

    def test_a_long_tuple_is_no_key(self) -> None:
        key = b"(" + b"N" * 100 + b"tq\x00"
        for raw in (
            b"}" + key + b"Ns.",
            b"}(" + key + b"Nu.",
            b"\x8f(" + key + b"\x90.",
            b"(" + key + b"\x91.",
            b"cbuiltins\nset\n](" + key + b"e\x85R.",
            b"(" + key + b"Nd.",
        ):
            with pytest.raises(ArchiveError):
                loaded(raw)

    def test_python_2_spells_an_ordered_dict_as_a_list_of_pairs(self) -> None:
        pairs = b"".join(b"](K" + bytes([n]) + b"K\x01e" for n in range(200))
        raw = b"ccollections\nOrderedDict\n](" + pairs + b"e\x85R."
        assert loaded(raw) == dict.fromkeys(range(200), 1)


readers = st.sampled_from([loaded, streamed])


SEEDS = [
    dumped({"names": ["a", "b"], "records": {0: curves(20), 1: curves(3)}, "end": {1, 2}}, protocol)
    for protocol in PROTOCOLS
] + [
    dumped([np.float32(1.5), np.float64(0.5), b"raw", (1, ("a", 2)), OrderedDict(a=1)], protocol)
    for protocol in PROTOCOLS
]


class TestFuzzing:
    @pytest.mark.usefixtures("unmeasured")
    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.sampled_from(SEEDS),
        st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4),
        readers,
    )
    def test_changed_bytes_give_a_value_or_an_archive_error(
        self, seed: bytes, changes: list[tuple[int, int]], read: Reader
    ) -> None:
        raw = bytearray(seed)
        for place, byte in changes:
            raw[place % len(raw)] = byte
        outcome(bytes(raw), read)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(SEEDS), st.integers(0, 2**20), readers)
    def test_every_truncation_is_an_archive_error(
        self, seed: bytes, length: int, read: Reader
    ) -> None:
        with pytest.raises(ArchiveError):
            read(seed[: length % len(seed)])

    @pytest.mark.usefixtures("unmeasured")
    @settings(max_examples=600, deadline=None)
    @given(st.binary(max_size=60), readers)
    @example(b"K\x00G" + bytes(8) + b"K\x01G", loaded)
    def test_random_bytes_give_a_value_or_an_archive_error(self, raw: bytes, read: Reader) -> None:
        outcome(raw, read)

    @pytest.mark.usefixtures("unmeasured")
    @settings(max_examples=600, deadline=None)
    @given(st.lists(st.sampled_from(
        [bytes([op]) for op in b"NK().}]esutlda012R\x85\x86\x87\x8f\x90\x91\x93\x94bq"]
        + [b"K\x01", b"h\x00", b"h\x01", b"q\x00", b"q\x01", b"\x8c\x01a", b"U\x07records",
           b"c__builtin__\nset\n", b"ccollections\nOrderedDict\n", b"cnumpy\ndtype\n"]
    ), max_size=30), readers)  # fmt: skip
    def test_opcodes_in_any_order_give_a_value_or_an_archive_error(
        self, parts: list[bytes], read: Reader
    ) -> None:
        outcome(b"".join(parts) + b".", read)

    def test_single_bits_of_a_long_pickle_flipped_give_a_value_or_an_archive_error(self) -> None:
        rng = random.Random(7)  # noqa: S311 - repeatable
        seed = dumped({"records": {n: curves(250) for n in range(3)}}, 2)
        for _ in range(150):
            raw = bytearray(seed)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            outcome(bytes(raw), streamed)
