"""`nbs start`: asked on a terminal, listed elsewhere, ended in a line."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from forked_nbs import ForkedProcess, nbs, start_nbs
from measuring import unmeasured
from waiting import PATIENCE

from generators.registry import SAMPLES


class Asked:
    """`nbs start` on a terminal, and somebody who types.

    Attributes:
        shown: What it has shown so far.
    """

    def __init__(self, process: ForkedProcess, terminal: int) -> None:
        self.process = process
        self.shown = ""
        self._terminal = terminal

    def until(self, words: str) -> None:
        """Read until some words are shown, or until it has ended."""
        while words not in self.shown:
            if not select.select([self._terminal], [], [], PATIENCE)[0]:
                raise AssertionError(f"{words!r} is not shown, but {self.shown!r}")
            try:
                piece = os.read(self._terminal, 65_536)
            except OSError:  # how a terminal says that nobody holds its other end any more
                piece = b""
            if not piece:
                raise AssertionError(f"{words!r} was not shown, but {self.shown!r}")
            self.shown += piece.decode()

    def to_its_end(self) -> int:
        """Read what else is shown and return the status."""
        with suppress(AssertionError):
            self.until("\0")
        return self.process.wait(PATIENCE)

    def types(self, text: str) -> None:
        """Type something; \x03 is Ctrl-C and \x04 the end of the input."""
        os.write(self._terminal, text.encode())


@contextmanager
def asked(*arguments: str | Path, **environment: str) -> Iterator[Asked]:
    ours, theirs = pty.openpty()
    told = {name: value for name, value in os.environ.items() if name != "NASBENCH_URL"}
    process = start_nbs(
        "start",
        *arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**told, "TERM": "xterm", "DISPLAY": "", "WAYLAND_DISPLAY": "", **environment},
    )
    os.close(theirs)
    try:
        yield Asked(process, ours)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_without_a_terminal_the_choices_are_printed_and_nothing_is_done(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    told = nbs("start", *arguments, "--data", tmp_path)
    assert (told.returncode, told.stderr, list(tmp_path.iterdir())) == (0, "", [])
    if arguments:
        choices = json.loads(told.stdout)["choices"]
        assert [choice["name"] for choice in choices] == ["serve", "generate", "look", "work"]
        assert all(choice["command"].startswith("nbs ") for choice in choices)
    else:
        assert "nbs generate NAME ARCHIVE" in told.stdout


def test_a_choice_as_json_is_its_command() -> None:
    assert json.loads(nbs("start", "work", "--json").stdout)["command"] == "nbs worker"


@pytest.mark.parametrize(
    ("typed", "status", "says"),
    [
        ("\x04", 1, "nbs: no more input; nothing more is done"),
        ("generate\n\x04", 1, "nbs: no more input; nothing more is done"),
    ],
)
def test_the_end_of_the_input_ends_it_in_a_line(typed: str, status: int, says: str) -> None:
    with asked() as one:
        one.until("[1]: ")
        for line in typed.splitlines(keepends=True):
            one.types(line)
            if "\n" in line:
                one.until("Which table? ")
        assert one.to_its_end() == status
    assert one.shown.splitlines()[-1] == says
    assert "Traceback" not in one.shown


def test_an_interrupt_ends_it_in_a_line(tmp_path: Path) -> None:
    with asked("--data", tmp_path) as one:
        one.until("[1]: ")
        one.process.send_signal(signal.SIGINT)
        assert one.to_its_end() == 130
    assert one.shown.splitlines()[-1] == "nbs: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_a_word_that_is_no_choice_is_asked_again_with_what_is_near(tmp_path: Path) -> None:
    with asked("--data", tmp_path) as one:
        one.until("[1]: ")
        one.types("sreve\n")
        one.until("is serve meant?")
        one.types("3\n")
        assert one.to_its_end() == 1
    assert "start one in another terminal: nbs start serve" in one.shown


def test_generating_asks_for_the_table_and_the_file(tmp_path: Path) -> None:
    with unmeasured():
        raw = SAMPLES["nasbench201"](tmp_path / "raw", architectures=2, seed=0)
    with asked("--data", tmp_path / "data") as one:
        one.until("[1]: ")
        one.types("gen\n")
        one.until("Which table? ")
        one.types("something else\n")
        one.until("or a name")
        one.types("NASbench201\n")
        one.until("to fetch it: ")
        one.types(f"{raw}\n")
        assert one.to_its_end() == 0, one.shown
    assert (tmp_path / "data/nasbench201.db").is_file()
    assert f"> nbs generate nasbench201 {raw}" in one.shown


def test_what_no_program_can_fetch_is_told_with_the_command_that_comes_next(tmp_path: Path) -> None:
    with asked("generate", "--data", tmp_path) as one:
        one.until("Which table? ")
        one.types("natssss\n")
        one.until("to fetch it: ")
        one.types("\n")
        assert one.to_its_end() == 0
    assert "by hand from https://drive.google.com/" in one.shown
    assert "nbs generate natssss NATS-sss" in one.shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("unmeasured")
def test_serving_makes_what_is_missing_and_looking_finds_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    with asked(
        *("--data", tmp_path, "--port", port), NASBENCH_JOBS_DIR=str(tmp_path / "jobs")
    ) as one:
        one.until("[1]: ")
        one.types("\n")
        one.until("creating synthetic ones")
        one.until(f"serving on {url}")
        looked = nbs("start", "look", "--url", url)
        assert (looked.returncode, looked.stderr) == (0, "")
        assert looked.stdout == f"{url}/explore/nasbench201\n"
        assert httpx.get(looked.stdout.strip(), timeout=60).status_code == 200
        one.process.send_signal(signal.SIGINT)
        one.to_its_end()
    assert "Traceback" not in one.shown


def test_a_port_that_is_taken_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = nbs("start", "serve", "--data", tmp_path, "--port", str(other.getsockname()[1]))
    assert told.returncode == 1
    assert "address already in use" in told.stderr
    assert [*tmp_path.iterdir()] == []


def test_generating_without_a_terminal_tells_what_each_table_is_made_of() -> None:
    told = nbs("start", "generate")
    assert "nbs generate nds data.zip\n" in told.stdout
    assert "nbs fetch" in told.stdout
