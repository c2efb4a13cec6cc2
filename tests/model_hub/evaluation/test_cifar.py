"""CIFAR in its published files, and files that only look like it."""

from __future__ import annotations

import pickle
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_hub.evaluation import DatasetError, read_cifar10, read_cifar100, read_images

ROWS = np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8)
LABELS = [3, 0, 9, 3]
NAMES = [f"class {n}".replace(" ", "_") for n in range(10)]


def short(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode("latin-1")


def python2_batch(rows: Any, labels: list[int], key: str = "labels") -> bytes:
    """Return a batch as Python 2 and its numpy wrote them, instruction by instruction."""
    data = rows.tobytes()
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            short("batch_label") + b"q\x02" + short("testing batch 1 of 1") + b"q\x03",
            short(key) + b"q\x04]q\x05(" + numbers + b"e",
            short("data") + b"q\x06",
            b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
            b"K\x00\x85" + short("b") + b"\x87Rq\x09",
            b"(K\x01" + b"".join(b"M" + struct.pack("<H", n) for n in rows.shape) + b"\x86",
            b"cnumpy\ndtype\nq\x0a" + short("u1") + b"K\x00K\x01\x87Rq\x0b",
            b"(K\x03" + short("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", len(data)) + data + b"tb",
            b"u.",
        ]
    )


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    """A folder as CIFAR-10 unpacks to, with two test images and two a training batch."""
    (tmp_path / "test_batch").write_bytes(python2_batch(ROWS, LABELS))
    for n in range(1, 6):
        (tmp_path / f"data_batch_{n}").write_bytes(python2_batch(ROWS[:2], [n, n]))
    meta = {"label_names": NAMES, "num_vis": 3072, "num_cases_per_batch": 10000}
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return tmp_path


def test_cifar10_as_python_2_pickled_it(batches: Path) -> None:
    images = read_cifar10(batches)
    assert images.labels == tuple(LABELS)
    assert images.classes == tuple(NAMES)
    assert images.image(1).size == (32, 32)
    planes = ROWS[1].reshape(3, 32, 32)
    assert images.image(1).getpixel((5, 7)) == tuple(planes[:, 7, 5].tolist())
    assert "image 1" in images.place(1)


def test_the_training_images_are_those_of_all_batches(batches: Path) -> None:
    assert read_cifar10(batches, train=True).labels == (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)


