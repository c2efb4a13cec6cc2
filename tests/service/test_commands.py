"""The table of commands: what it says of them is what they say of themselves."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench_client.export import MEDIA_TYPES
from benchmark_db.items import REDUCTIONS
from benchmark_db.registry import INSTALLABLE
from benchmark_spec.published import PUBLISHED
from generators.registry import GENERATORS, PARTIAL_GENERATORS, TOLERANT_GENERATORS
from service.cli import commands
from service.cli.commands import _PANELS, COMMANDS, app


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = COMMANDS[name]
    found = command.load()
    own = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert command.help == " ".join(own.partition("\n\n")[0].split())


def test_help_lists_every_command_once_and_says_how_it_exits() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    listed = re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    panels = ["Options", "Begin", "Tables", "Query", "Search and train", "Serve"]
    assert re.findall(r"^╭─ ([\w ]+) ─", shown, re.MULTILINE) == panels
    assert "2 for wrong usage; 130 when interrupted" in " ".join(shown.split())
    # Completion is of the program, not of its parts.
    assert "completion" not in CliRunner().invoke(app, ["keys", "--help"]).output


@pytest.mark.filterwarnings("ignore:the numbers of")
@pytest.mark.parametrize("name", [name for name, each in COMMANDS.items() if each.example])
def test_an_example_is_of_its_command_and_runs_where_it_asks(
    name: str, every_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = COMMANDS[name].example
    assert example
    asked, _, line = example.rpartition(f"nbs {name} ")
    words = shlex.split(line)
    monkeypatch.setenv("COLUMNS", "300")
    shown = CliRunner().invoke(app, [name, "--help"]).output
    assert f"Example: {example}" in " ".join(shown.split())
    assert {word for word in words if word.startswith("-") and word != "-"} <= set(shown.split())
    if name in _PANELS["Query"] or name == "info":
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NASBENCHMARK_DIR", str(every_sample))
        typed = asked.partition("'")[2].partition("'")[0] or None
        ended = CliRunner().invoke(app, [name, *words], input=typed)
        assert ended.exit_code == 0, ended.exception


@pytest.mark.parametrize(
    ("shell", "asking"),
    [
        ("bash", {"COMP_WORDS": "nbs query --num", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "nbs query --num"}),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "nbs query --num", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        ),
    ],
)
def test_shells_complete_the_options_of_a_command(shell: str, asking: dict[str, str]) -> None:
    code = "import sys; sys.argv = ['nbs']; from service.cli import main; main()"

    def answered(instruction: str, **environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            env={"PATH": "/usr/bin:/bin", "_NBS_COMPLETE": instruction, **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "_NBS_COMPLETE" in answered(f"source_{shell}")
    assert "--num-epochs" in answered(f"complete_{shell}", **asking)


def test_what_several_commands_take_is_declared_once() -> None:
    declared = Counter(
        ast.unparse(node)
        for path in Path(inspect.getfile(commands)).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"typer.Option", "typer.Argument"}
    )
    assert len(declared) > 100
    assert [one for one, times in declared.items() if times > 1] == []


def test_every_module_of_commands_is_in_the_list() -> None:
    named = {command.module for command in COMMANDS.values()}
    assert named == {
        "backup",
        "databases",
        "doctor",
        "export",
        "jobs",
        "keys",
        "mcp_tools",
        "oracle",
        "plan",
        "query",
        "search",
        "serve",
        "start",
        "study",
        "supernet",
        "zoo",
    }


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["fetch"], PUBLISHED),
        (["generate"], [*GENERATORS, *TOLERANT_GENERATORS, *PARTIAL_GENERATORS]),
        (["export"], [*INSTALLABLE, *MEDIA_TYPES, *REDUCTIONS]),
        (["batch"], REDUCTIONS),
        (["query"], [*INSTALLABLE, *REDUCTIONS]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) and len(value) < 3 else "",
)
def test_help_names_what_there_is(arguments: list[str], names: list[str]) -> None:
    shown = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "400"}).output
    words = set(re.findall(r"[\w-]+", shown))
    assert set(names) <= words


def test_the_options_of_generate_that_one_benchmark_has_name_it() -> None:
    shown = CliRunner().invoke(app, ["generate", "--help"], env={"COLUMNS": "400"}).output
    for option, benchmarks in (
        ("--skip-corrupt", TOLERANT_GENERATORS),
        ("--partial", PARTIAL_GENERATORS),
    ):
        (line,) = (line for line in shown.splitlines() if option in line)
        assert f"({', '.join(benchmarks)})" in line


def test_help_loads_none_of_what_commands_need() -> None:
    code = (
        "import sys\n"
        "from service.cli import main\n"
        "sys.argv = ['nbs', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as ended:\n"
        "    assert ended.code == 0\n"
        "heavy = {'bench_client', 'benchmark_db', 'generators', 'httpx', 'model_hub', 'numpy',\n"
        "         'nas_search', 'orjson', 'peewee', 'pydantic_settings', 'torch'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & sys.modules.keys())))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "neighbors" in ended.stdout
    assert ended.stderr == ""
