"""Our pickle machine against the standard library's picklers, hostile pickles and long ones."""

import bz2
import io
import os
import pickle
import random
import struct
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generators.raw.errors import (
    ArchiveError,
    DamagedArchiveError,
    UnsafePickleError,
    WrongFormatError,
)
from generators.raw.pickle_stream import PickleStream, load_pickle

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
NATS_RECORDS = sorted((SHARED / "data").glob("nat*/**/*.pickle.pbz2")) + sorted(
    (SHARED / "data").glob("nas*/**/*.pickle.pbz2")
)
HARDWARE = SHARED / "data" / "hw-nas-bench" / "HW-NAS-Bench-v1_0.pickle"
needs_real_data = pytest.mark.skipif(
    not NATS_RECORDS, reason=f"the real records are not at {SHARED / 'data'}"
)

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PICKLERS: dict[str, Callable[..., Any]] = {"C": pickle.Pickler, "Python": pickle._Pickler}
both_picklers = pytest.mark.parametrize("pickler", PICKLERS)
all_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.binary(max_size=12)
)
keys = atoms | st.tuples(st.text(max_size=5), st.integers())
data = st.recursive(
    atoms | st.sets(atoms, max_size=4) | st.frozensets(keys, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(keys, inner, max_size=5)
        | st.dictionaries(keys, inner, max_size=5).map(OrderedDict)
    ),
    max_leaves=25,
)


def dumped(value: object, protocol: int = 2, pickler: str = "C") -> bytes:
    out = io.BytesIO()
    PICKLERS[pickler](out, protocol).dump(value)
    return out.getvalue()


def loaded(raw: bytes) -> Any:
    return load_pickle(io.BytesIO(raw))


def streamed(raw: bytes, key: str = "records") -> tuple[list[tuple[Any, Any]], Any]:
    stream = PickleStream(io.BytesIO(raw), stream_key=key)
    return list(stream.pairs()), stream.root


def same(left: object, right: object) -> bool:
    """Equal in value, in the types of numbers and in the order of keys."""
    if isinstance(right, OrderedDict):
        right = dict(right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            same(a, c) and same(b, d)
            for (a, b), (c, d) in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right) if isinstance(left, float) else left == right


def curves(epochs: int, name: str = "x-valid") -> dict[str, Any]:
    return {
        "train": {epoch: epoch * 1.1 for epoch in range(epochs)},
        "valid": {f"{name}@{epoch}": epoch / 3 for epoch in range(epochs)},
        "mixed": {f"{name}@{epoch}": epoch / 3 if epoch % 50 else "-" for epoch in range(epochs)},
    }


class TestPlainData:
    @settings(max_examples=300, deadline=None)
    @given(data, st.sampled_from(PROTOCOLS), st.sampled_from(list(PICKLERS)))
    def test_it_reads_what_the_standard_library_pickled(
        self, value: object, protocol: int, pickler: str
    ) -> None:
        assert same(loaded(dumped(value, protocol, pickler)), value)

    @both_picklers
    @all_protocols
    @pytest.mark.parametrize("epochs", [1, 2, 3, 11, 255, 256, 257, 300, 999, 1000, 1001, 2500])
    def test_curves_of_any_length_come_out_whole(
        self, protocol: int, pickler: str, epochs: int
    ) -> None:
        value = [curves(epochs), curves(epochs, "ori-test"), curves(epochs)]
        assert same(loaded(dumped(value, protocol, pickler)), value)

    @all_protocols
    def test_strings_of_a_curve_can_be_referred_to_afterwards(self, protocol: int) -> None:
        names = [f"x-valid@{epoch}" for epoch in range(300)]
        value = [dict.fromkeys(names, 0.5), names[::-1], dict.fromkeys(names, 1.5)]
        assert loaded(dumped(value, protocol)) == value

    @all_protocols
    def test_shared_and_recursive_containers_stay_shared(self, protocol: int) -> None:
        inner: list[Any] = [1]
        inner.append(inner)
        first, second = loaded(dumped([inner, inner], protocol))
        assert first is second
        assert first[1] is first

    @pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**2000, -(2**2039), 2**2040])
    @all_protocols
    def test_large_integers_are_exact(self, number: int, protocol: int) -> None:
        assert loaded(dumped(number, protocol)) == number

    @all_protocols
    def test_long_strings_and_bytes_cross_the_buffer(self, protocol: int) -> None:
        value = ["ä" * 700_000, b"\xff" * 3_000_000, "x" * 300]
        assert loaded(dumped(value, protocol)) == value

    @pytest.mark.parametrize("size", [1, 2, 7, 100])
    @all_protocols
    def test_short_reads_of_the_file_change_nothing(self, protocol: int, size: int) -> None:
        class Trickle(io.BytesIO):
            def read(self, _size: int | None = -1, /) -> bytes:
                return super().read(size)

        value = curves(40)
        assert same(load_pickle(Trickle(dumped(value, protocol))), value)

    def test_strings_of_python_2_are_latin_1_text(self) -> None:
        assert loaded(b"\x80\x02U\x02\xe9a.") == "éa"
        assert loaded(b"T\x02\x00\x00\x00\xe9a.") == "éa"

    def test_the_memo_of_python_2_counts_from_one(self) -> None:
        assert loaded(b"]q\x01(U\x01aq\x02h\x02e.") == ["a", "a"]

    def test_stock_constructors_without_arguments_give_empty_values(self) -> None:
        for name, value in ("list", []), ("dict", {}), ("tuple", ()), ("int", 0), ("set", set()):
            assert loaded(b"c__builtin__\n" + name.encode() + b"\n)R.") == value


