"""What an archive of NAS-Bench-201 may lack and how it may be spelled: nothing is filled in."""

from __future__ import annotations

import bz2
import math
import pickle
import re
import tarfile
from collections import OrderedDict
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nasbench201_contents import (
    FIRST,
    SEED,
    Content,
    Refusal,
    WriteArchive,
    convert,
    items,
    run,
    runs,
)

from benchmark_db.nasbench201.benchmark import NasBench201
from generators.nasbench201 import generate


def test_all_layouts_of_one_archive_have_one_digest(
    content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    digests = {
        generate(write(tmp_path, content), tmp_path).content_digest for write in layouts.values()
    }
    assert len(digests) == 1


def test_the_order_of_the_records_does_not_matter(
    content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    expected = generate(layouts["zip"](tmp_path, content), tmp_path).content_digest
    infos = content["arch2infos"]
    content["arch2infos"] = {index: infos[index] for index in reversed(infos)}
    for budgets in infos.values():
        for record in budgets.values():
            record["all_results"] = dict(reversed(record["all_results"].items()))
    assert generate(layouts["zip"](tmp_path, content), tmp_path).content_digest == expected


@pytest.mark.usefixtures("unmeasured")
def test_ordered_dicts_and_numpy_scalars_are_read_as_plain_values(
    content: Content, write_archive: WriteArchive, tmp_path: Path
) -> None:
    expected = convert(write_archive, content, tmp_path)
    for budgets in content["arch2infos"].values():
        for record in budgets.values():
            for one in record["all_results"].values():
                for name in ("train_acc1es", "train_losses", "eval_acc1es", "eval_losses"):
                    one[name] = OrderedDict((k, np.float64(v)) for k, v in one[name].items())
                one["params"] = np.float64(one["params"])
                one["epochs"] = np.int64(one["epochs"])
    other = tmp_path / "other"
    other.mkdir()
    assert convert(write_archive, content, other) == expected


def test_a_missing_data_set_is_missing(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path
) -> None:
    for key in [key for key in runs(short_content) if key[0] == "cifar10"]:
        del runs(short_content)[key]
    found = convert(write_archive, short_content, tmp_path)
    assert {item["config"]["dataset"] for item in found} == {
        *("cifar10-valid", "cifar100", "imagenet16-120")
    }


def test_a_missing_seed_is_missing(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path
) -> None:
    runs(short_content).pop(("cifar10", 111))
    runs(short_content)["cifar10", 777] = pickle.loads(pickle.dumps(run(short_content)))
    assert [
        i["seed"] for i in convert(write_archive, short_content, tmp_path, dataset="cifar10")
    ] == [777]


@pytest.mark.parametrize("latency", [[], None, [math.nan], [math.nan, math.inf]])
def test_a_missing_latency_is_null_and_counted(
    short_content: Content, latency: Any, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    run(short_content)["latency"] = latency
    provenance = generate(layouts["zip"](tmp_path, short_content), tmp_path)
    assert provenance.contents["runs_without_latency"] == 1
    (item,) = items(tmp_path, dataset="cifar100", seed=SEED)
    assert item["latency"] is None


@pytest.mark.parametrize("times", [None, {}, "none at all"])
def test_archives_without_times_are_served_but_for_their_times(
    short_content: Content, times: Any, write_archive: WriteArchive, tmp_path: Path
) -> None:
    """As NAS-Bench-201-v1_0-e61699.pth is (AutoDL-Projects#55)."""
    whole = convert(write_archive, pickle.loads(pickle.dumps(short_content)), tmp_path)
    for one in runs(short_content).values():
        for name in ("train_times", "eval_times"):
            if times == "none at all":
                del one[name]
            else:
                one[name] = times
    other = tmp_path / "other"
    other.mkdir()
    found = convert(write_archive, short_content, other)
    names = {name for name in whole[0] if name.endswith("_time")}
    assert len(names) == 4
    assert all(item[name] is None for item in found for name in names)
    assert [without(item, names) for item in found] == [without(item, names) for item in whole]
    with closing(NasBench201(other / "nasbench201.db")) as benchmark:
        contents = benchmark.provenance.contents
        assert contents["runs_without_training_time"] == contents["runs"] == len(found)


def without(item: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def test_times_of_some_splits_are_served(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    run(short_content)["train_times"] = None
    seconds = run(short_content)["eval_times"]["x-valid@11"]
    run(short_content)["eval_times"] = {"x-valid@11": seconds}
    (item,) = convert(layouts["zip"], short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["training_time"] is item["test_evaluation_time"] is None
    assert item["valid_evaluation_time"] == seconds


def test_the_latency_is_the_mean_of_its_measurements(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    run(short_content)["latency"] = [0.01, 0.02, math.nan]
    (item,) = convert(layouts["zip"], short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["latency"] == pytest.approx(0.015)


@pytest.mark.parametrize("loss", [math.nan, math.inf, None])
def test_a_loss_that_is_no_number_is_null(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path, loss: float | None
) -> None:
    run(short_content)["train_losses"][11] = loss
    run(short_content)["eval_losses"]["x-test@5"] = loss
    (item,) = convert(write_archive, short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["train_loss"] is None
    assert item["intermediates"][11]["train_loss"] is None
    assert item["intermediates"][5]["test_loss"] is None
    assert item["intermediates"][4]["test_loss"] is not None


@pytest.mark.parametrize("loss", [1e39, 1.7e308])
def test_a_diverged_loss_is_kept_as_it_was_recorded(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path, loss: float
) -> None:
    for one in runs(short_content).values():
        one["train_losses"][11] = loss
    generate(layouts["zip"](tmp_path, short_content), tmp_path)
    benchmark = NasBench201(tmp_path / "nasbench201.db")
    for reduction in (None, "mean", "min", "max"):
        for item in benchmark.computed_stats({}, reduction=reduction).items:
            assert item["train_loss"] == loss
    benchmark.close()


def test_a_missing_split_is_null(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path
) -> None:
    run(short_content)["eval_names"].remove("x-valid")
    (item,) = convert(write_archive, short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["valid_acc"] is item["valid_loss"] is item["valid_evaluation_time"] is None
    assert item["test_acc"] is not None


def test_parameters_that_differ_between_runs_are_kept_as_recorded(
    content: Content, write_archive: WriteArchive, tmp_path: Path
) -> None:
    # Trap 7 of raw-formats.md: a quirk of about 200 architectures of the archive.
    first, *others = runs(content, "full").values()
    first["params"] = 0.1
    for other in others:
        other["params"] = 0.2
    found = convert(write_archive, content, tmp_path, arch=0, num_epochs=200)
    assert sorted({item["parameters"] for item in found}) == [0.1, 0.2]
    assert [item["parameters"] for item in found].count(0.1) == 1


def test_the_training_time_is_the_last_epoch_times_the_epochs(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    run(short_content)["train_times"] = {epoch: float(epoch) for epoch in range(12)}
    (item,) = convert(layouts["zip"], short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["training_time"] == 11.0 * 12


def test_an_accuracy_a_rounding_above_100_is_let_pass(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    run(short_content)["train_acc1es"][11] = 100.00000001
    (item,) = convert(layouts["zip"], short_content, tmp_path, dataset="cifar100", seed=SEED)
    assert item["train_acc"] == 100.00000001


def test_data_sets_are_read_in_any_case(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    runs(short_content)["CIFAR100", SEED] = runs(short_content).pop(FIRST)
    assert len(convert(layouts["zip"], short_content, tmp_path, dataset="cifar100", seed=SEED)) == 1


class TestPackings:
    @pytest.mark.parametrize("packing", ["tar", "whole"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_one_that_ends_too_early_is_refused(
        self,
        content: Content,
        layouts: dict[str, WriteArchive],
        refusal: Refusal,
        tmp_path: Path,
        packing: str,
        share: float,
    ) -> None:
        path = layouts[packing](tmp_path, content)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        assert re.search("truncated|ended before", refusal(path))

    def test_a_tar_file_cut_between_two_members_is_refused(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        path = layouts["tar"](tmp_path, content)
        with tarfile.open(path) as archive:
            last = max(archive.getmembers(), key=lambda member: member.offset)
        path.write_bytes(path.read_bytes()[: last.offset])
        assert "truncated" in refusal(path)

    def test_a_tar_file_with_a_damaged_header_is_refused(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        path = layouts["tar"](tmp_path, content)
        with tarfile.open(path) as archive:
            place = archive.getmembers()[1].offset
        raw = bytearray(path.read_bytes())
        raw[place + 150] ^= 0xFF
        path.write_bytes(raw)
        assert "truncated or damaged" in refusal(path)

    def test_what_macos_puts_beside_the_files_is_left_out(
        self, content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
    ) -> None:
        path = layouts["tar"](tmp_path, content)
        expected = generate(path, tmp_path).content_digest
        odd = tmp_path / "odd"
        odd.write_bytes(b"Mac OS X")
        with tarfile.open(path, "a") as archive:
            archive.add(odd, "NATS-tss-simple/._000000.pickle.pbz2")
            archive.add(odd, "__MACOSX/._meta.pickle.pbz2")
        assert generate(path, tmp_path).content_digest == expected

    def test_a_tar_file_of_two_archives_is_refused(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        path = layouts["tar"](tmp_path, content)
        with tarfile.open(path, "a") as archive:
            archive.add(path.with_suffix("") / "000000.pickle.pbz2", "b/000000.pickle.pbz2")
        assert "several archives" in refusal(path)

    def test_the_folder_above_the_archive_says_which_folder_is_meant(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        above = tmp_path / "downloads"
        above.mkdir()
        layouts["folder"](above, content)
        assert "the archive is NATS-tss-simple, a folder in downloads" in refusal(above)

    def test_an_archive_with_weights_says_which_has_none(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        path = layouts["folder"](tmp_path, content)
        weights = b"\x80\x02}U\x03abcctorch._utils\n_rebuild_tensor_v2\ns."
        (path / "000000.pickle.pbz2").write_bytes(bz2.compress(weights))
        assert "called …-simple has no weights" in refusal(path)

    def test_what_follows_the_whole_pickle_is_refused(
        self, content: Content, layouts: dict[str, WriteArchive], refusal: Refusal, tmp_path: Path
    ) -> None:
        path = layouts["whole"](tmp_path, content)
        path.write_bytes(path.read_bytes() + bz2.compress(b"more"))
        assert "something follows" in refusal(path)
