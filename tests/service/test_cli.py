"""`nbs`, run as people run it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from forked_nbs import nbs, on_terminal

from benchmark_db.catalog import Catalog
from generators.registry import SAMPLES
from missing_extra import install_command
from service.cli.commands import COMMANDS


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
@pytest.mark.parametrize(
    "line",
    [
        "doctor",
        "info",
        "info nasbench201",
        "keys list",
        "query nasbench201 0 --num-epochs 200 --dataset cifar100",
        "top nasbench201 --metric test_acc --num-epochs 200 --dataset cifar100",
    ],
)
def test_nothing_that_has_spaces_is_wider_than_the_terminal(
    line: str, columns: int, directory: Path
) -> None:
    command, *words = line.split()
    shown = on_terminal(command, *words, "--data", directory, columns=columns)
    for told in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines():
        if told.startswith(("nbs: ", "make one")):
            continue  # a sentence of the standard error, which is one line
        # What a word or a digest leaves no room for is not broken; it stands alone beside its name.
        assert len(told) <= columns or " " not in told.split("  ")[-1].strip(" →"), told


class TestProcesses:
    """The other tests fork a process that has imported `nbs`; here the interpreter starts it."""

    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_starts(self, name: str) -> None:
        started = subprocess.run(
            [sys.executable, "-m", "service.cli", name, "--help"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (started.returncode, started.stderr) == (0, "")
        assert f"Usage: nbs {name}" in started.stdout

    def test_an_answer_and_a_failure_are_those_of_a_forked_one(self, directory: Path) -> None:
        for arguments in (
            ("query", "nasbench201", "3", "--data", str(directory)),
            ("query", "nasbench201", "nonsense", "--data", str(directory)),
        ):
            command = [sys.executable, "-m", "service.cli", *arguments]
            started = subprocess.run(command, capture_output=True, text=True, check=False)
            forked = nbs(*arguments)
            assert (started.returncode, started.stdout, started.stderr) == (
                forked.returncode,
                forked.stdout,
                forked.stderr,
            )


class TestTheWayFromNothingToAnAnswer:
    def test_works_with_the_commands_that_are_printed(self, tmp_path: Path) -> None:
        raw, data = tmp_path / "raw", tmp_path / "data"
        sampled = nbs("sample", raw, "--architectures", "3")
        assert sampled.returncode == 0
        commands = [part.split("`")[0].split() for part in sampled.stderr.split("`nbs ")[1:]]
        assert [command[:2] for command in commands] == [["generate", name] for name in SAMPLES]
        for command in commands:
            generated = nbs(*command, "--out", data)
            assert generated.returncode == 0
            assert "SYNTHETIC" in generated.stderr
        asked = nbs("query", "nasbench201", "0", "--num-epochs", "200", "--data", data)
        items = json.loads(asked.stdout)
        assert {item["config"]["index"] for item in items} == {0}
        assert "made up" in asked.stderr

    @pytest.mark.usefixtures("unmeasured")
    def test_the_same_seed_makes_the_same_database(self, tmp_path: Path) -> None:
        digests = []
        for name in ("one", "two"):
            nbs("sample", tmp_path / name, "--architectures", "2", "--seed", "5")
            archive = tmp_path / name / "NAS-Bench-201-synthetic.pth"
            nbs("generate", "nasbench201", archive, "--out", tmp_path / name)
            catalog = Catalog(tmp_path / name)
            digests.append(catalog["nasbench201"].provenance.content_digest)
            catalog.close()
        assert digests[0] == digests[1]


class TestQuery:
    def test_prints_json_into_a_pipe(self, directory: Path) -> None:
        asked = nbs("query", "nasbench201", "3", "--reduction", "mean", "--data", directory)
        assert all(item["num_runs"] >= 1 for item in json.loads(asked.stdout))

    def test_prints_a_table_on_a_terminal(self, directory: Path) -> None:
        printed = on_terminal(
            "query", "nasbench201", "3", "--num-epochs", "200", "--data", directory
        )
        assert "test_acc" in printed
        assert "{" not in printed

    def test_asks_a_server_at_an_address(self, directory: Path, server: str) -> None:
        arguments = ("query", "nasbench201", "3", "--dataset", "cifar10")
        local = nbs(*arguments, "--data", directory)
        assert nbs(*arguments, "--url", server).stdout == local.stdout
        assert nbs(*arguments, NASBENCH_URL=server).stdout == local.stdout

    def test_prints_curves_as_json(self, directory: Path) -> None:
        asked = nbs(
            "query",
            "nasbench201",
            "3",
            "--num-epochs",
            "12",
            "--intermediates",
            "--data",
            directory,
        )
        assert len(json.loads(asked.stdout)[0]["intermediates"]) == 12


class TestInfoAndVerify:
    def test_info_tells_what_is_installed(self, directory: Path) -> None:
        installed = json.loads(nbs("info", "--data", directory).stdout)["installed"]
        assert [provenance["benchmark"] for provenance in installed] == list(SAMPLES)
        assert "content_digest" in on_terminal("info", "--data", directory)

    def test_info_of_an_empty_folder_says_what_to_do(self, tmp_path: Path) -> None:
        assert "nbs generate" in on_terminal("info", "--data", tmp_path)

    def test_info_tells_what_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "nasbench201.db").write_text("text")
        told = nbs("info", "--data", tmp_path)
        assert "nasbench201.db is not an SQLite database" in told.stderr

    def test_verify_finds_a_sound_database_sound(self, directory: Path) -> None:
        assert "sound" in on_terminal("verify", directory / "nasbench201.db")

    def test_verify_finds_a_changed_number(self, directory: Path, tmp_path: Path) -> None:
        copy = tmp_path / "changed.db"
        shutil.copy(directory / "nasbench201.db", copy)
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE run SET test_acc = test_acc + 1e-9 WHERE arch_index = 3")
        connection.close()
        verified = nbs("verify", copy)
        assert verified.returncode == 1
        assert "has been changed" in verified.stderr


class TestFailures:
    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            ((), 2),
            (("nothing",), 2),
            (("generate", "nothing", "x"), 2),
            (("generate", "nasbench201", "/nowhere"), 2),
            (("query", "nasbench201", "0", "--num-epochs", "many"), 2),
            (("query", "nasbench201", "nonsense"), 1),
            (("query", "nasbench201", "0", "--dataset", "mnist"), 1),
            (("query", "nasbench201", "0", "--where", "colour=1"), 2),
            (("query", "nasbench201", "0", "--min", "flops=1"), 2),
            (("query", "nasbench201", "0", "--reduction", "median"), 1),
            (("query", "nasbench201", "0", "--url", "http://127.0.0.1:9"), 1),
            (("verify", "/nowhere.db"), 1),
            (("generate", "nasbench201", Path(__file__)), 1),
        ],
    )
    def test_have_a_status_and_no_traceback(
        self, directory: Path, arguments: tuple[str, ...], status: int
    ) -> None:
        ended = nbs(*arguments, NASBENCHMARK_DIR=str(directory))
        assert ended.returncode == status, ended.stderr
        assert "Traceback" not in ended.stderr
        if status == 1:
            assert ended.stderr.splitlines()[-1].startswith("nbs: ")

    def test_debug_shows_where_a_failure_arose(self, tmp_path: Path) -> None:
        ended = nbs("--debug", "verify", tmp_path / "nothing.db")
        assert ended.returncode == 1
        assert "Traceback" in ended.stderr

    def test_a_missing_extra_is_named(self) -> None:
        code = "import sys; sys.modules['typer'] = None; from service.cli import main; main()"
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 1
        assert install_command("cli") in ended.stderr


class TestWrongSettings:
    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("NASBENCH_MAX_BODY", "plenty"),
            ("NASBENCH_QUEUE_BOUND", "0"),
            ("NASBENCH_REDIS_URL", "http://:secret@host"),
            ("NASBENCH_TRUSTED_PROXIES", "*"),
        ],
    )
    def test_are_told_in_a_line_that_names_the_variable(
        self, variable: str, value: str, tmp_path: Path
    ) -> None:
        served = nbs("serve", "--data", tmp_path, **{variable: value})
        assert served.returncode == 1
        assert served.stderr.startswith(f"nbs: {variable}: ")
        assert served.stderr.count("\n") == 1
        assert "secret" not in served.stderr
