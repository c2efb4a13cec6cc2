"""Both containers of torch.save, and what is neither."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from generators.raw.torch_archive import open_torch_pickle
from safe_pickle import (
    ArchiveError,
    DamagedArchiveError,
    PickleStream,
    UnsafePickleError,
    WrongFormatError,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
REAL = SHARED / "data" / "nasbench201" / "NAS-Bench-201-v1_1-2archs.pth"
needs_real_data = pytest.mark.skipif(not REAL.exists(), reason=f"the real archive is not at {REAL}")

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
VALUE = {"names": ["a", "b"], "infos": {n: {"x": {e: e / 3 for e in range(90)}} for n in range(3)}}


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return path


def modern(path: Path, value: object = VALUE) -> Path:
    raw = pickle.dumps(value, 2)
    return zipped(path, {"run/data.pkl": raw, "run/byteorder": b"little", "run/version": b"3\n"})


def legacy(path: Path, *parts: object) -> Path:
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts or whole()))
    return path


def whole(value: object = VALUE) -> tuple[object, ...]:
    return MAGIC, 1001, SYSTEM, value, []


def read(path: Path) -> Any:
    with open_torch_pickle(path) as file:
        stream = PickleStream(file, stream_key="infos")
        infos = dict(stream.pairs())
        return {**stream.root, "infos": infos}


@pytest.fixture(params=[modern, legacy])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = request.param(tmp_path / "archive.pth")
    return path


def test_both_containers_give_the_object(archive: Path) -> None:
    assert read(archive) == VALUE


def test_an_archive_larger_than_the_read_ahead_is_read_in_both_containers(tmp_path: Path) -> None:
    value = {"infos": {n: {f"x@{e}": e / 3 for e in range(900)} for n in range(90)}}
    assert read(modern(tmp_path / "modern.pth", value)) == value
    assert read(legacy(tmp_path / "legacy.pth", *whole(value))) == value


def test_an_archive_cut_anywhere_is_an_archive_error(archive: Path) -> None:
    raw = archive.read_bytes()
    for length in range(0, len(raw), 37):
        archive.write_bytes(raw[:length])
        with pytest.raises(ArchiveError):
            read(archive)


def test_a_flipped_bit_anywhere_in_a_zips_pickle_is_detected(tmp_path: Path) -> None:
    path = modern(tmp_path / "archive.pth")
    raw = path.read_bytes()
    start = raw.index(b"\x80\x02}")
    end = start + len(pickle.dumps(VALUE, 2))
    for place in range(start, end, 7):
        flipped = bytearray(raw)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        with pytest.raises(ArchiveError):
            read(path)


def test_a_flipped_bit_in_a_number_of_a_zip_is_named_by_its_checksum(tmp_path: Path) -> None:
    path = modern(tmp_path / "archive.pth")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"K\x05G") + 7] ^= 0x01
    path.write_bytes(raw)
    with pytest.raises(DamagedArchiveError, match="CRC-32"):
        read(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"epoch,accuracy\n1,0.5\n",
        b"<!DOCTYPE html><html><body>Quota exceeded</body></html>",
        b"\x1f\x8b\x08 a gzip file",
        b"\n" * 100,
        bytes(100),
    ],
)
def test_other_files_are_said_to_be_neither(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "archive.pth"
    path.write_bytes(raw)
    with pytest.raises(WrongFormatError, match=r"neither a zip .* expected what torch\.save"):
        read(path)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "archive.pth"
    path.touch()
    with pytest.raises(WrongFormatError, match="is empty"):
        read(path)


def test_a_missing_file_is_an_ordinary_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing.pth")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((VALUE,), "without torch's magic number"),
        ((MAGIC + 1, *whole()[1:]), "without torch's magic number"),
        ((MAGIC, 1002, *whole()[2:]), "without torch's protocol version"),
        ((MAGIC, 1001, [], *whole()[3:]), "little-endian"),
        ((MAGIC, 1001, {"little_endian": False}, *whole()[3:]), "little-endian"),
        ((*whole()[:4], ["94"]), "empty list of tensor storages"),
        ((*whole()[:4], {}), "empty list of tensor storages"),
        ((*whole(), []), "empty list of tensor storages"),
    ],
)
def test_a_legacy_archive_must_be_a_row_of_the_right_pickles(
    tmp_path: Path, parts: tuple[object, ...], message: str
) -> None:
    with pytest.raises(WrongFormatError, match=message):
        read(legacy(tmp_path / "archive.pth", *parts))


def test_a_legacy_archive_without_its_list_of_storages_is_truncated(tmp_path: Path) -> None:
    with pytest.raises(DamagedArchiveError, match="truncated"):
        read(legacy(tmp_path / "archive.pth", *whole()[:4]))


@pytest.mark.parametrize(
    "names", [[], ["data.pkl"], ["run/other.pkl"], ["a/data.pkl", "b/data.pkl"], ["a/b/data.pkl"]]
)
def test_a_zip_must_hold_one_pickle_in_its_place(tmp_path: Path, names: list[str]) -> None:
    raw = pickle.dumps(VALUE, 2)
    path = zipped(tmp_path / "archive.pth", {"readme": b"", **dict.fromkeys(names, raw)})
    with pytest.raises(WrongFormatError, match=r"members <name>/data\.pkl"):
        read(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_pickle_is_refused_before_it_unfolds(tmp_path: Path, compression: int) -> None:
    path = zipped(tmp_path / "bomb.pth", {"run/data.pkl": bytes(10_000_000)}, compression)
    with pytest.raises(WrongFormatError, match="compressed or encrypted"):
        read(path)


def test_a_zip_whose_pickle_goes_on_is_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path / "archive.pth", {"run/data.pkl": pickle.dumps(VALUE, 2) + b"more"})
    with pytest.raises(DamagedArchiveError, match="continues after its pickle"):
        read(path)


def test_a_pickle_left_half_read_is_not_taken_for_checked(tmp_path: Path) -> None:
    with (
        pytest.raises(DamagedArchiveError, match="not read to its end"),
        open_torch_pickle(modern(tmp_path / "archive.pth")) as file,
    ):
        file.read(10)


def test_an_error_of_the_reader_passes_through(archive: Path) -> None:
    with pytest.raises(KeyError, match="mine"), open_torch_pickle(archive):
        raise KeyError("mine")


def test_a_hostile_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.pth"
    path.write_bytes(b"\x80\x02cos\nsystem\n(Vid\ntR.")
    with pytest.raises(UnsafePickleError, match=r"refused to load 'os\.system' at byte 2"):
        read(path)


def test_tensors_are_refused(tmp_path: Path) -> None:
    raw = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\ntQ)tR."
    path = zipped(tmp_path / "archive.pth", {"run/data.pkl": raw})
    with pytest.raises(UnsafePickleError, match=r"torch\._utils\._rebuild_tensor_v2"):
        read(path)


@needs_real_data
def test_the_real_archive_holds_its_published_figures() -> None:
    with open_torch_pickle(REAL) as file:
        stream = PickleStream(file, stream_key="arch2infos")
        infos = dict(stream.pairs())
        root = stream.root
    assert list(infos) == [0, 11]
    assert len(root["meta_archs"]) == 15_625
    run = infos[0]["full"]["all_results"]["cifar100", 999]
    assert run["train_acc1es"][199] == pytest.approx(57.82, abs=5e-3)
    assert run["eval_acc1es"]["x-valid@199"] == pytest.approx(53.14, abs=5e-3)
    assert (run["params"], run["flop"]) == (0.135156, 15.65322)


@needs_real_data
def test_a_flipped_bit_in_the_real_archive_is_detected(tmp_path: Path) -> None:
    raw = bytearray(REAL.read_bytes())
    raw[1_000_000] ^= 0x01
    path = tmp_path / "archive.pth"
    path.write_bytes(raw)
    with pytest.raises(ArchiveError), open_torch_pickle(path) as file:
        list(PickleStream(file).pairs())
