"""Archives cut short or with flipped bits: noticed, or read as though nothing had been."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from generators.nasbench201 import generate
from safe_pickle import ArchiveError

Content = dict[str, Any]
WriteArchive = Callable[[Path, Content], Path]
FilesOf = Callable[[Path], dict[str, bytes]]
Refusal = Callable[..., str]

FLIPS = 30
CUTS = 25


@pytest.fixture
def out(tmp_path: Path, sample_database: Path) -> Path:
    """A folder that has the database of another archive."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "nasbench201.db").write_bytes(sample_database.read_bytes())
    return folder


@pytest.fixture
def digest(short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path) -> str:
    """The content digest of the undamaged archive."""
    folder = tmp_path / "undamaged"
    folder.mkdir()
    return generate(layouts["zip"](folder, short_content), folder).content_digest


def flipped(data: bytes, rng: Random) -> bytes:
    damaged = bytearray(data)
    damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def rng() -> Random:
    return Random(201)  # noqa: S311 - repeatable, not secret


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_an_archive_cut_short_is_refused_wherever_it_ends(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    layout: str,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    path = layouts[layout](tmp_path, short_content)
    whole = path.read_bytes()
    ends = rng().sample(range(len(whole)), CUTS)
    for end in {0, 1, 4, 100, *ends, len(whole) - 22, len(whole) - 1}:
        path.write_bytes(whole[:end])
        assert refusal(path)


def test_a_compressed_record_cut_short_is_refused_by_its_name(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal
) -> None:
    folder = layouts["folder"](tmp_path, short_content)
    for name in ("000000.pickle.pbz2", "meta.pickle.pbz2"):
        path = folder / name
        whole = path.read_bytes()
        for end in {0, 1, 4, 20, *rng().sample(range(len(whole)), CUTS // 2), len(whole) - 1}:
            path.write_bytes(whole[:end])
            assert name in refusal(folder)
        path.write_bytes(whole)


@pytest.mark.usefixtures("unmeasured")
def test_a_flipped_bit_of_a_zip_is_never_served(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    tmp_path: Path,
    out: Path,
    digest: str,
    files_of: FilesOf,
) -> None:
    path = layouts["zip"](tmp_path, short_content)
    whole, before, random = path.read_bytes(), files_of(out), rng()
    refused = 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(whole, random))
        try:
            assert generate(path, out).content_digest == digest
        except ArchiveError:
            assert files_of(out) == before
            refused += 1
        else:  # in a part that holds no data
            (out / "nasbench201.db").write_bytes(before["nasbench201.db"])
    assert refused > FLIPS / 2


@pytest.mark.usefixtures("unmeasured")
def test_a_flipped_bit_of_a_compressed_record_is_never_served(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    tmp_path: Path,
    out: Path,
    digest: str,
    files_of: FilesOf,
) -> None:
    folder = layouts["folder"](tmp_path, short_content)
    path = folder / "000000.pickle.pbz2"
    whole, before, random = path.read_bytes(), files_of(out), rng()
    for _ in range(FLIPS):
        path.write_bytes(flipped(whole, random))
        try:
            assert generate(folder, out).content_digest == digest
        except ArchiveError as error:
            assert path.name in str(error)  # noqa: PT017 - a flip may also hit nothing
            assert files_of(out) == before
        else:
            (out / "nasbench201.db").write_bytes(before["nasbench201.db"])


@pytest.mark.usefixtures("unmeasured")
def test_a_flipped_bit_of_the_oldest_container_is_a_database_or_refused(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    tmp_path: Path,
    out: Path,
    files_of: FilesOf,
) -> None:
    # This container has no checksum: a digit may change unnoticed, but nothing may break.
    path = layouts["legacy"](tmp_path, short_content)
    whole, before, random = path.read_bytes(), files_of(out), rng()
    for _ in range(FLIPS):
        path.write_bytes(flipped(whole, random))
        try:
            generate(path, out)
        except ArchiveError:
            assert files_of(out) == before
        else:
            assert list(files_of(out)) == ["nasbench201.db"]
            (out / "nasbench201.db").write_bytes(before["nasbench201.db"])
