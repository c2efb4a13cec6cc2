"""Small archives in every layout, made to order, and what a refused one must leave alone."""

from __future__ import annotations

import bz2
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample
from safe_pickle import ArchiveError

Content: TypeAlias = dict[str, Any]
WriteArchive: TypeAlias = Callable[[Path, Content], Path]
Refusal: TypeAlias = Callable[..., str]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
SEED = 111
BUDGETS = {"less": "12", "full": "200"}


def write_zip(folder: Path, content: Content) -> Path:
    """Write an archive as torch.save has done since 1.6."""
    path = folder / "archive.pth"
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("archive/data.pkl", pickle.dumps(content, 2))
        container.writestr("archive/version", "3\n")
    return path


def write_legacy(folder: Path, content: Content) -> Path:
    """Write an archive as torch.save did before 1.6."""
    path = folder / "legacy.pth"
    with path.open("wb") as file:
        for part in (MAGIC_NUMBER, 1001, SYSTEM, content, []):
            pickle.dump(part, file, 2)
    return path


@lru_cache(maxsize=4)
def packed(data: bytes) -> bytes:
    """Compress what lists all architectures, a tenth of a second, once for most of the tests."""
    return bz2.compress(data, 1)


def write_folder(folder: Path, content: Content) -> Path:
    """Write an archive as NATS-Bench does."""
    path = folder / "NATS-tss-simple"
    path.mkdir(exist_ok=True)
    records = content["arch2infos"]
    meta = {**content, "arch2infos": None}
    (path / "meta.pickle.pbz2").write_bytes(packed(pickle.dumps(meta)))
    for index, budgets in records.items():
        named = {BUDGETS.get(name, name): record for name, record in budgets.items()}
        compressed = bz2.compress(pickle.dumps(named), 1)
        (path / f"{index:06d}.pickle.pbz2").write_bytes(compressed)
    return path


def write_tar(folder: Path, content: Content) -> Path:
    """Pack the folder of NATS-Bench as it is published, the records before what lists them."""
    unpacked = write_folder(folder, content)
    path = folder / "NATS-tss-simple.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(unpacked.iterdir()):
            archive.add(file, f"NATS-tss-simple/{file.name}")
    return path


def write_whole(folder: Path, content: Content) -> Path:
    """Write all architectures as one pickle, as NATS-Bench does, too."""
    path = folder / "NATS-tss.pickle.pbz2"
    records = {
        index: {BUDGETS.get(name, name): record for name, record in budgets.items()}
        for index, budgets in content["arch2infos"].items()
    }
    path.write_bytes(bz2.compress(pickle.dumps({**content, "arch2infos": records}), 1))
    return path


LAYOUTS = {"zip": write_zip, "legacy": write_legacy, "folder": write_folder}


@pytest.fixture(params=LAYOUTS)
def write_archive(request: pytest.FixtureRequest) -> WriteArchive:
    """Each of the three layouts in turn."""
    return LAYOUTS[request.param]


@pytest.fixture(scope="session")
def layouts() -> dict[str, WriteArchive]:
    """All packings by name."""
    return {**LAYOUTS, "tar": write_tar, "whole": write_whole}


@pytest.fixture(scope="session")
def pickled_content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = write_sample(tmp_path_factory.mktemp("content"), architectures=3, seed=3)
    with zipfile.ZipFile(path) as container:
        return container.read("archive/data.pkl")


@pytest.fixture
def content(pickled_content: bytes) -> Content:
    """What a made-up archive of three architectures holds, to be changed at will."""
    content: Content = pickle.loads(pickled_content)
    return content


@pytest.fixture
def short_content(content: Content) -> Content:
    """One architecture at 12 epochs, with seed 111 alone: quick to convert."""
    record = content["arch2infos"][0]["less"]
    for dataset, seed in list(record["all_results"]):
        if seed != SEED:
            del record["all_results"][dataset, seed]
    content["arch2infos"] = {0: {"less": record}}
    return content


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    return snapshot


@pytest.fixture
def refusal(tmp_path: Path, sample_database: Path) -> Refusal:
    """Converts an archive that must be refused, and gives the message.

    The folder has a database already, which must survive, and nothing else may be left there.
    """
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "nasbench201.db").write_bytes(sample_database.read_bytes())

    def refused(raw: Path, kind: type[Exception] = ArchiveError) -> str:
        before = snapshot(folder)
        with pytest.raises(kind) as caught:
            generate(raw, folder)
        assert snapshot(folder) == before
        return str(caught.value)

    return refused