class TestNumpyNumbers:
    KINDS = (
        np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64,
        np.uint8, np.uint16, np.uint32, np.uint64, np.bool_,
    )  # fmt: skip

    @pytest.mark.parametrize("kind", KINDS)
    @all_protocols
    def test_scalars_become_the_python_numbers_they_equal(
        self, kind: type[np.generic], protocol: int
    ) -> None:
        values: list[Any] = [kind(0), kind(1), kind(101)]  # type: ignore[call-arg]
        assert same(loaded(dumped(values, protocol)), [value.item() for value in values])

    @all_protocols
    def test_both_byte_orders_are_read(self, protocol: int) -> None:
        swapped = np.array([0.1], dtype=">f8")[0]
        big = np.frombuffer(struct.pack(">d", 0.1), dtype=">f8")
        assert loaded(dumped([swapped, np.float64(0.1)], protocol)) == [0.1, 0.1]
        state = dumped(big.dtype, protocol)
        assert b">" in state

    def test_a_big_endian_scalar_is_decoded_as_such(self) -> None:
        little = dumped(np.float64(0.1), 2).replace(b"numpy._core", b"numpy.core")
        big = little.replace(b"\x01\x00\x00\x00<", b"\x01\x00\x00\x00>")
        assert loaded(little) == 0.1
        assert loaded(big) == struct.unpack(">d", struct.pack("<d", 0.1))[0]

    @pytest.mark.parametrize(
        "value",
        [
            np.datetime64("2020-01-01"), np.str_("text"), np.complex128(1j), np.bytes_(b"raw"),
            np.array([1.0]), np.zeros((), dtype=[("a", "f8")])[()], np.dtype("O"), np.dtype("V8"),
        ],
    )  # fmt: skip
    @all_protocols
    def test_anything_but_plain_numbers_is_refused(self, value: object, protocol: int) -> None:
        with pytest.raises(UnsafePickleError, match="refused"):
            loaded(dumped(value, protocol))


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
        with pytest.raises(DamagedArchiveError, match="a tuple of tuples as a key"):
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


def outcome(raw: bytes, read: "Reader") -> object:
    """Read anything; what is no pickle must be an ArchiveError and nothing else."""
    try:
        return read(raw)
    except ArchiveError:
        return None


Reader = Callable[[bytes], object]
readers = st.sampled_from([loaded, streamed])


SEEDS = [
    dumped({"names": ["a", "b"], "records": {0: curves(20), 1: curves(3)}, "end": {1, 2}}, protocol)
    for protocol in PROTOCOLS
] + [
    dumped([np.float32(1.5), np.float64(0.5), b"raw", (1, ("a", 2)), OrderedDict(a=1)], protocol)
    for protocol in PROTOCOLS
]


class TestFuzzing:
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

    @settings(max_examples=600, deadline=None)
    @given(st.binary(max_size=60), readers)
    @example(b"K\x00G" + bytes(8) + b"K\x01G", loaded)
    def test_random_bytes_give_a_value_or_an_archive_error(self, raw: bytes, read: Reader) -> None:
        outcome(raw, read)

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


class TestStreaming:
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
        with pytest.raises(RuntimeError, match="read once"):
            next(stream.pairs())

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
from generators.raw.pickle_stream import PickleStream

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


@needs_real_data
class TestRealData:
    @pytest.mark.parametrize("path", NATS_RECORDS, ids=lambda path: path.parent.name + path.stem)
    def test_records_of_the_architectures_equal_an_ordinary_load(self, path: Path) -> None:
        raw = bz2.decompress(path.read_bytes())
        assert same(loaded(raw), plain(pickle.loads(raw)))

    def test_the_hardware_costs_equal_an_ordinary_load(self) -> None:
        raw = HARDWARE.read_bytes()
        costs = loaded(raw)
        assert costs == pickle.loads(raw)
        cifar10 = costs["nasbench201"]["cifar10"]
        assert cifar10["edgegpu_latency"][0] == 5.807418537139893
        assert cifar10["raspi4_latency"][0] == 10.481976820010459

    def test_flipped_bits_of_a_real_record_give_a_value_or_an_archive_error(self) -> None:
        rng = random.Random(3)  # noqa: S311 - repeatable
        seed = bz2.decompress(NATS_RECORDS[0].read_bytes())
        for _ in range(60):
            raw = bytearray(seed)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            outcome(bytes(raw), loaded)


def plain(value: Any) -> Any:
    """What our reader makes of numpy numbers and ordered dicts."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value
