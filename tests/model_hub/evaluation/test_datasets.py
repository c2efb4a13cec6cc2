"""Folders of images: their order, their labels, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from model_hub.evaluation import DatasetError, read_folder, read_images


def save(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2), grey).save(path)


def test_a_folder_a_class_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for grey, name in enumerate(["n02/b.png", "n01/z.png", "n02/a.PNG", "n01/deep/y.png"]):
        save(tmp_path / name, grey)
    (tmp_path / "n01/notes.txt").write_text("no image")
    (tmp_path / "stray.png").write_bytes(b"beside the classes")
    images = read_folder(tmp_path)
    assert images.classes == ("n01", "n02")
    assert [images.label(n) for n in range(len(images))] == [0, 0, 1, 1]
    assert [images.image(n).getpixel((0, 0)) for n in range(4)] == [
        (3, 3, 3),
        (1, 1, 1),
        (2, 2, 2),
        (0, 0, 0),
    ]
    assert images.place(0) == str(tmp_path / "n01/deep/y.png")


def test_a_list_of_labels_is_read_in_its_order(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", 7)
    save(tmp_path / "images/b.png", 8)
    (tmp_path / "labels.csv").write_text(
        'author,file,label\n"Doe, J.",images/b.png,305\n,images/a.png,0\n'
    )
    images = read_images(tmp_path)
    assert [images.label(0), images.label(1)] == [305, 0]
    assert images.image(0).getpixel((1, 1)) == (8, 8, 8)
    assert images.classes is None


def test_the_real_sample_has_250_images(shared: Path) -> None:
    images = read_folder(shared / "data/imagenet-sample")
    assert len(images) == 250
    assert images.label(0) == 305
    assert images.image(0).size == (299, 299)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,label\na.png,1\n", "lacks a column `file` or `label`"),
        ("", "lacks a column `file` or `label`"),
        ("file,label\nb.png,1\n", r"line 2: there is no file .*b\.png"),
        ("file,label\na.png,cat\n", "line 2: 'cat' is not a label"),
        ("file,label\na.png,-1\n", "line 2: '-1' is not a label"),
        ("file,label\na.png\n", "line 2: None is not a label"),
        ("file,label\n", "has no images"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(tmp_path: Path, table: str, message: str) -> None:
    save(tmp_path / "a.png", 1)
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(DatasetError, match=message):
        read_folder(tmp_path)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe,1\n")
    with pytest.raises(DatasetError, match="is not UTF-8 text"):
        read_folder(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n01").mkdir()
    with pytest.raises(DatasetError, match=r"expected is labels\.csv"):
        read_folder(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        read_folder(tmp_path / "none")