def test_cifar10_in_binary_is_the_same(batches: Path, tmp_path: Path) -> None:
    folder = tmp_path / "binary"
    folder.mkdir()
    records = np.hstack([np.array(LABELS, np.uint8)[:, None], ROWS])
    (folder / "test_batch.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join([*NAMES, "", ""]))
    binary, pickled = read_cifar10(folder), read_cifar10(batches)
    assert np.array_equal(binary.pixels, pickled.pixels)
    assert (binary.labels, binary.classes) == (pickled.labels, pickled.classes)


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    content = {"data": ROWS, "fine_labels": [99, 0, 5, 7], "coarse_labels": [1, 1, 1, 1]}
    (tmp_path / "test").write_bytes(pickle.dumps(content, protocol=2))
    assert read_cifar100(tmp_path).labels == (99, 0, 5, 7)
    assert read_cifar100(tmp_path).classes is None


def test_cifar100_in_binary_has_the_coarse_label_first(tmp_path: Path) -> None:
    labels = np.array([[1, 99], [1, 0], [1, 5], [1, 7]], np.uint8)
    (tmp_path / "test.bin").write_bytes(np.hstack([labels, ROWS]).tobytes())
    images = read_cifar100(tmp_path)
    assert images.labels == (99, 0, 5, 7)
    assert np.array_equal(images.pixels[2].transpose(2, 0, 1).ravel(), ROWS[2])


def test_the_folder_says_which_it_is(batches: Path) -> None:
    assert len(read_images(batches)) == 4


@pytest.mark.parametrize("keys", [str, str.encode])
def test_what_numpy_writes_today_is_read(tmp_path: Path, keys: Any) -> None:
    content = {keys("data"): ROWS, keys("labels"): LABELS}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    assert np.array_equal(read_cifar10(tmp_path).pixels[3].transpose(2, 0, 1).ravel(), ROWS[3])


class TestBadFiles:
    def test_missing_ones_are_named(self, batches: Path, tmp_path: Path) -> None:
        (batches / "data_batch_3").unlink()
        with pytest.raises(DatasetError, match="data_batch_3 is missing"):
            read_cifar10(batches, train=True)
        with pytest.raises(DatasetError, match=r"no file test or test\.bin"):
            read_cifar100(tmp_path)

    def test_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        witness = tmp_path / "witness"
        hostile = b"cos\nmkdir\n(" + short(str(witness)) + b"tR."
        (tmp_path / "test_batch").write_bytes(hostile)
        with pytest.raises(DatasetError, match=r"refused to load 'os\.mkdir'"):
            read_cifar10(tmp_path)
        assert not witness.exists()

    def test_objects_in_an_array_are_refused(self, tmp_path: Path) -> None:
        content = {"data": np.array([None]), "labels": [0]}
        (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(DatasetError, match=r"no plain number at byte \d+: 'O8'"):
            read_cifar10(tmp_path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ([1], "holds a list, not a dict"),
            ({"labels": LABELS}, "no array `data` of rows of 3072 bytes"),
            ({"data": ROWS[:, :-1], "labels": LABELS}, "no array `data`"),
            ({"data": ROWS}, "no list `labels`"),
            ({"data": ROWS, "labels": [1, 2]}, "4 images and 2 labels"),
            ({"data": ROWS, "labels": [1, 2, 3, 10]}, "10 is not a label below 10"),
            ({"data": ROWS, "labels": [1, 2, 3, "cat"]}, "'cat' is not a label below 10"),
            ({"data": ROWS, "labels": [1, 2, 3, True]}, "True is not a label below 10"),
            ({"data": ROWS, "labels": LABELS, None: 1}, "a key that is neither text nor a number"),
            ({"data": ROWS, "labels": LABELS, (1, "a"): 1}, "neither text nor a number"),
            ({"data": [1, 2], "labels": LABELS}, "no array `data`"),
            ({"data": ROWS.astype(np.uint16), "labels": LABELS}, "not one of bytes in C order"),
        ],
    )
    def test_odd_contents_are_refused(self, tmp_path: Path, content: Any, message: str) -> None:
        (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(DatasetError, match=message):
            read_cifar10(tmp_path)

    def test_an_array_in_another_order_is_refused(self, tmp_path: Path) -> None:
        content = {"data": np.asfortranarray(ROWS), "labels": LABELS}
        (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(DatasetError, match="not one of bytes in C order"):
            read_cifar10(tmp_path)

    def test_names_of_the_wrong_number_are_refused(self, batches: Path) -> None:
        meta = {"label_names": NAMES[:9]}
        (batches / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
        with pytest.raises(DatasetError, match="does not name 10 classes"):
            read_cifar10(batches)

    @pytest.mark.parametrize("size", [0, 1, 3072, 3074])
    def test_binary_records_of_another_length_are_refused(self, tmp_path: Path, size: int) -> None:
        (tmp_path / "test_batch.bin").write_bytes(bytes(size))
        with pytest.raises(DatasetError, match=f"{size} bytes are not a multiple of 3073"):
            read_cifar10(tmp_path)


WHOLE = python2_batch(ROWS[:1, :48], [1])


@given(
    length=st.integers(0, len(WHOLE)),
    places=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_pickle_is_read_or_an_error_of_ours(
    tmp_path: Path, length: int, places: list[tuple[int, int]]
) -> None:
    damaged = bytearray(WHOLE)
    for place, value in places:
        damaged[place] = value
    (tmp_path / "test_batch").write_bytes(damaged[:length] if not places else damaged)
    with suppress(DatasetError):
        read_cifar10(tmp_path)


def test_labels_that_hold_another_one_twice_are_not_written_out(tmp_path: Path) -> None:
    label: list[Any] = []
    for _ in range(60):
        label = [label, label]
    content = {"data": ROWS[:1], "labels": [label]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DatasetError, match="is not a label below 10"):
        read_cifar10(tmp_path)


def test_a_text_is_not_copied_into_arrays_without_end(tmp_path: Path) -> None:
    text = b"T" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00"
    kind = b"cnumpy\ndtype\n" + short("u1") + b"K\x00K\x01\x87R"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short("b")
    array += b"\x87R(K\x01J" + struct.pack("<i", 100_000) + b"\x85" + kind + b"\x89h\x00tb"
    raw = b"}(K\x01" + text + b"K\x02](" + array + array * 5_000 + b"eu."
    (tmp_path / "test_batch").write_bytes(raw)
    with pytest.raises(DatasetError, match="copies more than it holds"):
        read_cifar10(tmp_path)
