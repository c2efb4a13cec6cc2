"""Which folder is which class: the same in folders and archives, and refused where in doubt."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from model_hub.evaluation import (
    ClassesError,
    DatasetError,
    ImageFiles,
    LabelError,
    evaluate,
    read_folder,
    read_tar,
)
from model_hub.evaluation.storage import is_hidden
from model_hub.protocols import EvaluationProtocol

Made: TypeAlias = Callable[..., ImageFiles]


def png() -> bytes:
    content = io.BytesIO()
    Image.new("L", (2, 2)).save(content, "PNG")
    return content.getvalue()


def in_folder(where: Path, files: dict[str, bytes], folders: tuple[str, ...]) -> ImageFiles:
    for name in folders:
        (where / name).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return read_folder(where)


def in_tar(where: Path, files: dict[str, bytes], folders: tuple[str, ...]) -> ImageFiles:
    where.mkdir(exist_ok=True)
    with tarfile.open(where / "images.tar", "w") as archive:
        for name in folders:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return read_tar(where / "images.tar")


@pytest.fixture(params=[in_folder, in_tar])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Makes a data set of images by their names, and of other files; in a folder or an archive."""

    def make(*images: str, folders: tuple[str, ...] = (), **texts: str | bytes) -> ImageFiles:
        files = {name: png() for name in images}
        for name, text in texts.items():
            content = text if isinstance(text, bytes) else text.encode()
            files[name.replace("_", ".")] = content
        return request.param(tmp_path / "images", files, folders)  # type: ignore[no-any-return]

    return make


def labels(images: ImageFiles) -> dict[str, int]:
    return dict(zip(images.names, images.labels, strict=True))


def test_folders_that_are_numbers_are_the_labels_that_they_say(made: Made) -> None:
    images = made(*(f"{number}/a.png" for number in range(12)))
    assert images.classes == tuple(map(str, range(12)))
    assert labels(images) == {f"{number}/a.png": number for number in range(12)}


@given(count=st.integers(1, 120), padding=st.integers(1, 4))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_numbers_are_numbers_however_many_and_however_padded(
    tmp_path_factory: pytest.TempPathFactory, count: int, padding: int
) -> None:
    where = tmp_path_factory.mktemp("numbers")
    names = [f"{number:0{padding}}" for number in range(count)]
    images = in_tar(where, {f"{name}/a.png": png() for name in names}, ())
    assert labels(images) == {f"{name}/a.png": int(name) for name in names}


def test_other_names_are_in_the_order_of_their_letters(made: Made) -> None:
    names = ["n01440764", "n01443537", "n02085620", "Zebra", "ant"]
    images = made(*(f"{name}/a.png" for name in names))
    assert images.classes == tuple(sorted(names))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1", "2", "3"], r"the folders '1', '2', '3' are numbers, but not 0 to 2"),
        (["0", "2", "3"], "are numbers, but not 0 to 2"),
        (["0", "1", "01"], "are numbers, but not 0 to 2, each once"),
        (["00", "0", "1"], "are numbers, but not"),
        (["3", "17", "281"], "are numbers, but not"),
        (["0", "1", "cat"], "some folders are numbers, and 'cat' not"),
        (["class1", "class2", "class10"], "is not the order of the numbers in their names"),
        (["dog_9", "dog_11", "cat"], "is not the order of the numbers in their names"),
        (["Cat", "cat", "dog"], "'Cat' and 'cat' differ only in case"),
        (["caf\u00e9", "cafe\u0301"], "differ only in case or in the encoding of accents"),
    ],
)
def test_an_order_that_is_in_doubt_is_refused_until_it_is_stated(
    made: Made, names: list[str], message: str
) -> None:
    files = [f"{name}/a.png" for name in names]
    with pytest.raises(DatasetError, match=message) as refused:
        made(*files)
    assert "classes.txt beside the folders" in str(refused.value)
    images = made(*files, classes_txt="\n".join(reversed(names)))
    assert images.classes == tuple(reversed(names))
    assert labels(images)[files[0]] == len(names) - 1


