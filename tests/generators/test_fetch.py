"""Downloads, from a real server on loopback: whole, broken off, damaged, absent."""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lying_server import answer, lying

from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED
from generators.fetch import FetchError, fetch
from generators.registry import GENERATORS

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "data.zip"


@dataclass
class Mirror:
    """What a server does, and what it was asked."""

    content: bytes = CONTENT
    name: str = NAME
    etag: str | None = '"one"'
    cut: int | None = None
    ranges: bool = True
    wrong_range: bool = False
    received: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    mirror: Mirror
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing: tests look at `received`."""

    def do_GET(self) -> None:
        mirror = self.mirror
        asked = {name.lower(): value for name, value in self.headers.items()}
        mirror.received.append(asked)
        if self.path != f"/raw/{mirror.name}":
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if mirror.ranges and "range" in asked and asked.get("if-range") == mirror.etag:
            start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(mirror.content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = mirror.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            claimed = 0 if mirror.wrong_range else start
            last = len(mirror.content) - 1
            self.send_header("Content-Range", f"bytes {claimed}-{last}/{last + 1}")
        if mirror.etag:
            self.send_header("ETag", mirror.etag)
        self.end_headers()
        self.wfile.write(body[: mirror.cut])
        self.close_connection = mirror.cut is not None


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    handler = type("MirrorHandler", (Handler,), {"mirror": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}/raw"
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def broken_off(mirror: Mirror, tmp_path: Path) -> Path:
    """A folder in which a download has broken off half-way."""
    mirror.cut = len(CONTENT) // 2
    with pytest.raises(FetchError, match="run the command again to go on where it stopped"):
        fetch("nds", tmp_path, mirror=mirror.url)
    assert not (tmp_path / NAME).exists()
    mirror.cut = None
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_downloaded_and_its_digest_recorded(mirror: Mirror, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetched = fetch(
        "nds", tmp_path, mirror=mirror.url, progress=lambda done, total: told.append((done, total))
    )
    assert fetched.path.read_bytes() == CONTENT
    assert (fetched.sha256, fetched.compared) == (DIGEST, False)
    assert (tmp_path / f"{NAME}.sha256").read_text() == f"{DIGEST}  {NAME}\n"
    assert names(tmp_path) == {NAME, f"{NAME}.sha256"}
    assert told[-1] == (6, 6)


def test_a_file_that_is_there_is_not_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    fetch("nds", tmp_path, mirror=mirror.url)
    again = fetch("nds", tmp_path, mirror=mirror.url)
    assert again.compared
    assert len(mirror.received) == 1


def test_a_file_that_was_damaged_since_is_downloaded_again(mirror: Mirror, tmp_path: Path) -> None:
    fetch("nds", tmp_path, mirror=mirror.url)
    (tmp_path / NAME).write_bytes(b"damaged")
    assert fetch("nds", tmp_path, mirror=mirror.url).path.read_bytes() == CONTENT


def test_the_digest_that_is_known_is_compared(mirror: Mirror, tmp_path: Path) -> None:
    assert fetch("nds", tmp_path, mirror=f"{mirror.url}/", sha256=DIGEST).compared


def test_a_file_with_another_digest_is_not_kept(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"another digest than 0000.*not kept"):
        fetch("nds", tmp_path, mirror=mirror.url, sha256="0" * 64)
    assert names(tmp_path) == set()


def test_a_download_goes_on_where_it_broke_off(mirror: Mirror, broken_off: Path) -> None:
    assert fetch("nds", broken_off, mirror=mirror.url).sha256 == DIGEST
    assert mirror.received[-1]["range"] == f"bytes={len(CONTENT) // 2}-"
    assert names(broken_off) == {NAME, f"{NAME}.sha256"}


def _changed_meanwhile(mirror: Mirror) -> None:
    mirror.content, mirror.etag = CONTENT[::-1], '"two"'


def _knows_no_ranges(mirror: Mirror) -> None:
    mirror.ranges = False


def _gives_another_range(mirror: Mirror) -> None:
    mirror.wrong_range = True


@pytest.mark.parametrize("change", [_changed_meanwhile, _knows_no_ranges, _gives_another_range])
def test_a_rest_that_does_not_fit_is_no_rest(
    mirror: Mirror, broken_off: Path, change: Callable[[Mirror], None]
) -> None:
    change(mirror)
    assert fetch("nds", broken_off, mirror=mirror.url).path.read_bytes() == mirror.content


def test_a_part_that_is_whole_already_does_no_harm(mirror: Mirror, broken_off: Path) -> None:
    (broken_off / f".{NAME}.part").write_bytes(CONTENT)
    assert fetch("nds", broken_off, mirror=mirror.url).sha256 == DIGEST


def test_a_part_of_an_unnamed_version_is_not_gone_on_with(mirror: Mirror, tmp_path: Path) -> None:
    mirror.etag, mirror.cut = None, 1000
    with pytest.raises(FetchError):
        fetch("nds", tmp_path, mirror=mirror.url)
    mirror.cut = None
    assert fetch("nds", tmp_path, mirror=mirror.url).sha256 == DIGEST
    assert "range" not in mirror.received[-1]


def test_an_absent_file_is_a_404_with_its_address(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"nasbench_full\.tfrecord answered 404"):
        fetch("nasbench101", tmp_path, mirror=mirror.url)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nonsense", "http://[", "ftp://x"])
def test_without_a_network_it_says_what_to_do(tmp_path: Path, address: str) -> None:
    with pytest.raises(FetchError, match="on another machine") as caught:
        fetch("nds", tmp_path, mirror=address)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("benchmark", ["nasbench201", "natssss", "hw-nas-bench"])
def test_what_has_no_address_is_fetched_by_hand(benchmark: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"by hand from https://github.com") as caught:
        fetch(benchmark, tmp_path)
    assert f"nbs generate {benchmark}" in str(caught.value)


def test_a_file_is_chosen_by_its_name(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"nasbench_only108\.tfrecord answered 404"):
        fetch("nasbench101", tmp_path, name="nasbench_only108.tfrecord", mirror=mirror.url)
    with pytest.raises(FetchError, match="known are nasbench_full"):
        fetch("nasbench101", tmp_path, name="other.tfrecord", mirror=mirror.url)


def test_files_of_declared_tables_have_the_digests_of_their_declarations(
    mirror: Mirror, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match=r"by hand from https://github\.com/xiusu") as caught:
        fetch("nasbenchmacro", tmp_path)
    assert "nbs generate nasbenchmacro" in str(caught.value)
    (named,) = read_declaration(shipped_declarations()["nasbenchmacro"]).spec.raw_files
    mirror.name = named.name
    with pytest.raises(FetchError, match=f"has another digest than {named.sha256}"):
        fetch("nasbenchmacro", tmp_path, mirror=mirror.url)
    assert not (tmp_path / named.name).exists()


def test_everything_that_is_generated_has_its_raw_files() -> None:
    assert all(PUBLISHED[name].raw_files and PUBLISHED[name].homepage for name in GENERATORS)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FetchError, match=r"nas-bench-service\[generate\]"):
        fetch("nds", tmp_path)


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://here", "http://", "http://[::1", "http://xn--a", "/a", " "]
)
def test_a_mirror_that_is_no_address_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot fetch"):
        fetch("nds", tmp_path, mirror=address)


def test_what_a_server_calls_a_version_is_sent_back_only_where_a_header_can_hold_it(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    def say(target: str) -> list[bytes]:
        asked.append(target)
        begun = answer(CONTENT[:99], ("ETag", b'"\xe4\xff"'), ("Content-Type", "a/b"), length=200)
        return [begun if len(asked) == 1 else answer(CONTENT)]

    with lying() as server:
        server.say = say
        with pytest.raises(FetchError, match="go on where it stopped"):
            fetch("nds", tmp_path, mirror=server.url)
        assert fetch("nds", tmp_path, mirror=server.url).sha256 == DIGEST


def test_a_file_that_comes_packed_is_not_unpacked(tmp_path: Path) -> None:
    with lying() as server:
        bomb = gzip.compress(bytes(10**7))
        server.say = lambda _: [answer(bomb, ("Content-Encoding", "gzip"))]
        with pytest.raises(FetchError, match="packed as 'gzip'"):
            fetch("nds", tmp_path, mirror=server.url)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
