"""What goes wrong on a command line is one line, with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from forked_nbs import nbs

UNKNOWN = (
    r"nbs: .*'(NAS-Bench-201|nasbench-201|NASBench201)'.* is it nasbench201\? known are nasbench101"
)
NO_FOLDER = (
    r"nbs: .*there is no folder {none}: say where the databases are, or make one with `nbs g"
)
NOT_A_FOLDER = r"nbs: {none} is not a folder .*: make one with `nbs generate`, or name the folder"
TO_BE_MADE = r"nbs: there is no folder {none}: make it first, or name another one$"


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
        ("query nasbench201 0 --num-epoch 200", "nbs: no such option: --num-epoch .*--num-epochs"),
        ("serve --port 65536", "nbs: .*--port.* 65535"),
        ("serv", "nbs: no such command 'serv'.* see nbs --help$"),
        ("generate nds {none}", "nbs: .*'{none}' does not exist; see nbs generate --help$"),
    ],
)
def test_a_folder_or_an_option_that_is_not_there_is_a_line_with_the_remedy(
    line: str, says: str, directory: Path, tmp_path: Path
) -> None:
    none = str(tmp_path / "none")
    told = nbs(*line.format(none=none).split(), NASBENCHMARK_DIR=str(directory))
    assert told.returncode in {1, 2}
    assert told.stderr.count("\n") == 1
    assert re.match(says.replace("{none}", re.escape(none)), told.stderr), told.stderr