HIDDEN = [
    ".ipynb_checkpoints/a.png",
    ".git/objects/a.png",
    "__MACOSX/cat/._a.png",
    "cat/._a.png",
    "cat/.ipynb_checkpoints/a-checkpoint.png",
    "cat/.DS_Store",
    "cat/Thumbs.db",
    "@eaDir/a.png",
    "lost+found/a.png",
    "$RECYCLE.BIN/a.png",
    ".DS_Store",
]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_systems_and_tools_leave_behind_is_no_class_and_no_image(
    made: Made, hidden: str
) -> None:
    images = made("cat/a.png", "dog/a.png", hidden)
    assert images.classes == ("cat", "dog")
    assert labels(images) == {"cat/a.png": 0, "dog/a.png": 1}
    assert is_hidden(hidden)


def test_empty_hidden_folders_are_no_classes_and_other_empty_ones_are(made: Made) -> None:
    images = made("cat/a.png", "dog/a.png", folders=(".git", ".cache", "bird"))
    assert images.classes == ("bird", "cat", "dog")


@pytest.mark.parametrize(
    "names",
    [
        ["train/cat/a.png", "train/dog/b.png"],
        ["train/cat/a.png", "val/dog/b.png"],
        ["flowers/rose/a.png", "flowers/lily/b.png"],
        ["flowers/rose/a.png"],
        ["a/rose/a.png", "b/lily/b.png"],
        ["train/a.png", "test/b.png"],
        ["images/a/a.png", "images/b/a.png"],
        ["cat/a.png", "train/cat/a.png"],
        ["Val/x/a.png", "cat/a.png"],
    ],
)
def test_a_folder_one_level_too_deep_is_refused_with_what_is_wanted(
    made: Made, names: list[str]
) -> None:
    with pytest.raises(DatasetError, match=r"not the outermost folders.*expected is CLASS/IMAGE"):
        made(*names)


@pytest.mark.parametrize("table", ["labels.csv", "classes.txt"])
def test_a_table_one_level_too_deep_is_refused(tmp_path: Path, table: str) -> None:
    files = {"flowers/a.png": png(), f"flowers/{table}": b"file,label\na.png,0\n"}
    with pytest.raises(DatasetError, match=f"it contains {table}.*use 'flowers' in it"):
        in_folder(tmp_path, files, ())


def test_classes_may_have_folders_of_their_own(made: Made) -> None:
    assert made("n01/images/a.png", "n02/images/b.png").classes == ("n01", "n02")


def test_classes_may_have_folders_beside_their_images(made: Made) -> None:
    assert made("n01/deep/a.png", "n02/b.png").classes == ("n01", "n02")


