"""Servers that lie about files: names, links, lengths and contents that are not true.

A client raises one of its own errors and writes only where it was told to.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lying_server import (
    CONTENT,
    DIGEST,
    ENDLESS,
    MEGABYTE,
    LyingServer,
    answer,
    download,
    endless_chunks,
    job,
    sends_artifact,
)
from one_question import asked_blocking

from bench_client import BenchClient, Job, UnexpectedAnswerError
from bench_client.untrusted import plain_file_name

NAMES: Final = [
    "../../escaped.txt",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "..\\x",
    "C:x",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "a\x85b",
    "x.",
    "x ",
    " x",
    "x" * 129,
    "x" * 300,
    ".bashrc",
    "-rf",
    "~",
    "NUL",
    "con.txt",
    "LPT1.safetensors",
    "CONIN$",
    "\uff0fetc",
    "a\u2044b",
    "\u202egnp.exe",
    "\u200b",
    "\uff41",
    "x*",
    "x?",
    "x:stream",
    "$HOME",
    "%2e%2e",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_plain_file_name_is_refused_before_anything_is_asked(
    server: LyingServer, tmp_path: Path, name: str
) -> None:
    server.say = lambda target: [answer(job(name) if "artifacts" not in target else CONTENT)]
    with BenchClient(server.url, retries=0) as bench:
        with pytest.raises(UnexpectedAnswerError, match="name"):
            bench.job("0" * 32)
        # One that was made past the model's checks is refused all the same.
        made = Job.model_validate_json(job("fine.txt"))
        unchecked = made.artifacts[0].model_copy(update={"name": name})
        lied = made.model_copy(update={"artifacts": [unchecked]})
        asked_before = len(server.asked)
        with pytest.raises(UnexpectedAnswerError):
            bench.download(lied, tmp_path / "in" / "out")
    assert len(server.asked) == asked_before
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_whatever_is_let_through_is_one_component_beside_the_others(name: str) -> None:
    try:
        plain = plain_file_name(name)
    except ValueError:
        return
    assert plain == name
    assert name.isascii()
    assert os.path.basename(name) == name  # noqa: PTH119 - what the system takes for one
    assert name not in {"", ".", ".."}


@pytest.mark.parametrize("names", [("a.txt", "a.txt"), ("A.txt", "a.TXT"), ("x", "y", "X")])
def test_names_that_are_one_file_somewhere_are_refused(
    server: LyingServer, names: tuple[str, ...]
) -> None:
    server.say = lambda _: [answer(job(*names))]
    with (
        BenchClient(server.url, retries=0) as bench,
        pytest.raises(UnexpectedAnswerError, match="artifacts"),
    ):
        bench.job("0" * 32)


def test_a_link_in_the_place_of_a_file_is_replaced_and_never_written_through(
    server: LyingServer, asked: Callable[..., Any], tmp_path: Path
) -> None:
    server.say = sends_artifact(CONTENT)
    (tmp_path / "precious").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").symlink_to(tmp_path / "precious")
    asked(server.url, lambda bench: download(bench, out))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (out / "a.txt").read_bytes() == CONTENT
    assert not (out / "a.txt").is_symlink()


def test_a_folder_in_the_place_of_a_file_stays(server: LyingServer, tmp_path: Path) -> None:
    server.say = sends_artifact(CONTENT)
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        asked_blocking(server.url, lambda bench: download(bench, tmp_path), retries=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("how", ["chunks", "length", "close", "packed"])
def test_a_file_that_is_longer_than_the_job_says_is_given_up_at_once(
    server: LyingServer, asked: Callable[..., Any], tmp_path: Path, how: str
) -> None:
    head = [("Content-Type", "text/plain"), ("ETag", f'"{DIGEST}"')]

    def say(target: str) -> Iterable[bytes]:
        if "artifacts" not in target:
            yield answer(job("a.txt"))
        elif how == "packed":
            yield answer(gzip.compress(CONTENT), ("Content-Encoding", "gzip"), *head)
        elif how == "chunks":
            yield answer(b"", ("Transfer-Encoding", "chunked"), *head)
            yield from endless_chunks()
        elif how == "length":
            yield answer(b"", *head, length=2**42)
            yield from (ENDLESS for _ in range(4096))
        else:
            yield answer(b"", *head).replace(b"Content-Length: 0\r\n", b"")
            yield from (ENDLESS for _ in range(4096))

    server.say = say
    with pytest.raises(UnexpectedAnswerError):
        asked(server.url, lambda bench: download(bench, tmp_path), compress=True)
    assert list(tmp_path.iterdir()) == []
    assert server.sent < 64 * MEGABYTE


def test_a_media_type_is_not_sent_back_to_the_server(server: LyingServer, tmp_path: Path) -> None:
    made = {"name": "a.txt", "media_type": "a\r\nX: ü", "size": 4, "sha256": DIGEST}
    respond = sends_artifact(CONTENT)
    server.say = lambda target: respond(target) if "artifacts" in target else [answer(job(made))]
    asked_blocking(server.url, lambda bench: download(bench, tmp_path), retries=0)
    assert (tmp_path / "a.txt").read_bytes() == CONTENT


def test_the_digest_of_the_stand_ins_is_that_of_their_content() -> None:
    assert hashlib.sha256(CONTENT).hexdigest() == DIGEST
