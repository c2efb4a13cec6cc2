"""What an archive of NAS-Bench-201 may not be: defects, other things, harm."""

from __future__ import annotations

import bz2
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from measuring import unmeasured
from nasbench201_contents import FIRST, Content, Refusal, WriteArchive, run, runs

from generators.nasbench201 import generate
from safe_pickle import UnsafePickleError

# What may not be.


def setting(name: str, value: Any) -> Callable[[Content], None]:
    return lambda content: run(content).__setitem__(name, value)


def within(name: str, key: Any, value: Any) -> Callable[[Content], None]:
    return lambda content: run(content)[name].__setitem__(key, value)


def dropping(name: str) -> Callable[[Content], None]:
    return lambda content: run(content).__delitem__(name)


def adding(key: Any) -> Callable[[Content], None]:
    return lambda content: runs(content).__setitem__(key, run(content))


def record(name: str, value: Any) -> Callable[[Content], None]:
    return lambda content: content["arch2infos"][0]["less"].__setitem__(name, value)


def budget(name: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        infos = content["arch2infos"][0]
        infos[name] = infos.pop("less")

    return change


HERE = "architecture 0, 12 epochs, cifar100 seed 111"

DEFECTS: dict[str, tuple[Callable[[Content], None], str]] = {
    "accuracy 150": (within("train_acc1es", 3, 150.0), f"{HERE}, training: accuracy "),
    "negative accuracy": (within("eval_acc1es", "x-test@2", -1.0), f"{HERE}, x-test: accuracy"),
    "infinite accuracy": (within("train_acc1es", 3, math.inf), "is not a percentage"),
    "accuracy in words": (within("train_acc1es", 3, "high"), "'high' is not a decimal number"),
    "true accuracy": (within("train_acc1es", 3, value=True), "True is not a decimal number"),
    "loss in words": (within("eval_losses", "x-test@2", "low"), f"{HERE}, x-test: 'low'"),
    "negative time": (within("train_times", 11, -1.0), f"{HERE}, time: -1.0 is not an amount"),
    "negative evaluation": (within("eval_times", "x-test@11", -0.5), "evaluation time of x-test"),
    "endless time": (within("train_times", 11, 10**400), "is not an amount"),
    "enormous time": (within("train_times", 11, 1e300), "is not an amount"),
    "negative latency": (setting("latency", [-0.1]), f"{HERE}, latency: -0.1"),
    "latency in words": (setting("latency", ["fast"]), "'fast' is not an amount"),
    "latency a number": (setting("latency", 0.5), "latency 0.5 is not a list"),
    "enormous latency": (setting("latency", [1e308, 1e308]), "is not an amount"),
    "no parameters": (setting("params", None), f"{HERE}: no 'params'"),
    "parameters missing": (dropping("params"), f"{HERE}: no 'params'"),
    "negative parameters": (setting("params", -1.0), f"{HERE}, params"),
    "parameters NaN": (setting("params", math.nan), "no 'params'"),
    "true flops": (setting("flop", value=True), "True is not an amount"),
    "flops in words": (setting("flop", "many"), "'many' is not an amount"),
    "wrong epochs": (setting("epochs", 200), f"{HERE}: a run of 200 epochs among runs of 12"),
    "epochs missing": (dropping("epochs"), f"{HERE}: no usable 'epochs'"),
    "accuracies missing": (dropping("train_acc1es"), "no usable 'train_acc1es' (None)"),
    "losses a list": (setting("train_losses", [1.0] * 12), "no usable 'train_losses'"),
    "split names missing": (dropping("eval_names"), "no usable 'eval_names'"),
    "evaluations missing": (dropping("eval_acc1es"), "no usable 'eval_acc1es'"),
    "configuration missing": (dropping("arch_config"), "no usable 'arch_config'"),
    "no channels": (within("arch_config", "channel", 0), "channel 0 in arch_config is not a count"),
    "true cells": (within("arch_config", "num_cells", value=True), "num_cells True"),
    "endless channels": (within("arch_config", "channel", 2**70), "is not a count"),
    "run a list": (lambda content: runs(content).__setitem__(FIRST, [1]), "no usable 'epochs'"),
    "unknown data set": (adding(("svhn", 111)), "12 epochs: unknown data set 'svhn'"),
    "data set a number": (adding((3, 111)), "(3, 111) is not a data set and a seed"),
    "seed in words": (adding(("cifar10", "111")), "is not a data set and a seed"),
    "seed true": (adding(("cifar10", True)), "is not a data set and a seed"),
    "seed negative": (adding(("cifar10", -1)), "is not a data set and a seed"),
    "seed endless": (adding(("cifar10", 2**63)), "is not a data set and a seed"),
    "no pair": (adding("cifar10"), "'cifar10' is not a data set and a seed"),
    "run twice": (adding(("CIFAR100", 111)), "CIFAR100 seed 111: recorded twice"),
    "results missing": (record("all_results", None), "12 epochs: no usable 'all_results'"),
    "other architecture": (
        record("arch_str", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
        "architecture 0: its record is of '|none~0|+",
    ),
    "no architecture": (record("arch_str", None), "architecture 0: its record is of None"),
    "record a list": (
        lambda content: content["arch2infos"].__setitem__(0, {"less": []}),
        "architecture 0: its record is of None",
    ),
    "budget unknown": (budget("90"), "architecture 0, 90 epochs: not a training budget"),
    "budget in words": (budget("some"), "architecture 0: 'some' is not a training budget"),
    "budget endless": (budget("9" * 5000), "is not a training budget"),
    "budget of another script": (
        budget("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}"),
        "is not a training budget",
    ),
    "no run": (lambda content: runs(content).clear(), "holds no run"),
    "no budget": (lambda content: content["arch2infos"][0].clear(), "holds no run"),
    "no architectures": (lambda content: content["arch2infos"].clear(), "holds no run"),
    "names missing": (lambda content: content.pop("meta_archs"), "lists no architectures"),
    "one name less": (lambda content: content["meta_archs"].pop(), "lists 15624 architectures"),
    "names in another order": (
        lambda content: content["meta_archs"].reverse(),
        "the archive of another benchmark",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("layout", ["zip", "folder"])
def test_a_defect_is_refused_with_its_place(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    layout: str,
    tmp_path: Path,
    refusal: Refusal,
    defect: str,
) -> None:
    change, says = DEFECTS[defect]
    change(short_content)
    raw = layouts[layout](tmp_path, short_content)
    with nullcontext() if layout == "zip" else unmeasured():
        message = refusal(raw)
    assert says in message
    assert len(message) < 500


def test_seeds_that_trained_different_networks_are_refused(
    content: Content, write_archive: WriteArchive, tmp_path: Path, refusal: Refusal
) -> None:
    all_runs = runs(content, "full")
    all_runs["cifar10", 777] = all_runs["cifar10", 888] = next(iter(all_runs.values()))
    all_runs["cifar10", 888] = {
        **all_runs["cifar10", 888],
        "arch_config": {**all_runs["cifar10", 888]["arch_config"], "channel": 32},
    }
    message = refusal(write_archive(tmp_path, content))
    assert (
        "architecture 0, 200 epochs, cifar10 seed 888: channel and num_cells are (32, 5)" in message
    )


def test_a_budget_under_two_names_is_refused(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path, refusal: Refusal
) -> None:
    infos = short_content["arch2infos"][0]
    infos["012"] = infos["less"]
    message = refusal(write_archive(tmp_path, short_content))
    assert "architecture 0: a training budget recorded twice" in message


@pytest.mark.parametrize("index", [-1, 15_625, 2**70, "0", None, 0.0, True, (1,)])
def test_an_index_outside_the_space_is_refused(
    short_content: Content,
    layouts: dict[str, WriteArchive],
    tmp_path: Path,
    refusal: Refusal,
    index: Any,
) -> None:
    short_content["arch2infos"] = {index: short_content["arch2infos"].pop(0)}
    message = refusal(layouts["zip"](tmp_path, short_content))
    assert "not an index below 15625" in message


def test_records_that_are_no_dict_are_refused(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal
) -> None:
    short_content["arch2infos"][0] = [1, 2]
    message = refusal(layouts["zip"](tmp_path, short_content))
    assert "architecture 0: its records are not a dict ([1, 2])" in message


def test_an_index_written_twice_is_refused(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal
) -> None:
    # A dict cannot hold a key twice, but a pickle of one can: 1 becomes a second 0.
    infos = short_content["arch2infos"]
    infos[1] = pickle.loads(pickle.dumps(infos[0]))
    key = b"K\x01}"
    whole = pickle.dumps(short_content, 2)
    assert whole.count(key) == 1
    path = layouts["zip"](tmp_path, {})
    _store(path, whole.replace(key, b"K\x00}"))
    assert "architecture 0: recorded twice" in refusal(path)


def _store(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("archive/data.pkl", data)


# What is another thing altogether.


def test_an_archive_that_does_not_exist_is_the_systems_error(
    tmp_path: Path, refusal: Refusal
) -> None:
    refusal(tmp_path / "nowhere.pth", FileNotFoundError)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello\n" * 1000, "neither a zip archive nor a pickle"),
        (b"\x00" * 1000, "neither a zip archive nor a pickle"),
        (b"\x1f\x8b" + bytes(1000), "neither a zip archive nor a pickle"),
        (b"PK\x03\x04" + bytes(1000), "truncated or damaged"),
        (pickle.dumps({"meta_archs": []}), "without torch's magic number"),
        (pickle.dumps({"arch2infos": {}}, 0), "neither a zip archive nor a pickle"),
        (b"SQLite format 3\x00" + bytes(4096), "neither a zip archive nor a pickle"),
    ],
)
def test_another_format_is_refused(
    tmp_path: Path, refusal: Refusal, data: bytes, says: str
) -> None:
    path = tmp_path / "archive.pth"
    path.write_bytes(data)
    assert says in refusal(path)


def test_an_archive_without_records_is_refused(
    layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal
) -> None:
    for content in ({}, {"arch2infos": None}, {"meta_archs": []}, {"state_dict": {}}):
        assert "no dict under the key 'arch2infos'" in refusal(layouts["zip"](tmp_path, content))


def test_an_empty_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no meta.pickle.pbz2: not an archive of NATS-Bench" in refusal(tmp_path / "empty")


def test_a_folder_without_records_is_refused(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal
) -> None:
    short_content["arch2infos"] = {}
    assert "holds no run" in refusal(layouts["folder"](tmp_path, short_content))


def test_other_files_in_a_folder_are_let_be(
    short_content: Content, layouts: dict[str, WriteArchive], tmp_path: Path
) -> None:
    path = layouts["folder"](tmp_path, short_content)
    arabic = "\N{ARABIC-INDIC DIGIT ZERO}" * 5 + "\N{ARABIC-INDIC DIGIT ONE}"
    for name in ("README.md", "1.pickle.pbz2", "000001.pickle.pbz2.part", f"{arabic}.pickle.pbz2"):
        (path / name).write_text("hello")
    assert generate(path, tmp_path).contents["architectures"] == 1


def test_the_size_space_is_another_benchmark(shared: Path, refusal: Refusal) -> None:
    raw = shared / "data/natssss/NATS-sss-v1_0-50262-simple"
    message = refusal(raw)
    assert "lists 32768 architectures that are not the published 15625" in message


def test_the_record_of_the_size_space_is_refused_in_any_layout(
    shared: Path,
    short_content: Content,
    write_archive: WriteArchive,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    raw = shared / "data/natssss/NATS-sss-v1_0-50262-simple/000000.pickle.pbz2"
    short_content["arch2infos"] = {0: pickle.loads(bz2.decompress(raw.read_bytes()))}
    assert "architecture 0" in refusal(write_archive(tmp_path, short_content))


# What would do harm.


class Hostile:
    """Writes a file when it is loaded by a careless reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_hostile_pickle_is_refused_before_anything_of_it_runs(
    short_content: Content, write_archive: WriteArchive, tmp_path: Path, refusal: Refusal
) -> None:
    trace = tmp_path / "trace"
    for place in ("meta_archs", "evaluated_indexes"):
        folder = tmp_path / place
        folder.mkdir()
        message = refusal(write_archive(folder, {**short_content, place: Hostile(trace)}))
        assert "mkdir" in message
        assert not trace.exists()


def test_a_hostile_record_is_refused_before_anything_of_it_runs(
    content: Content, write_archive: WriteArchive, tmp_path: Path, refusal: Refusal
) -> None:
    trace = tmp_path / "trace"
    runs(content, "full")["cifar10", 777] = {"params": Hostile(trace)}
    message = refusal(write_archive(tmp_path, content))
    assert "only numbers, strings and containers" in message
    assert not trace.exists()
    # The careless reader would have run it.
    pickle.loads(pickle.dumps(Hostile(trace)))
    assert trace.is_dir()


@pytest.mark.parametrize("name", ["os\nsystem", "builtins\neval", "numpy\nload"])
def test_a_name_outside_the_allow_list_is_unsafe(
    layouts: dict[str, WriteArchive], tmp_path: Path, refusal: Refusal, name: str
) -> None:
    path = layouts["zip"](tmp_path, {})
    _store(path, b"\x80\x02c" + name.encode() + b"\n(X" + struct.pack("<I", 4) + b"exittR.")
    refusal(path, UnsafePickleError)
