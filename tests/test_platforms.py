"""What only asks runs where modules of POSIX are missing, and loads no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from bench_server import BenchServer

BLOCKING: Final = """
import sys, sysconfig

class Blocked:
    \"\"\"Finds no module of these names for code that Python does not come with.\"\"\"

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in NAMES:
            return None
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        where = frame.f_code.co_filename
        if "site-packages" in where or not where.startswith(sysconfig.get_path("stdlib")):
            raise ModuleNotFoundError(f"{name} is blocked, for {where}", name=name)
        return None

sys.meta_path.insert(0, Blocked())
# What measures coverage has imported some of them already.
for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
    del sys.modules[name]
import os
"""
POSIX: Final = ("fcntl", "grp", "multiprocessing", "pty", "pwd", "resource", "termios")
NO_FORKS: Final = "del os.fork, os.register_at_fork\n"
HEAVY: Final = ("numpy", "orjson", "pandas", "peewee", "safetensors", "torch", "typer")
ASKING: Final = """
runs = bench.query_nb201(0, 200, "cifar100")
assert {run.config.index for run in runs} == {0}
assert bench.top("nasbench201", metric="test_acc", dataset="cifar100", num_epochs=200)
assert bench.benchmark("nasbench201").num_architectures == 15_625
bench.simulate("nasbench201", "cifar100", 200, budget=1e9).evaluate(0)
bench.export("nasbench201", FOLDER + "/runs.csv", dataset="cifar100")
bench.close()
"""


def ran(code: str, blocked: tuple[str, ...], *arguments: str) -> str:
    """Run code in a process where modules are missing and return what it prints."""
    program = f"NAMES = {blocked!r}\n{BLOCKING}{code}"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def server(sample_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    served = BenchServer(tmp_path_factory.mktemp("server"), sample_database.parent)
    served.start()
    yield served.url
    served.stop()


@pytest.mark.parametrize("module", POSIX)
def test_the_blocked_modules_cannot_be_imported(module: str) -> None:
    with pytest.raises(AssertionError, match=f"{module} is blocked"):
        ran(f"import {module}", POSIX)


def test_a_client_asks_a_server_without_posix(server: str, tmp_path: Path) -> None:
    code = (
        f"FOLDER = {str(tmp_path)!r}\nfrom bench_client import *\nbench = BenchClient({server!r})\n"
    )
    ran(NO_FORKS + code + ASKING, POSIX)


def test_a_client_reads_local_files_without_posix(sample_database: Path, tmp_path: Path) -> None:
    folder = str(sample_database.parent)
    code = f"from bench_client import BenchClient\nbench = BenchClient.local({folder!r})\n"
    ran(f"{NO_FORKS}FOLDER = {str(tmp_path)!r}\n{code}{ASKING}", POSIX)


COMMANDS: Final = [
    ["query", "nasbench201", "0", "--num-epochs", "200"],
    ["top", "nasbench201", "--metric", "test_acc", "--dataset", "cifar100", "--num-epochs", "200"],
    ["export", "nasbench201", "--dataset", "cifar100"],
]
HELP: Final = ["batch", "export", "info", "jobs", "query", "top"]
COMMAND: Final = """
import json, sys
from service.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["nbs", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, arguments
    sys.stdout.write("\\0")
"""


def told(*commands: Sequence[str]) -> list[str]:
    """Return what commands print without POSIX; one process runs them, one after the other.

    What is blocked is blocked for each: none has anything from those before it.
    """
    *printed, rest = ran(NO_FORKS + COMMAND, POSIX, json.dumps(commands)).split("\0")
    assert (len(printed), rest) == (len(commands), "")
    return printed


def test_commands_ask_a_server_without_posix(server: str) -> None:
    assert all(told(["--help"], *([*command, "--url", server] for command in COMMANDS)))


def test_commands_read_local_files_without_posix(sample_database: Path) -> None:
    data = ["--data", str(sample_database.parent)]
    *answers, info = told(*([*command, *data] for command in [*COMMANDS, ["info"]]))
    assert all(answers)
    assert "nasbench201" in info


def test_help_is_there_without_posix() -> None:
    for command, printed in zip(HELP, told(*([name, "--help"] for name in HELP)), strict=True):
        assert f"nbs {command}" in printed


def test_a_client_of_a_server_needs_httpx_and_pydantic_alone(server: str, tmp_path: Path) -> None:
    code = (
        f"FOLDER = {str(tmp_path)!r}\nfrom bench_client import *\nbench = BenchClient({server!r})\n"
    )
    ran(code + ASKING, HEAVY)
