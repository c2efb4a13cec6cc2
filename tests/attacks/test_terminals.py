"""What a server says on a terminal, and addresses that are none on a command line."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from forked_nbs import start_nbs
from hypothesis import given
from hypothesis import strategies as st
from lying_server import LyingServer, answer, job
from typer.testing import CliRunner

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BenchError,
    InvalidSettingError,
    Job,
    SyntheticDataWarning,
)
from bench_client.jobs import progress_line
from service.cli import commands
from service.cli.output import print_fields, print_items, print_json
from service.cli.search import app as search

EVIL: Final = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil\r\n[bold red]b[/] [link=http://x]l[/link] :smile:"
)
SAFE: Final = re.compile(r"\x1b\[[0-9;]*m|\x1b\[K")
"""What colors a text of our own, or ends the line of progress."""


def shown_on_a_terminal(words: Iterable[str], **environment: str) -> tuple[int, str]:
    """Run `nbs` with a terminal as all its streams; return its status and what was shown."""
    ours, theirs = pty.openpty()
    process = start_nbs(
        *words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm", **environment},
        cwd=Path(__file__).resolve().parents[2],
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # what Linux says when the other end is closed
        pass
    os.close(ours)
    return process.wait(60), shown.decode()


def is_harmless(shown: str) -> bool:
    """Tell whether nothing but lines, and colors of our own, is left."""
    plain = SAFE.sub("", shown).replace("\r\n", "").replace("\n", "").replace("\r", "")
    return not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs"} for letter in plain)


def evil_job() -> bytes:
    return job(
        state="running",
        kind="model",
        worker=EVIL,
        progress={"stage": EVIL, "done": 1, "total": None, "message": EVIL},
        result={EVIL: EVIL},
        error={"kind": EVIL, "message": EVIL},
    )


@pytest.mark.parametrize("words", [["list"], ["show", "0" * 32], ["show", "0" * 32, "--json"]])
def test_jobs_on_a_terminal_are_lines_without_control_characters(
    server: LyingServer, words: list[str]
) -> None:
    listed = json.dumps({"items": [json.loads(evil_job())] * 2, "next_cursor": None}).encode()
    server.say = lambda target: [answer(listed if "?" in target else evil_job())]
    status, shown = shown_on_a_terminal(["jobs", *words, "--url", server.url])
    assert status == 0, shown
    assert "evil" in shown
    assert is_harmless(shown), repr(shown)
    if "--json" not in words:
        # Markup is text like any other.
        assert "[bold red]b[/]" in shown
        assert ":smile:" in shown
    else:
        assert json.loads(shown)["worker"] == EVIL


def test_a_problem_on_a_terminal_is_one_line(server: LyingServer) -> None:
    problem = json.dumps({"title": EVIL, "detail": EVIL, "status": 422}).encode()
    kind = ("Content-Type", "application/problem+json")
    server.say = lambda _: [answer(problem, kind, status=422)]
    status, shown = shown_on_a_terminal(["top", "nds", "--metric", "flops", "--url", server.url])
    assert status == 1
    assert shown.startswith("nbs: ")
    assert shown.count("\n") == 1
    assert is_harmless(shown), repr(shown)


def test_an_export_on_a_terminal_is_lines_without_control_characters(server: LyingServer) -> None:
    mark = {"benchmark": "nds", "source": EVIL, "synthetic": True, "content_digest": "d"}
    server.say = lambda _: [
        answer(
            f"a,b\r\n{EVIL},ü\n".encode(),
            ("Content-Type", "text/csv"),
            ("X-Provenance", json.dumps(mark)),
        )
    ]
    status, shown = shown_on_a_terminal(["export", "nds", "--format", "csv", "--url", server.url])
    assert status == 0, shown
    assert "evil" in shown
    assert "ü" in shown
    assert is_harmless(shown), repr(shown)


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.text(), st.floats(), st.none())))
def test_whatever_is_printed_is_harmless(values: dict[str, Any]) -> None:
    out = StringIO()
    before, sys.stdout = sys.stdout, out
    try:
        print_fields(values)
        print_items([values, {"other": 1}], "".join(values))
        print_json(values)
    finally:
        sys.stdout = before
    assert is_harmless(out.getvalue())


@given(st.text())
def test_json_with_escapes_is_the_same_json(text: str) -> None:
    out = StringIO()
    before, sys.stdout = sys.stdout, out
    try:
        print_json([text])
    finally:
        sys.stdout = before
    assert json.loads(out.getvalue()) == [text]


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text(), st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_a_line_of_progress_is_short_and_harmless(stage: str, done: int, total: int) -> None:
    out = _Terminal()
    progress = {"stage": stage, "done": done, "total": total, "message": EVIL}
    progress_line(out)(Job.model_validate_json(job(state="running", progress=progress)))
    assert is_harmless(out.getvalue())
    assert len(out.getvalue()) < 300


ADDRESSES: Final = [
    "localhost:8000",
    "localhost",
    "//localhost:8000",
    "/run/socket",
    "ftp://localhost",
    "file:///etc/passwd",
    "http://",
    "http:/localhost",
    "http://a b",
    "http://localhost :8000",
    "http://localhost:port",
    "http://localhost:99999",
    "http://localhost:-1",
    "http://localhost:0",
    "http://localhost:80:80",
    "http://[::1",
    "http://999.1.1.1",
    "http://xn--a",
    "http://\u202eabc",
    "http://\udcff",
    "http://a\nb",
    "http://" + "a" * 70_000,
    "http://a..b",
    "http://.a",
    "http://" + "a" * 64 + ".example",
    "http://" + "a." * 130 + "example",
    "::",
    " ",
]
COMMANDS: Final = [
    "batch nasbench201 -",
    "correlation nasbench201 --x flops --y test_acc",
    "distribution nasbench201 --metric test_acc",
    "export nds",
    "info",
    "info nasbench201",
    "jobs cancel x",
    "jobs stop x",
    "jobs checkpoints",
    f"jobs delete-checkpoint {'0' * 64}",
    "jobs evaluate m --dataset d",
    "jobs get x",
    "jobs list",
    "jobs show x",
    "jobs train --model m --dataset d --recipe nasbench201",
    "jobs train-supernet --space NasBench201 --dataset d --recipe nasbench201",
    "jobs watch x",
    "mcp",
    "neighbors nasbench201 0",
    "pareto nasbench201 --x flops --y test_acc",
    "plan check plan.toml",
    "plan extend p --name q",
    "plan keep p 1",
    "plan pause p",
    "plan publish p --out p.nbs",
    "plan resume p",
    "plan retry p",
    "plan seal p",
    "plan show",
    "plan start plan.toml",
    "plan stop p",
    "query nasbench201 0",
    "random nasbench201",
    "rank nasbench201 0 --metric test_acc",
    "search resume search.study",
    "search run search.toml",
    "start look",
    "study search.study",
    "top nasbench201 --metric test_acc",
]


SEARCH: Final = """
[problem]
benchmark = "nasbench201"
dataset = "cifar10"
num_epochs = 12
objectives = ["test_acc"]
[strategy]
name = "RandomSearch"
[budget]
trials = 2
"""


PLAN: Final = """
name = "p"
title = "A plan"
licence = "CC0-1.0"
[space]
name = "NasBench201"
arguments = { stem_out_channels = 2, num_modules_per_stack = 1, num_labels = 3, image_size = 8 }
[select]
kind = "sample"
n = 5
seed = 1
[data]
name = "patterns"
split = { train = 24, valid = 12 }
[protocol]
epochs = [1]
seeds = [0]
batch_size = 8
"""


@pytest.fixture(scope="module")
def searched(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search and its study, for commands that need some."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "search.toml").write_text(SEARCH)
    (folder / "plan.toml").write_text(PLAN)
    arguments = ["run", str(folder / "search.toml"), "--data", str(directory)]
    with pytest.warns(SyntheticDataWarning):
        assert CliRunner().invoke(search, arguments, catch_exceptions=False).exit_code == 0
    return folder


def told(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run `nbs` in this process; return its status and what it said."""
    monkeypatch.setattr(sys, "argv", ["nbs", *words])
    monkeypatch.setattr(sys, "stdin", StringIO("0\n"))
    try:
        status = commands.run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    return status, capsys.readouterr().err