@pytest.mark.parametrize(
    "text", ["dog\ncat\n", "\ufeffdog\r\ncat\r\n", "dog\ncat", " dog \rcat\n\n"]
)
def test_a_stated_order_is_taken(made: Made, text: str) -> None:
    images = made("cat/a.png", "dog/b.png", classes_txt=text)
    assert images.classes == ("dog", "cat")
    assert labels(images) == {"cat/a.png": 1, "dog/b.png": 0}
    assert images.order_stated


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat\n", r"classes\.txt lacks the folders 'dog'"),
        ("Cat\ndog\n", "lacks the folders 'cat'; the nearest are Cat"),
        ("cat\ndog\ncat\n", "line 3: 'cat' is also in line 1"),
        ("cat\n\ndog\n", "line 2 is empty"),
        ("", "line 1 is empty"),
        (b"cat\xff\ndog", "is not UTF-8 text"),
        ("x\n" * 17_000_000, "has more than 33554432 bytes"),
    ],
)
def test_a_stated_order_that_is_none_is_refused(
    made: Made, text: str | bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        made("cat/a.png", "dog/b.png", classes_txt=text)


class Fixed(nn.Module):
    """Answers the first of some outputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        return torch.eye(self.outputs)[:1].expand(len(x), -1)


def evaluated(images: ImageFiles, outputs: int, offset: int = 0) -> str:
    protocol = EvaluationProtocol(dataset="mine", input_size=2, label_offset=offset)
    return str(evaluate(Fixed(outputs), images, protocol))


@pytest.mark.parametrize(("outputs", "offset"), [(1000, 0), (3, 0), (1, 0), (3, 1), (4, 1), (2, 1)])
def test_classes_that_are_not_those_of_the_outputs_are_refused(
    made: Made, outputs: int, offset: int
) -> None:
    images = made("cat/a.png", "dog/b.png")
    if outputs - offset == 2:
        assert f"2 classes, {outputs} outputs" in evaluated(images, outputs, offset)
        return
    with pytest.raises(LabelError, match=f"{outputs} outputs"):
        evaluated(images, outputs, offset)


def test_more_classes_than_outputs_are_refused_even_if_the_last_have_no_images(made: Made) -> None:
    images = made("cat/a.png", folders=("zebra",))
    with pytest.raises(ClassesError, match="the data set has 2 classes, but the network has 1 out"):
        evaluated(images, 1)


def test_a_few_of_many_classes_are_evaluated_where_all_are_stated(made: Made) -> None:
    names = [f"n{number:08}" for number in range(1000)]
    images = made("n00000007/a.png", "n00000981/b.png", classes_txt="\n".join(names))
    assert labels(images) == {"n00000007/a.png": 7, "n00000981/b.png": 981}
    assert "1,000 classes, 1,000 outputs" in evaluated(images, 1000)


def test_the_first_classes_may_be_stated_alone(made: Made) -> None:
    images = made("cat/a.png", "dog/b.png", classes_txt="dog\ncat\n")
    assert "2 classes, 1,000 outputs" in evaluated(images, 1000)


def test_a_table_of_labels_states_them_and_its_labels_are_compared_at_once(made: Made) -> None:
    images = made("a.png", "b.png", labels_csv="file,label\na.png,0\nb.png,3\n")
    assert "2 classes, 4 outputs" in evaluated(images, 4)
    with pytest.raises(LabelError, match="label 3 with offset 0, but the network has 3 outputs"):
        evaluated(images, 3)


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffile,label\na.png,1\nb.png,0\n",
        "file,label\r\na.png,1\r\nb.png,0\r\n",
        '"file","label"\n"a.png","1"\n"b.png","0"\n',
        "\n\nfile,label\n\na.png,1\n  \nb.png,0\n\n",
        "a.png,1\nb.png,0\n",
        "\ufeffa.png,1\r\nb.png,0",
        "File, Label\na.png, 1\n b.png ,0\n",
        "label,file\n1,a.png\n0,./b.png\n",
        "file,label,author\na.png,1,\nb.png,0\n",
    ],
)
def test_tables_as_programs_write_them_are_read(made: Made, text: str) -> None:
    images = made("a.png", "b.png", labels_csv=text)
    assert labels(images) == {"a.png": 1, "b.png": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file;label\na.png;1\n", "expected is a first line `file,label`; .*semicolons"),
        ("a.png;1\n", "semicolons"),
        ("file\tlabel\na.png\t1\n", "tabs"),
        ("path,class\na.png,1\n", "expected is a first line `file,label`"),
        ("c.png,1\n", "expected is a first line `file,label`"),
        ("file,label,label\na.png,1,1\n", "two columns `label`"),
        ("file,label\na.png,1\na.png,1\n", r"line 3: a\.png is also in line 2"),
        ("file,label\na.png,1\n./a.png,0\n", r"line 3: a\.png is also in line 2"),
        ("file,label\nc.png,1\n", "line 2: there is no file"),
        ("file,label\n.\\a.png,1\n", "names have slashes"),
        ("file,label\na.png,1.0\n", r"line 2: '1\.0' is not a label"),
        ("file,label\na.png,1_0\n", "line 2: '1_0' is not a label"),
        ("file,label\na.png,\u0661\n", "is not a label"),
        ("file,label\na.png,1048576\n", "is not a label"),
        ("file,label\na.png,99999999999999999999\n", "is not a label"),
        ("file,label\na.png,1,2\n", "3 fields for 2 columns"),
        ("file,label\na.png,1\n".encode("utf-16"), "is not UTF-8 text"),
        ("file,label\n" + "a" * 200_000 + ",1\n", "is not a CSV file"),
    ],
)
def test_tables_that_state_no_labels_are_refused(
    made: Made, text: str | bytes, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        made("a.png", "b.png", labels_csv=text)


def test_labels_may_have_names(made: Made) -> None:
    images = made("a.png", labels_csv="file,label\na.png,1\n", classes_txt="cat\ndog\n")
    assert images.classes == ("cat", "dog")
    with pytest.raises(DatasetError, match=r"has 1 classes, and labels\.csv label 1"):
        made("a.png", labels_csv="file,label\na.png,1\n", classes_txt="cat\n")
