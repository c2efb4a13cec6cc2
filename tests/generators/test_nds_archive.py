"""Which files of an NDS archive are read, and which archives are refused."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from generators.raw.nds_archive import FILES, NdsArchive
from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError

WriteZip = Callable[..., Path]


@pytest.fixture
def write_zip(tmp_path: Path) -> WriteZip:
    """Writes a zip file of texts by name; `ResNet.json` is always among them."""

    def write(**members: str) -> Path:
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as container:
            container.writestr("nds_data/ResNet.json", '[{"a": 1}]')
            for name, text in members.items():
                container.writestr(name, text)
        return path

    return write


def test_there_are_34_files() -> None:
    assert len(FILES) == len(set(FILES)) == 34


def test_reads_a_folder_and_the_folder_around_it(tmp_path: Path) -> None:
    folder = tmp_path / "nds_data"
    folder.mkdir()
    (folder / "ResNet.json").write_text('[{"a": 1}]')
    (folder / "notes.txt").write_text("of my own")
    for path in (folder, tmp_path):
        archive = NdsArchive(path)
        assert archive.present == ("ResNet.json",)
        assert len(archive.missing) == 33
        assert archive.ignored == ("notes.txt",)
        assert [value for _, value in archive.entries("ResNet.json")] == [{"a": 1}]


def test_reads_a_zip_file_wherever_its_files_lie(write_zip: WriteZip) -> None:
    path = write_zip(**{"Amoeba.json": "[]", "nds_data/": "", "__MACOSX/._ResNet.json": "junk"})
    archive = NdsArchive(path)
    assert archive.present == ("Amoeba.json", "ResNet.json")
    assert archive.ignored == ("__MACOSX/._ResNet.json",)
    assert [value for _, value in archive.entries("ResNet.json")] == [{"a": 1}]


@pytest.mark.parametrize(
    "name",
    [
        *("../ENAS.json", "nds_data/../../ENAS.json", "/ENAS.json", "..\\ENAS.json"),
        *("C:/ENAS.json", "C:ENAS.json", "\\\\server\\ENAS.json", "a/..", "../notes.txt"),
    ],
)
def test_refuses_names_that_lead_out_of_the_folder(write_zip: WriteZip, name: str) -> None:
    with pytest.raises(WrongFormatError, match="leads out of its folder"):
        NdsArchive(write_zip(**{name: "[]"}))


def test_refuses_links(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as container:
        link = zipfile.ZipInfo("nds_data/ResNet.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        container.writestr(link, "/etc/passwd")
    with pytest.raises(WrongFormatError, match="is a link"):
        NdsArchive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["nds_data/ResNet.json", "other/ResNet.json", "ResNet.json"])
def test_refuses_a_file_that_is_there_twice(write_zip: WriteZip, name: str) -> None:
    with pytest.raises(WrongFormatError, match=r"ResNet\.json' twice"):
        NdsArchive(write_zip(**{name: "[]"}))


def test_refuses_a_bomb_before_any_of_it_is_unpacked(write_zip: WriteZip) -> None:
    with pytest.raises(WrongFormatError, match="would unpack to 8,000,000 from"):
        NdsArchive(write_zip(**{"nds_data/Amoeba.json": " " * 8_000_000}))


def test_refuses_what_would_fill_the_disk(
    write_zip: WriteZip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generators.raw.nds_archive._MOST_BYTES", 1000)
    with pytest.raises(WrongFormatError, match="a zip bomb, not NDS"):
        NdsArchive(write_zip(**{"nds_data/Amoeba.json": "[]" + " " * 1000}))


def test_refuses_thousands_of_files(write_zip: WriteZip) -> None:
    with pytest.raises(WrongFormatError, match="NDS has 34"):
        NdsArchive(write_zip(**{f"{number}.txt": "" for number in range(10_001)}))


def test_refuses_encrypted_files(write_zip: WriteZip) -> None:
    path = write_zip()
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(WrongFormatError, match="is encrypted"):
        NdsArchive(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file", b"\x80\x02}."])
def test_refuses_what_is_no_zip_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(content)
    with pytest.raises(WrongFormatError, match="neither a folder nor a sound zip file"):
        NdsArchive(path)


def test_refuses_what_holds_none_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(
        WrongFormatError, match=r"none of the 34 files of NDS, such as Amoeba\.json"
    ):
        NdsArchive(tmp_path)


@pytest.mark.parametrize("offset", [40, 200, 400])
def test_a_damaged_member_is_named(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "data.zip"
    text = json.dumps([{"number": number} for number in range(200)])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("nds_data/ResNet.json", text)
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(ArchiveError, match=r"ResNet\.json"):
        list(NdsArchive(path).entries("ResNet.json"))


def test_a_member_that_is_longer_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("nds_data/ResNet.json", '[{"a": 1}, {"a": 2}]')
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + place
        data[start : start + 4] = (10).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedArchiveError, match=r"ResNet\.json"):
        list(NdsArchive(path).entries("ResNet.json"))