def test_every_command_that_asks_a_server_is_tried() -> None:
    found = []
    for name, command in commands.COMMANDS.items():
        loaded = command.load()
        if not isinstance(loaded, typer.Typer):
            if "url" in loaded.__annotations__:
                found.append(name)
            continue
        for part in loaded.registered_commands:
            assert part.callback is not None
            if "url" in part.callback.__annotations__:
                found.append(f"{name} {part.name or part.callback.__name__}")
    # A finding among others there, not the end.
    found.remove("doctor")
    tried = {" ".join(line.split()[:2]) for line in COMMANDS}
    assert {name for name in found if not any(line.startswith(name) for line in tried)} == set()


@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_an_address_without_a_scheme_is_one_clear_line_in_every_command(
    line: str,
    by: str,
    searched: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(searched)
    words = line.split()
    if by == "option":
        words += ["--url", "localhost:8000"]
    else:
        monkeypatch.setenv("NASBENCH_URL", "localhost:8000")
    status, said = told(words, monkeypatch, capsys)
    assert status == 1, said
    assert said == (
        "nbs: 'localhost:8000' is not the address of a service: write http://HOST:PORT, such as "
        "http://127.0.0.1:8000\n"
    )


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_whatever_is_no_address_is_one_short_line(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = told(["jobs", "list", "--url", address], monkeypatch, capsys)
    assert status == 1
    assert said.startswith("nbs: ")
    assert said.count("\n") == 1
    assert len(said) < 400
    for kind in (BenchClient, AsyncBenchClient):
        with pytest.raises(InvalidSettingError):
            kind(address)


@given(st.text(min_size=1))
def test_any_text_makes_a_client_or_is_refused(text: str) -> None:
    for address in (text, f"http://{text}"):
        with suppress(BenchError):
            BenchClient(address).close()


@pytest.mark.parametrize("key", ["a b", "a\n", "ü", "\x1b", " "])
def test_a_key_that_no_header_can_hold_is_refused_unseen(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NASBENCH_API_KEY", key)
    status, said = told(["jobs", "list", "--url", "http://127.0.0.1:1"], monkeypatch, capsys)
    assert status == 1
    assert said.startswith("nbs: api_key ($NASBENCH_API_KEY) holds")
    assert said.count("\n") == 1


def test_a_password_in_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(InvalidSettingError) as caught:
        BenchClient("ftp://me:hidden@lab.example")
    assert "hidden" not in str(caught.value)
