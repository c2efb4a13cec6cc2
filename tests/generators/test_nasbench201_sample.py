"""The made-up archive: labelled, repeatable, of the form of the real one."""

from __future__ import annotations

import bz2
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmark_db.nasbench201.benchmark import NasBench201
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample
from generators.source import Source, identified, identify
from safe_pickle import ArchiveError


def content(path: Path) -> Any:
    with zipfile.ZipFile(path) as container:
        return pickle.loads(container.read("archive/data.pkl"))


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    first, again, other = (
        content(write_sample(tmp_path / str(n), architectures=2, seed=seed))
        for n, seed in enumerate((5, 5, 6))
    )
    assert first == again
    assert first["arch2infos"] != other["arch2infos"]


def test_a_longer_sample_begins_like_a_shorter_one(tmp_path: Path) -> None:
    short = content(write_sample(tmp_path / "short", architectures=2))
    long = content(write_sample(tmp_path / "long", architectures=3))
    assert list(long["arch2infos"]) == [0, 1, 2]
    assert {i: long["arch2infos"][i] for i in (0, 1)} == short["arch2infos"]


def test_it_says_of_itself_that_it_is_made_up(sample_archive: Path) -> None:
    assert "made up" in content(sample_archive)["synthetic"]
    assert "synthetic" in sample_archive.name


def test_it_has_the_form_of_the_real_archive(sample_archive: Path, real_folder: Path) -> None:
    real = pickle.loads(bz2.decompress((real_folder / "000000.pickle.pbz2").read_bytes()))
    made = content(sample_archive)["arch2infos"][0]
    for ours, theirs in (("less", "12"), ("full", "200")):
        runs = made[ours]["all_results"]
        for key, run in runs.items():
            dataset = key[0]
            model = next(r for k, r in real[theirs]["all_results"].items() if k[0] == dataset)
            assert set(run) == set(model)
            assert set(run["eval_names"]) == set(model["eval_names"])
            assert set(run["train_acc1es"]) == set(model["train_acc1es"])
            assert set(run["eval_acc1es"]) == set(model["eval_acc1es"]) == set(run["eval_losses"])


def test_its_numbers_are_plausible(sample: NasBench201) -> None:
    for item in sample.computed_stats({}, limit=1000).items:
        for name in ("train_acc", "test_acc", "ori_test_acc"):
            assert 0 <= item[name] <= 100
        assert 0.05 < item["parameters"] < 2
        assert 5 < item["flops"] < 250
        assert 0.001 < item["latency"] < 0.1
        assert item["training_time"] > 0


def test_a_sample_of_nothing_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds no run"):
        generate(write_sample(tmp_path, architectures=0), tmp_path)


def test_progress_is_told_after_every_architecture(sample_archive: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(sample_archive, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 15_625) for done in range(1, 13)]


def test_a_source_is_identified_while_it_is_read(sample_archive: Path) -> None:
    with identified(sample_archive) as source:
        pass
    assert source.result() == identify(sample_archive)


def test_a_source_that_cannot_be_read_is_the_systems_error(tmp_path: Path) -> None:
    with identified(tmp_path / "none") as source:
        pass
    with pytest.raises(FileNotFoundError):
        source.result()


def test_the_digest_of_a_folder_is_that_of_its_listing(tmp_path: Path) -> None:
    # printf 'a' > x; printf 'bc' > y; mkdir z; sha256sum x y | sha256sum
    (tmp_path / "x").write_bytes(b"a")
    (tmp_path / "y").write_bytes(b"bc")
    (tmp_path / "z").mkdir()
    digest = "284ddbb5f2683754a4dcab9170a278a6401ee7348aa3745227285ffdf3b79857"
    assert identify(tmp_path) == Source(tmp_path.name, 3, digest)
