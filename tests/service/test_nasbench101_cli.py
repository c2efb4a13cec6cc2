"""`nbs` on NAS-Bench-101, run as people run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from forked_nbs import nbs
from nasbench101_cells import HASH

Write: TypeAlias = Callable[[Path, Iterable[bytes]], Path]

CHAIN = '{"op1": "conv3x3", "input1": [0], "input2": [1]}'
STRANDED = '{"op1": "conv3x3", "op2": "maxpool", "input1": [0], "input2": [1], "input3": [1]}'
CHAIN_HASH = "b49ac8c578b4561d79ac7087988f1c61"


class TestQuery:
    def test_the_golden_cell_comes_back_from_the_files(self, nasbench101_folder: Path) -> None:
        asked = nbs(
            "query", "nasbench101", HASH, "--num-epochs", "108", "--data", nasbench101_folder
        )
        runs = json.loads(asked.stdout)
        assert [round(run["valid_acc"], 8) for run in runs] == [
            *(92.41786599, 92.45793223, 93.04887652)
        ]

    def test_a_server_gives_the_same_answer(
        self, nasbench101_folder: Path, nasbench101_server: str
    ) -> None:
        asked = ("query", "nasbench101", CHAIN, "--reduction", "mean", "--intermediates")
        from_files = nbs(*asked, "--data", nasbench101_folder)
        from_server = nbs(*asked, "--url", nasbench101_server)
        assert len(json.loads(from_files.stdout)) == 4
        assert from_files.stdout == from_server.stdout

    def test_exact_leaves_isomorphic_cells_out(self, nasbench101_folder: Path) -> None:
        for options, found in (((), 3), (("--where", "isomorphism=false"), 0)):
            asked = ("query", "nasbench101", STRANDED, "--num-epochs", "4", *options)
            assert len(json.loads(nbs(*asked, "--data", nasbench101_folder).stdout)) == found

    def test_a_cell_outside_the_space_ends_with_one_line(self, nasbench101_folder: Path) -> None:
        outside = '{"op1": "conv3x3", "input1": [0], "input2": []}'
        ended = nbs("query", "nasbench101", outside, "--data", nasbench101_folder)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "cannot be reached" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


class TestHash:
    def test_isomorphic_cells_have_equal_hashes_without_any_database(self) -> None:
        told = json.loads(nbs("hash", CHAIN, STRANDED).stdout)
        assert [cell["hash"] for cell in told] == [CHAIN_HASH] * 2
        assert told[1] == {
            "hash": CHAIN_HASH,
            "num_vertices": 3,
            "num_edges": 2,
            "trainable_parameters": 10_177_674,
            "arch": json.loads(CHAIN),
        }

    def test_a_cell_outside_the_space_ends_with_one_line(self) -> None:
        ended = nbs("hash", CHAIN, '{"op1": "conv9x9", "input1": [0], "input2": [1]}')
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "not an operation" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1

    def test_nothing_to_hash_is_wrong_usage(self) -> None:
        assert nbs("hash").returncode == 2


class TestGenerate:
    def test_damage_ends_with_one_line_and_leaves_nothing(
        self, nasbench101_payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        raw = write_tfrecord(tmp_path / "raw.tfrecord", [*nasbench101_payloads, b"?"])
        ended = nbs("generate", "nasbench101", raw, "--out", tmp_path / "db")
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1
        assert "raw.tfrecord: record 1104 at byte " in ended.stderr
        assert not list((tmp_path / "db").iterdir())

    def test_skip_corrupt_goes_on_and_tells_what_was_skipped(
        self, nasbench101_payloads: list[bytes], write_tfrecord: Write, tmp_path: Path
    ) -> None:
        raw = write_tfrecord(tmp_path / "raw.tfrecord", [*nasbench101_payloads, b"?"])
        ended = nbs("generate", "nasbench101", raw, "--out", tmp_path / "db", "--skip-corrupt")
        assert ended.returncode == 0
        assert "records_skipped: 1" in ended.stderr
        assert "record 1104 at byte " in ended.stderr
        assert nbs("verify", tmp_path / "db" / "nasbench101.db").returncode == 0

    def test_skip_corrupt_is_refused_where_nothing_can_be_skipped(self, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        raw.touch()
        ended = nbs("generate", "nasbench201", raw, "--out", tmp_path, "--skip-corrupt")
        assert ended.returncode == 2
