"""Plain data and numpy's numbers come out of a pickle as they went in; so do real records."""

from __future__ import annotations

import bz2
import io
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_pickles import (
    PICKLERS,
    PROTOCOLS,
    all_protocols,
    both_picklers,
    curves,
    data,
    dumped,
    loaded,
    outcome,
    same,
)

from safe_pickle import (
    UnsafePickleError,
    load_pickle,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
NATS_RECORDS = sorted((SHARED / "data").glob("nat*/**/*.pickle.pbz2")) + sorted(
    (SHARED / "data").glob("nas*/**/*.pickle.pbz2")
)
HARDWARE = SHARED / "data" / "hw-nas-bench" / "HW-NAS-Bench-v1_0.pickle"
needs_real_data = pytest.mark.skipif(
    not NATS_RECORDS, reason=f"the real records are not at {SHARED / 'data'}"
)


class TestPlainData:
    @pytest.mark.usefixtures("unmeasured")
    @settings(max_examples=300, deadline=None)
    @given(data, st.sampled_from(PROTOCOLS), st.sampled_from(list(PICKLERS)))
    def test_it_reads_what_the_standard_library_pickled(
        self, value: object, protocol: int, pickler: str
    ) -> None:
        assert same(loaded(dumped(value, protocol, pickler)), value)

    @pytest.mark.usefixtures("unmeasured")
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


@needs_real_data
class TestRealData:
    @pytest.mark.parametrize("path", NATS_RECORDS, ids=lambda path: path.parent.name + path.stem)
    def test_records_of_the_architectures_equal_an_ordinary_load(self, path: Path) -> None:
        raw = bz2.decompress(path.read_bytes())
        assert same(loaded(raw), plain(pickle.loads(raw)))

    @pytest.mark.usefixtures("unmeasured")
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
