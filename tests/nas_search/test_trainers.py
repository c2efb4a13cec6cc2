"""Which trainers packages publish, of what code, and what a training may state of one."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from lab_trainers import CODE, PACKAGE, VERSION, install_trainers

from model_hub.errors import InvalidArgumentError
from nas_search.errors import OtherTrainerError, TrainerError, TrainerTwiceError
from nas_search.trainers import TrainerUse, installed_trainers, load_trainer, trainer_code
from service.jobs import JobSettings
from service.worker.offers import LocalOffers


def test_a_trainer_is_found_and_digested_without_being_imported(site: Path) -> None:
    quick, odd = trainer_code("quick"), trainer_code("odd")
    assert {"quick", "odd"} <= set(installed_trainers())
    assert (quick.name, quick.package, quick.version) == ("quick", PACKAGE, VERSION)
    assert quick.sha256 != odd.sha256
    digests = {quick.sha256}
    assert "labtrain" not in sys.modules
    # Cached bytecode and what editors leave are no code; every other file is.
    (site / "labtrain/__pycache__").mkdir()
    (site / "labtrain/__pycache__/x.pyc").write_text("x")
    (site / "labtrain/.x.swp").write_text("x")
    assert trainer_code("quick") == quick
    for place, name in enumerate(("table.json", "hidden.pyc"), 2):
        (site / "labtrain" / name).write_text("{}")
        digests.add(trainer_code("quick").sha256)
        assert len(digests) == place


def test_equal_files_have_equal_digests_wherever_they_lie(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = trainer_code("quick")
    monkeypatch.syspath_prepend(install_trainers(tmp_path / "elsewhere"))
    assert trainer_code("quick") == here
    (tmp_path / "elsewhere/labtrain/__init__.py").write_text(CODE + "# edited")
    assert trainer_code("quick").sha256 != here.sha256
    assert site.is_dir()


def test_only_the_code_that_is_stated_is_imported(site: Path) -> None:
    use = TrainerUse(name="quick").completed(
        {name: getattr(trainer_code("quick"), name) for name in ("package", "version", "sha256")}
    )
    assert use.is_complete
    (site / "labtrain/__init__.py").write_text("raise ValueError('edited')")
    with pytest.raises(OtherTrainerError, match=rf"quick here is {PACKAGE} {VERSION}"):
        load_trainer(use)
    with pytest.raises(TrainerError, match="cannot be imported: ValueError"):
        load_trainer(TrainerUse(name="quick"))
    (site / "labtrain/gone.py").symlink_to(site / "nowhere")
    with pytest.raises(TrainerError, match="a file of the trainer quick: No such file"):
        trainer_code("quick")
    (site / "labtrain/gone.py").unlink()
    with pytest.raises(OtherTrainerError, match="installed are: "):
        load_trainer(TrainerUse(name="fast"))
    (site / "labtrain/__init__.py").write_text("quick = 3")
    with pytest.raises(TrainerError, match="quick is no function but 3"):
        load_trainer(TrainerUse(name="quick"))


def test_one_that_two_packages_publish_or_that_has_no_files_is_none(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "more/other-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    points = about / "entry_points.txt"
    points.write_text("[nas_bench.trainers]\nquick = other:train\nlost = no_such_module:train\n")
    monkeypatch.syspath_prepend(about.parent)
    with pytest.raises(TrainerTwiceError, match=r"labtrain:quick and as other:train"):
        trainer_code("quick")
    with pytest.raises(TrainerError, match="there is no module no_such_module"):
        trainer_code("lost")
    assert site.is_dir()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no such thing!", "published as 'no such thing!', which is no module:function"),
        ("", "published as ''"),
        ("labtrain:", "published as 'labtrain:'"),
        ("..labtrain:quick", "published as '..labtrain:quick'"),
        ("1labtrain:quick", "published as '1labtrain:quick'"),
        ("no_such:train", "there is no module no_such, which the trainer new names"),
        ("sys:exit", "the module sys of the trainer new is no file"),
        ("\udcff", "entry points of the installed packages cannot be read: UnicodeDecodeError"),
        (None, "entry points of the installed packages cannot be read: TypeError"),
    ],
)
def test_a_package_whose_entry_points_are_damaged_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, says: str
) -> None:
    folder = install_trainers(tmp_path / "site")
    line = "new\n" if value is None else f"new = {value}\n"
    points = folder / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info/entry_points.txt"
    points.write_bytes(b"[nas_bench.trainers]\n" + line.encode(errors="surrogateescape"))
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(TrainerError, match=re.escape(says)):
        trainer_code("new")
    assert LocalOffers(JobSettings(datasets_dir=tmp_path, trainers="new")).current().trainers == {}


@pytest.mark.parametrize("metadata", ["", "Name: lab-trainers\n", "Version: 1.2\n"])
def test_a_package_without_a_name_or_a_version_has_no_trainer(site: Path, metadata: str) -> None:
    (site / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info/METADATA").write_text(metadata)
    with pytest.raises(TrainerError, match="belongs to no distribution with a version"):
        trainer_code("quick")


def test_all_that_an_import_may_read_is_digested_whatever_its_name_and_nothing_else(
    site: Path, tmp_path: Path
) -> None:
    package, digests = site / "labtrain", [trainer_code("quick").sha256]
    os.mkfifo(package / "pipe")
    (package / "back").symlink_to(package)
    assert trainer_code("quick").sha256 == digests[0]
    Path(os.fsdecode(os.fsencode(package) + b"/\xff\xfe.txt")).write_text("x")
    digests.append(trainer_code("quick").sha256)
    code = tmp_path / "elsewhere/__init__.py"
    code.parent.mkdir()
    (package / "linked").symlink_to(code.parent)
    for text in ("1", "22"):
        code.write_text(text)
        digests.append(trainer_code("quick").sha256)
    assert len(set(digests)) == 4


@pytest.mark.parametrize(
    ("stated", "member"),
    [
        (3, "name"),
        ({}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "x", "sha256": "0" * 63}, "sha256"),
        ({"name": "x", "package": "a b"}, "package"),
        ({"name": "x", "code": "import os"}, "code"),
        ({"name": "x", "options": [1]}, "options"),
        ({"name": "x", "options": {"a b": 1}}, "options"),
        ({"name": "x", "options": {"a": [1]}}, "options"),
        ({"name": "x", "options": {"a": None}}, "options"),
        ({"name": "x", "options": {"a": float("nan")}}, "options"),
        ({"name": "x", "options": {"a": 2**60}}, "options"),
        ({"name": "x", "options": {"a": -(10**400)}}, "options"),
        ({"name": "x", "options": {"a": float("inf")}}, "options"),
        ({"name": "x", "options": {"a": "x" * 201}}, "options"),
        ({"name": "x", "options": {"a": "\x1b[31m"}}, "options"),
        ({"name": "x", "options": {f"a{n}": n for n in range(33)}}, "options"),
    ],
)
def test_what_states_no_trainer_is_refused_by_member(stated: Any, member: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        TrainerUse.from_dict(stated)
    assert caught.value.argument == member


def test_equal_options_are_stated_alike() -> None:
    one = TrainerUse.from_dict({"name": "x", "options": {"b": 1.0, "a": True}})
    other = TrainerUse.from_dict({"options": {"a": True, "b": 1}, "name": "x"})
    assert one.as_dict() == other.as_dict() == {"name": "x", "options": {"a": True, "b": 1}}
    assert TrainerUse.from_dict("x").as_dict() == {"name": "x"}
