import pickle
import struct
from pathlib import Path

import google_crc32c
import pytest

from generators.raw.tfrecord import RecordError, TFRecordReader
from safe_pickle import ArchiveError, WrongFormatError

HEADER_BYTES = 12
PAYLOADS = [b"first", b"", b"x" * 5000, b"last"]
OFFSETS = [0, 21, 37, 5053]


def masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked_crc(length) + payload + masked_crc(payload)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive.tfrecord"
    path.write_bytes(b"".join(map(record, PAYLOADS)))
    return path


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_records_come_with_their_numbers_and_byte_offsets(archive: Path) -> None:
    assert list(TFRecordReader(archive)) == list(zip(range(4), OFFSETS, PAYLOADS, strict=True))


def test_a_record_of_the_published_layout_is_read(tmp_path: Path) -> None:
    # Computed with the masking rule of specs/raw-formats.md: crc32c("123456789") is 0xe3069283.
    crc = 0xE3069283
    mask = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    length = struct.pack("<Q", 9)
    path = tmp_path / "golden.tfrecord"
    path.write_bytes(length + masked_crc(length) + b"123456789" + struct.pack("<I", mask))
    assert list(TFRecordReader(path)) == [(0, 0, b"123456789")]


def test_a_reader_can_be_iterated_again(archive: Path) -> None:
    reader = TFRecordReader(archive)
    assert list(reader) == list(reader)


def test_progress_is_told_in_bytes(archive: Path) -> None:
    reader = TFRecordReader(archive)
    positions = [reader.bytes_read for _ in reader]
    assert positions == OFFSETS
    assert reader.bytes_read == archive.stat().st_size


def test_a_wrong_payload_is_named_by_record_and_byte(archive: Path) -> None:
    flip(archive, OFFSETS[2] + HEADER_BYTES + 100)
    with pytest.raises(RecordError, match="record 2 at byte 37: the CRC of the payload") as caught:
        list(TFRecordReader(archive))
    assert (caught.value.number, caught.value.offset) == (2, 37)


def test_a_wrong_payload_crc_is_found_in_its_own_bytes_too(archive: Path) -> None:
    flip(archive, OFFSETS[3] - 1)
    with pytest.raises(RecordError, match="record 2 at byte 37: the CRC of the payload"):
        list(TFRecordReader(archive))


@pytest.mark.parametrize("byte", [0, 7, 8, 11])
def test_a_wrong_length_is_named_by_record_and_byte(archive: Path, byte: int) -> None:
    flip(archive, OFFSETS[2] + byte)
    with pytest.raises(RecordError, match="record 2 at byte 37: the CRC of the length"):
        list(TFRecordReader(archive))


@pytest.mark.parametrize("kept", [1, 11, 12, 14, 19])
def test_a_last_record_cut_short_is_named(archive: Path, kept: int) -> None:
    archive.write_bytes(archive.read_bytes()[: OFFSETS[3] + kept])
    with pytest.raises(RecordError, match="record 3 at byte 5053: the file ends"):
        list(TFRecordReader(archive))


def test_records_before_the_fault_are_yielded(archive: Path) -> None:
    flip(archive, OFFSETS[2] + HEADER_BYTES)
    records = iter(TFRecordReader(archive))
    assert [next(records)[2], next(records)[2]] == PAYLOADS[:2]


@pytest.mark.parametrize("before", [0, 1])
def test_a_length_of_2_to_the_60_is_refused_before_anything_is_allocated(
    tmp_path: Path, before: int
) -> None:
    length = struct.pack("<Q", 2**60)
    path = tmp_path / "huge.tfrecord"
    path.write_bytes(record(b"sound") * before + length + masked_crc(length) + b"payload")
    with pytest.raises(RecordError, match=f"record {before} .* length is 1152921504606846976 byte"):
        list(TFRecordReader(path))


@pytest.mark.parametrize("content", [b"PK\3\4" * 100, b"{}", b"\0" * 64], ids=["zip", "json", "0"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(content)
    for skip_corrupt in (False, True):
        with pytest.raises(WrongFormatError, match=r"other\.bin is not a TFRecord file"):
            list(TFRecordReader(path, skip_corrupt=skip_corrupt))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.tfrecord"
    path.touch()
    with pytest.raises(WrongFormatError, match=r"empty\.tfrecord is empty"):
        list(TFRecordReader(path, skip_corrupt=True))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ArchiveError, match="cannot be read"):
            list(TFRecordReader(path))


def test_wrong_payloads_can_be_skipped_and_are_reported(archive: Path) -> None:
    flip(archive, OFFSETS[0] + HEADER_BYTES)
    flip(archive, OFFSETS[2] + HEADER_BYTES)
    reader = TFRecordReader(archive, skip_corrupt=True)
    assert [number for number, _, _ in reader] == [1, 3]
    assert [(fault.number, fault.offset) for fault in reader.skipped] == [(0, 0), (2, 37)]


def test_a_wrong_length_ends_the_reading_even_when_skipping(archive: Path) -> None:
    flip(archive, OFFSETS[2])
    reader = TFRecordReader(archive, skip_corrupt=True)
    assert [number for number, _, _ in reader] == [0, 1]
    (fault,) = reader.skipped
    assert "nothing after it can be located" in str(fault)


def test_a_last_record_cut_short_is_reported_when_skipping(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-1])
    reader = TFRecordReader(archive, skip_corrupt=True)
    assert [number for number, _, _ in reader] == [0, 1, 2]
    assert [fault.number for fault in reader.skipped] == [3]


def test_a_second_iteration_reports_afresh(archive: Path) -> None:
    flip(archive, OFFSETS[2] + HEADER_BYTES)
    reader = TFRecordReader(archive, skip_corrupt=True)
    assert list(reader) == list(reader)
    assert len(reader.skipped) == 1


def test_lengths_are_remembered_within_a_bound(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generators.raw.tfrecord._CACHED_HEADERS", 2)
    assert [payload for _, _, payload in TFRecordReader(archive)] == PAYLOADS


def test_a_record_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(RecordError(7, 99, "wrong")))
    assert (error.number, error.offset, str(error)) == (7, 99, "record 7 at byte 99: wrong")
