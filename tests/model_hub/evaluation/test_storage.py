"""Tar archives of images: the same images as their folder, and nothing of the machine besides."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from model_hub.evaluation import DatasetError, ImageFiles, read_folder, read_images, read_tar

Pack = Callable[..., Path]


def png(grey: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("L", (2, 2), grey).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Makes an archive of files by their names, and of other members."""

    def make(files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
        path = tmp_path / "images.tar"
        with tarfile.open(path, "w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for member in others:
                archive.addfile(member)
        return path

    return make


def greys(images: ImageFiles) -> list[int]:
    pixels = (images.image(index).getpixel((0, 0)) for index in range(len(images)))
    return [pixel[0] for pixel in pixels if isinstance(pixel, tuple)]


def test_an_archive_has_the_images_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "flowers"
    for grey, name in enumerate(["rose/b.png", "rose/a.png", "lily/deep/c.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(grey))
    (folder / "tulip").mkdir()
    with tarfile.open(tmp_path / "flowers.tar", "w") as archive:
        archive.add(folder, arcname=".")
    packed, plain = read_images(tmp_path / "flowers.tar"), read_folder(folder)
    assert isinstance(packed, ImageFiles)
    assert packed.classes == plain.classes == ("lily", "rose", "tulip")
    assert (packed.names, packed.labels) == (plain.names, plain.labels)
    assert greys(packed) == greys(plain) == [2, 1, 0]
    assert [packed.content(n) for n in range(3)] == [plain.content(n) for n in range(3)]


def test_an_archive_may_have_a_list_of_labels(pack: Pack) -> None:
    images = read_tar(
        pack({"labels.csv": b"file,label\nb.png,7\na.png,0\n", "a.png": png(3), "b.png": png(4)})
    )
    assert images.labels == (7, 0)
    assert greys(images) == [4, 3]


def test_a_list_of_labels_names_files_of_the_archive_alone(pack: Pack, tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(png())
    for name in ("../outside.png", str(tmp_path / "outside.png")):
        with pytest.raises(DatasetError, match="line 2: there is no file"):
            read_tar(pack({"labels.csv": f"file,label\n{name},0\n".encode(), "a.png": png()}))


def test_a_list_of_labels_names_files_of_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(png())
    folder = tmp_path / "inside"
    folder.mkdir()
    for name in ("../outside.png", str(tmp_path / "outside.png")):
        (folder / "labels.csv").write_text(f"file,label\n{name},0\n")
        with pytest.raises(DatasetError, match="line 2: there is no file"):
            read_folder(folder)


@pytest.mark.parametrize("name", ["../rose/a.png", "/rose/a.png", "rose/../../a.png"])
def test_a_name_that_leads_out_of_the_archive_is_refused(pack: Pack, name: str) -> None:
    with pytest.raises(DatasetError, match="leads out of the archive"):
        read_tar(pack({name: png()}))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_as_if_they_were_not_there(
    pack: Pack, tmp_path: Path, kind: bytes
) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    member = tarfile.TarInfo("rose/z.png")
    member.type, member.linkname = kind, str(tmp_path / "secret.png")
    images = read_tar(pack({"rose/a.png": png(1)}, member))
    assert images.names == ("rose/a.png",)
    assert greys(images) == [1]


@pytest.mark.parametrize(
    "end", [512 + 20, 1024, 1024 + 100], ids=["in an image", "between two", "in a header"]
)
def test_a_truncated_archive_is_refused_wherever_it_ends(pack: Pack, end: int) -> None:
    path = pack({"lily/a.png": png(1), "rose/b.png": png(2)})
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DatasetError, match=r"images\.tar"):
        read_tar(path)


def test_a_damaged_header_is_not_taken_for_the_end(pack: Pack) -> None:
    path = pack({"lily/a.png": png(1), "rose/b.png": png(2)})
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="truncated or damaged at byte 1024"):
        read_tar(path)


@pytest.mark.parametrize("content", [b"", b"no archive" * 200])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"images\.tar"):
        read_tar(path)


def test_a_compressed_archive_is_refused(pack: Pack, tmp_path: Path) -> None:
    packed = tmp_path / "images.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(pack({"rose/a.png": png()}), arcname="rose/a.png")
    with pytest.raises(DatasetError, match="is no uncompressed tar file"):
        read_tar(packed)


def test_an_archive_that_shrinks_later_is_no_image(pack: Pack) -> None:
    path = pack({"rose/a.png": png()})
    images = read_tar(path)
    path.write_bytes(path.read_bytes()[:530])
    with pytest.raises(DatasetError, match=r"rose/a\.png: the archive is truncated"):
        images.image(0)


def test_an_archive_can_be_sent_to_another_process(pack: Pack) -> None:
    images = read_tar(pack({"rose/a.png": png(5)}))
    again = pickle.loads(pickle.dumps(images))
    assert greys(again) == [5]
