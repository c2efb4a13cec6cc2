"""What goes wrong on a command line is one line, with what to do about it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from forked_nbs import nbs

UNKNOWN = (
    r"nbs: .*'(NAS-Bench-201|nasbench-201|NASBench201)'.* is it nasbench201\? known are nasbench101"
)
NO_FOLDER = r"nbs: .*there is no folder {none}: name the folder of the databases, or create"
NOT_A_FOLDER = r"nbs: {none} is not a folder .*: make one with `nbs generate`, or name the folder"
TO_BE_MADE = r"nbs: there is no folder {none}: create it, or choose another path$"
TOP = "top nasbench201 --metric test_acc --num-epochs 12 --dataset cifar10"
A_FILE = r"nbs: {file} is a file, but a folder is needed: choose another path$"


@pytest.mark.parametrize("name", ["NAS-Bench-201", "nasbench-201", "NASBench201"])
@pytest.mark.parametrize(
    "line",
    [
        "query NAME 0",
        "top NAME --metric test_acc",
        "random NAME",
        "export NAME",
        "fetch NAME",
        "generate NAME {here}",
    ],
)
def test_a_benchmark_in_another_spelling_is_named_in_the_one_there_is(
    line: str, name: str, directory: Path, tmp_path: Path
) -> None:
    words = line.format(here=tmp_path).replace("NAME", name).split()
    told = nbs(*words, NASBENCHMARK_DIR=str(directory))
    assert told.returncode in {1, 2}
    assert told.stderr.count("\n") == 1
    assert re.match(UNKNOWN, told.stderr), told.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("serve --data {none}", NO_FOLDER),
        ("info --data {none}", NO_FOLDER),
        ("keys list --data {none}", NO_FOLDER),
        ("keys revoke ann --data {none}", NO_FOLDER),
        ("query nasbench201 0 --data {none}", NOT_A_FOLDER),
        ("top nasbench201 --metric flops --data {none}", NOT_A_FOLDER),
        ("mcp --data {none}", NOT_A_FOLDER),
        ("export nds --out {none}/x.csv", TO_BE_MADE),
        ("backup {none}/x.tar", TO_BE_MADE),
        ("backup {file}/x.tar", A_FILE),
        ("export nds --out {file}/x.csv", A_FILE),
        ("fetch nds --out {file}", A_FILE),
        ("fetch nix", "nbs: .*'nix' is unknown; known are .*: nbs generate --table FILE RAW; see"),
        ("start nix", "nbs: .*'nix' is unknown; choices: serve, generate, look, work; see"),
        ("serve --host no.invalid", "nbs: cannot listen on no.inv.*: no machine has .* --host 127"),
        (
            "top nasbench201 --metric test_ac --num-epochs 12 --dataset cifar10",
            "nbs: unknown metric 'test_ac'; is it test_acc.* `nbs info BENCHMARK`",
        ),
        ("query nasbench201 0 --num-epoch 200", "nbs: no such option: --num-epoch .*--num-epochs"),
        ("serve --port 65536", "nbs: .*--port.*: it must be less than or equal to 65535; see"),
        ("random nasbench201 -n 1e3", "nbs: .*-n.*: it must be a valid integer; see"),
        ("worker --device tpu", "nbs: .*--device.*: 'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        ("top nasbench201 --metric flops", "nbs: say which num_epochs: .*; known are 12, 200$"),
        ("query nds --where limit=-5", "nbs: limit: -5 is not in 1 to 1000$"),
        (f"{TOP} --max flops=nan", "nbs: max_flops: nan is not a finite number$"),
        (f"{TOP} --max flops=1e999", "nbs: max_flops: inf is not a finite number$"),
        ("batch nasbench201 {file}", r"nbs: .*architectures: {file} is not UTF-8 text: a JSON"),
        ("backup {none}.tar --data {none}", NO_FOLDER),
        ("serv", "nbs: no such command 'serv'.* see nbs --help$"),
        ("generate nds {none}", "nbs: .*'{none}' does not exist; see nbs generate --help$"),
    ],
)
def test_a_folder_or_an_option_that_is_not_there_is_a_line_with_the_remedy(
    line: str, says: str, directory: Path, tmp_path: Path
) -> None:
    none, file = str(tmp_path / "none"), str(directory / "nds.db")
    told = nbs(*line.format(none=none, file=file).split(), NASBENCHMARK_DIR=str(directory))
    assert told.returncode in {1, 2}
    lines = [line for line in told.stderr.splitlines() if "are made up" not in line]
    assert len(lines) == 1, told.stderr
    wanted = says.replace("{none}", re.escape(none)).replace("{file}", re.escape(file))
    assert re.match(wanted, lines[0]), told.stderr


def test_a_path_with_spaces_is_quoted_in_what_can_be_copied(tmp_path: Path) -> None:
    folder = tmp_path / "ein Übungsordner"
    told = nbs("sample", folder, "--architectures", "2")
    quoted = [shlex.split(line)[-1] for line in re.findall(r"`(nbs generate .*)`", told.stderr)]
    assert quoted
    assert all(Path(path).exists() for path in quoted), told.stderr


def test_letters_that_an_output_has_not_end_no_command(directory: Path) -> None:
    command = [sys.executable, "-m", "service.cli", "doctor", "--data", str(directory)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert told.stderr == ""
    assert "sha256:" in told.stdout
    assert "\\u2026" in told.stdout
    assert json.loads(told.stdout)


def test_files_that_are_named_count_more_than_the_address_of_the_environment(
    directory: Path,
) -> None:
    words = ("rank", "nasbench201", "0", "--metric", "flops", "--num-epochs", "12")
    words = (*words, "--dataset", "cifar10", "--data", str(directory))
    nobody = "http://127.0.0.1:9"
    told = nbs(*words, NASBENCH_URL=nobody)
    assert told.returncode == 0, told.stderr
    (found,) = json.loads(told.stdout)
    assert found["rank"] <= found["of"]
    told = nbs(*words, "--url", nobody)
    assert (told.returncode, "give either --data or --url, not both" in told.stderr) == (2, True)


def test_a_worker_is_not_begun_that_would_tell_too_much(tmp_path: Path) -> None:
    told = nbs("worker", *["--trainer", "quick"] * 65, NASBENCH_DATASETS_DIR=str(tmp_path))
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "at most 64 are allowed" in told.stderr
    for number in range(1_001):
        (tmp_path / f"class-{number}").mkdir()
    told = nbs("worker", NASBENCH_DATASETS_DIR=str(tmp_path))
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "has 1,001 data sets, but a worker offers at most 1,000" in told.stderr
