"""`nbs export`, run as people run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from forked_nbs import nbs
from waiting import PATIENCE


class TestCommand:
    def test_writes_to_standard_output(self, http: httpx.Client, directory: Path) -> None:
        ended = nbs(
            "export", "nds", "--data", directory, "--format", "csv", "--where", "proposer=resnet"
        )
        assert ended.returncode == 0
        sent = http.get("/v1/nds/export", params={"format": "csv", "proposer": "resnet"})
        assert ended.stdout == sent.text
        assert "made up" in ended.stderr

    def test_asks_a_server_and_writes_a_file(
        self, server: str, http: httpx.Client, tmp_path: Path
    ) -> None:
        path = tmp_path / "runs.ndjson"
        options = ("--arch", "3", "--num-epochs", "200", "--reduction", "max")
        ended = nbs("export", "nasbench201", "--url", server, "--out", path, *options)
        assert ended.returncode == 0, ended.stderr
        question = {"arch": 3, "num_epochs": 200, "reduction": "max"}
        assert path.read_bytes() == http.get("/v1/nasbench201/export", params=question).content
        assert str(path) in ended.stderr

    def test_ends_quietly_when_its_reader_has_had_enough(self, directory: Path) -> None:
        command = [sys.executable, "-m", "service.cli", "export", "hw-nas-bench"]
        with subprocess.Popen(
            [*command, "--data", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline().startswith(b'{"index":0,')
            process.stdout.close()
            told = process.stderr.read()
            assert process.wait(PATIENCE) == 0
        assert b"Broken pipe" not in told
        assert b"Exception" not in told

    @pytest.mark.parametrize(
        ("arguments", "status", "told"),
        [
            (["nasbench999"], 1, "there is no benchmark 'nasbench999'"),
            (["nds", "--format", "xlsx"], 1, "known are ndjson, csv, parquet"),
            (["nds", "--out", "runs.txt"], 1, "is not a format"),
            (["nds", "--where", "proposer"], 2, "not NAME=VALUE"),
            (["nds", "--where", "colour=red"], 1, "unknown filter 'colour'"),
            (["nds", "--reduction", "median"], 1, "unknown reduction"),
        ],
    )
    def test_says_what_is_wrong_in_one_line(
        self, directory: Path, arguments: list[str], status: int, told: str
    ) -> None:
        ended = nbs("export", *arguments, "--data", directory)
        assert ended.returncode == status
        assert told in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
