"""Downloads, from a real server on loopback: whole, broken off, damaged, absent."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import nbs
from lying_server import ENDLESS, answer, lying

from benchmark_spec.declaration import read_declaration, shipped_declarations
from benchmark_spec.published import PUBLISHED
from generators.downloading import Resuming
from generators.fetch import FetchError, fetch, published_files
from generators.registry import GENERATORS
from generators.source import silent
from missing_extra import install_command

REPOSITORY = Path(__file__).resolve().parents[2]
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
    with pytest.raises(FetchError, match="run the command again to continue where it stopped"):
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


@pytest.mark.parametrize(
    ("record", "compared"),
    [
        (b"", False),
        (b"\xff\xfe\x00", False),
        (b"zzz  data.zip\n", False),
        (f"{DIGEST}0  {NAME}\n".encode(), False),
        (f"{DIGEST.upper()}  {NAME}\n".encode(), True),
    ],
)
def test_a_damaged_record_of_a_digest_is_none(
    mirror: Mirror, tmp_path: Path, record: bytes, *, compared: bool
) -> None:
    fetch("nds", tmp_path, mirror=mirror.url)
    (tmp_path / f"{NAME}.sha256").write_bytes(record)
    fetched = fetch("nds", tmp_path, mirror=mirror.url)
    assert (fetched.sha256, fetched.compared) == (DIGEST, compared)
    assert (tmp_path / f"{NAME}.sha256").read_text() == f"{DIGEST}  {NAME}\n"


def test_the_digest_that_is_known_is_compared(mirror: Mirror, tmp_path: Path) -> None:
    assert fetch("nds", tmp_path, mirror=f"{mirror.url}/", sha256=DIGEST).compared


def test_a_file_with_another_digest_is_not_kept(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"does not have the digest 0000.*not kept"):
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


@pytest.mark.parametrize("benchmark", ["nasbench201", "natssss"])
def test_what_has_no_address_is_fetched_by_hand(benchmark: str, tmp_path: Path) -> None:
    with pytest.raises(
        FetchError, match=r"by hand from https://drive\.google\.com/\S+ and"
    ) as caught:
        fetch(benchmark, tmp_path)
    first = published_files()[benchmark].files[0].name
    assert f"`nbs generate {benchmark} {first}`" in str(caught.value)


def test_a_file_is_chosen_by_its_name(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"nasbench_only108\.tfrecord answered 404"):
        fetch("nasbench101", tmp_path, name="nasbench_only108.tfrecord", mirror=mirror.url)
    with pytest.raises(FetchError, match="known are nasbench_full"):
        fetch("nasbench101", tmp_path, name="other.tfrecord", mirror=mirror.url)


def test_files_of_declared_tables_have_the_digests_of_their_declarations(
    mirror: Mirror, tmp_path: Path
) -> None:
    (named,) = read_declaration(shipped_declarations()["nasbenchmacro"]).spec.raw_files
    mirror.name = named.name
    with pytest.raises(FetchError, match=f"does not have the digest {named.sha256}"):
        fetch("nasbenchmacro", tmp_path, mirror=mirror.url)
    assert not (tmp_path / named.name).exists()


def test_every_file_has_an_address_or_a_page_of_its_authors_and_a_licence() -> None:
    written = tomllib.loads((REPOSITORY / "generators/raw_files.toml").read_text())
    published = published_files()
    assert set(published) == {*GENERATORS, *shipped_declarations()} == set(written)
    for name, each in published.items():
        assert each.licence
        assert each.together == (len(each.files) > 1 and "folder" in written[name])
        # What is written of a file that there is not would never be looked at.
        assert set(written[name].get("files", {})) <= {file.name for file in each.files}
        for file in each.files:
            assert file.page.startswith("https://")
            assert file.url is None or file.url.startswith("https://")
            assert file.url is None or file.url.endswith(f"/{file.name}")
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)


def test_everything_that_is_generated_has_its_raw_files() -> None:
    assert all(PUBLISHED[name].raw_files and PUBLISHED[name].homepage for name in GENERATORS)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FetchError, match=re.escape(install_command("generate"))):
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
        with pytest.raises(FetchError, match="continue where it stopped"):
            fetch("nds", tmp_path, mirror=server.url)
        assert fetch("nds", tmp_path, mirror=server.url).sha256 == DIGEST


def test_a_file_that_comes_packed_is_not_unpacked(tmp_path: Path) -> None:
    with lying() as server:
        bomb = gzip.compress(bytes(10**7))
        server.say = lambda _: [answer(bomb, ("Content-Encoding", "gzip"))]
        with pytest.raises(FetchError, match="compressed as 'gzip'"):
            fetch("nds", tmp_path, mirror=server.url)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def _more_than_said(_: str) -> list[bytes]:
    return [answer(CONTENT + b"more", length=len(CONTENT))]


def _fewer_than_said(_: str) -> list[bytes]:
    return [answer(CONTENT, length=len(CONTENT) + 1)]


def _more_than_any(_: str) -> list[bytes]:
    return [answer(CONTENT, length=10**17)]


def _packed_in_two(_: str) -> list[bytes]:
    return [answer(CONTENT, ("Content-Length", "5"), ("Content-Length", "6"))]


@pytest.mark.parametrize(
    ("say", "says"),
    [
        (_fewer_than_said, "continue where it stopped"),
        (_more_than_any, "no raw archive is so large"),
        (_packed_in_two, "cannot fetch"),
    ],
)
def test_a_server_that_lies_about_the_size_gives_no_file(
    say: Callable[[str], list[bytes]], says: str, tmp_path: Path
) -> None:
    with lying() as server:
        server.say = say
        with pytest.raises(FetchError, match=says) as caught:
            fetch("nds", tmp_path, mirror=server.url)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / NAME).exists()


def test_what_comes_after_the_announced_bytes_is_not_taken(tmp_path: Path) -> None:
    with lying() as server:
        server.say = _more_than_said
        assert fetch("nds", tmp_path, mirror=server.url).sha256 == DIGEST


def test_what_never_ends_is_given_up(tmp_path: Path) -> None:
    part = tmp_path / ".part"
    with lying() as server:
        server.say = lambda _: _endless()
        with pytest.raises(FetchError, match=r"sends more than 3\.0 MB"):
            Resuming(part, silent, 3_000_000)(server.url, str(tmp_path / NAME), None)
    assert names(tmp_path) == set()


def _endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    while True:
        yield ENDLESS


@pytest.mark.parametrize(
    "range_", ["bytes 2560000-9999999/5120000", "bytes 2560000-2560009/5120000"]
)
def test_a_rest_that_is_not_what_it_says_is_given_up(broken_off: Path, range_: str) -> None:
    with lying() as server:
        head = ("Content-Range", range_), ("ETag", '"one"')
        server.say = lambda _: [answer(CONTENT[2560000:2560010], *head, status=206)]
        with pytest.raises(FetchError, match="another number of bytes than announced"):
            fetch("nds", broken_off, mirror=server.url)
    assert names(broken_off) == set()


def _moved(to: str) -> bytes:
    return answer(b"", ("Location", to), status=302)


def test_a_server_may_send_on_to_another_host_but_not_for_ever(tmp_path: Path) -> None:
    with lying() as first, lying() as second:
        second.say = lambda _: [answer(CONTENT)]
        first.say = lambda _: [_moved(f"{second.url}/elsewhere")]
        assert fetch("nds", tmp_path / "one", mirror=first.url).sha256 == DIGEST
        assert second.asked == ["GET /elsewhere"]
        first.say = lambda _: [_moved(f"{second.url}/a")]
        second.say = lambda _: [_moved(f"{first.url}/b")]
        first.asked.clear()
        with pytest.raises(FetchError, match="redirects more than 5 times"):
            fetch("nds", tmp_path / "two", mirror=first.url)
        assert len(first.asked) == 3
    assert names(tmp_path / "two") == set()


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "gopher://x"]
)
def test_a_server_sends_on_to_web_addresses_only(to: str, tmp_path: Path) -> None:
    with lying() as server:
        server.say = lambda _: [_moved(to)]
        with pytest.raises(FetchError):
            fetch("nds", tmp_path, mirror=server.url)
    assert names(tmp_path) == set()


class TestTheCommand:
    def test_lists_every_file_with_licence_and_digest_and_what_to_run(self) -> None:
        listed = json.loads(nbs("fetch").stdout)
        assert {each["benchmark"] for each in listed} == set(published_files())
        (first,) = [each for each in listed if each["benchmark"] == "nasbench101"]
        assert first["licence"] == "Apache-2.0"
        assert first["files"][0]["sha256"].startswith("3d64db81")

    def test_fetches_all_files_of_a_table_and_says_what_converts_them(
        self, shared: Path, tmp_path: Path
    ) -> None:
        files = shared / "data/tables/help-latency"

        def say(target: str) -> list[bytes]:
            return [answer((files / target.rpartition("/")[2]).read_bytes())]

        with lying() as server:
            server.say = say
            told = nbs("fetch", "help-latency-201", "--out", tmp_path, "--mirror", server.url)
        assert told.returncode == 0, told.stderr
        assert told.stderr.count("(as expected)") == 9
        assert "licence of the data: MIT" in told.stderr
        command = told.stderr.rpartition("`nbs ")[2].partition("`")[0].split()
        assert command == ["generate", "help-latency-201", str(tmp_path / "help-latency-201")]
        made = nbs(*command, "--out", tmp_path / "data")
        assert made.returncode == 0, made.stderr

    def test_what_no_program_can_fetch_is_one_line_with_place_file_and_next_command(
        self, tmp_path: Path
    ) -> None:
        told = nbs("fetch", "nasbench201", "--out", tmp_path)
        assert (told.returncode, told.stdout) == (1, "")
        (line,) = told.stderr.splitlines()
        assert line.startswith("nbs: NAS-Bench-201-v1_1-096897.pth has no address")
        assert "`nbs generate nasbench201 NAS-Bench-201-v1_1-096897.pth`" in line
