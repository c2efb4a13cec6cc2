"""Shells, assets and the libraries among them, without a browser."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import httpx
import pytest
from bench_server import BenchServer, ending_together

from benchmark_spec import RESERVED_NAMES
from service.access.keys import KeyFile, KeyScope
from service.pages import PAGES, assets, shell
from service.routes.pages import PAGE_POLICY

REPOSITORY: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = REPOSITORY / "service/pages"
MANIFEST: Final = json.loads((FOLDER / "vendored/manifest.json").read_text())
SCRIPTS: Final = sorted((FOLDER / "scripts").glob("*.js"))
READ_MODULES: Final = """
const {SourceTextModule} = require("node:vm");
const {readFileSync} = require("node:fs");
for (const path of process.argv.slice(1)) {
  new SourceTextModule(readFileSync(path, "utf8"), {identifier: path});
}
"""
"""What reads files as modules and runs none of them."""


def addresses() -> list[str]:
    return [page.path.replace("{benchmark}", "nasbench201") for page in PAGES]


class TestShells:
    @pytest.mark.parametrize("path", addresses())
    def test_come_with_the_policy_and_are_asked_for_anew(
        self, served: BenchServer, path: str
    ) -> None:
        with httpx.Client(base_url=served.url) as http:
            answer = http.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers.get_list("content-security-policy") == [PAGE_POLICY]
            again = http.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            for name in re.findall(r'(?:src|href)="([^"#]+)"', answer.text):
                # Below a prefix of a proxy, too.
                assert not name.startswith(("/", "http"))
                assert http.get(str(answer.url.join(name))).status_code in {200, 307}, name

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_hold_neither_data_nor_code(self, page: object) -> None:
        text = shell(page).decode()  # type: ignore[arg-type]
        assert not re.search(r"<style|\bstyle=|\bon[a-z]+=|javascript:|<script>", text)
        assert len(text) < 4000

    def test_have_names_that_no_benchmark_may_have(self) -> None:
        words = {page.path.split("/")[2] for page in PAGES if page.path.count("/") == 2}
        assert words - {"{benchmark}"} <= RESERVED_NAMES

    def test_are_where_the_service_leads_to(self, served: BenchServer) -> None:
        answer = httpx.get(served.url, follow_redirects=True)
        assert answer.url.path == "/explore"

    @pytest.mark.parametrize("path", ["/explore/", "/explore/a/b", "/explore/a/b/c", "/explorer"])
    def test_are_nowhere_else(self, served: BenchServer, path: str) -> None:
        answer = httpx.get(served.url + path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"

    def test_are_open_where_reading_needs_a_key(self, sample_folder: Path, tmp_path: Path) -> None:
        KeyFile(tmp_path / "keys.json").create("one", KeyScope.READ)
        told = {
            "NASBENCH_KEYS_FILE": str(tmp_path / "keys.json"),
            "NASBENCH_READ_ACCESS": "keyed",
            "NASBENCH_RATE_PER_ADDRESS": "20/minute",
        }
        with ending_together() as start:
            url = start(BenchServer(tmp_path, sample_folder, **told)).url
            for path in (*addresses(), f"/assets/{assets().digest}/api.js"):
                assert httpx.get(url + path).status_code == 200
            for path in ("/explore/../v1/benchmarks", "/explore/..%2fv1/benchmarks", "/v1/stats"):
                request = httpx.Request("GET", url)
                request.url = request.url.copy_with(raw_path=path.encode())
                with httpx.Client() as http:
                    assert http.send(request).status_code in {401, 404}
            statuses = {httpx.get(f"{url}/explore").status_code for _ in range(21)}
            assert statuses == {200, 429}


class TestAssets:
    def test_are_kept_for_good_and_packed_once(self, served: BenchServer) -> None:
        files = assets()
        for name, file in files.files.items():
            answer = httpx.get(f"{served.url}/assets/{files.digest}/{name}")
            assert answer.content == file.content
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert gzip.decompress(file.packed) == file.content
            plain = httpx.get(answer.url, headers={"Accept-Encoding": "identity"})
            assert plain.content == file.content
            assert "content-encoding" not in plain.headers

    @pytest.mark.parametrize(
        "name",
        [
            *("nothing.js", "shell.html", "manifest.json", "uplot.LICENSE", "__init__.py"),
            *("..%2f..%2fapp.py", "%2e%2e/app.py", "api.js%00", "scripts%2fapi.js"),
        ],
    )
    def test_are_looked_up_in_a_table(self, served: BenchServer, name: str) -> None:
        url = f"{served.url}/assets/{assets().digest}/{name}"
        assert httpx.get(url).status_code == 404
        assert httpx.get(f"{served.url}/assets/0000000000000000/api.js").status_code == 404

    def test_of_a_page_are_small(self) -> None:
        files = assets()
        for page in PAGES:
            loaded = {f"{page.name}.js", f"{page.name}.css", f"{page.style}.css", "frame.css"}
            loaded |= {*files.loaded_by(f"{page.name}.js")}
            loaded |= {"uplot.js", "uplot.css"} if page.plots else set()
            packed = sum(len(files.files[name].packed) for name in loaded & files.files.keys())
            assert packed <= 80_000, (page.name, packed)

    def test_read_no_text_as_markup_or_code(self) -> None:
        forbidden = re.compile(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|"
            r"DOMParser|srcdoc|setAttribute\(\"(?:on|style)|localStorage\.setItem\(KEY"
        )
        assert len(SCRIPTS) > 8
        for path in SCRIPTS:
            assert not forbidden.search(path.read_text()), path.name

    def test_touch_uplot_in_one_module(self) -> None:
        naming = [path.name for path in SCRIPTS if "uPlot" in path.read_text()]
        assert naming == ["plot.js"]

    def test_are_read_by_node(self, tmp_path: Path) -> None:
        read = ("--experimental-vm-modules", "--eval", READ_MODULES)
        self.node(*read, *map(str, SCRIPTS))
        wrong = tmp_path / "wrong.js"
        wrong.write_text("export const = 1;\n")
        with pytest.raises(AssertionError, match=r"wrong\.js"):
            self.node(*read, str(wrong))

    def test_compute_as_their_tests_say(self) -> None:
        self.node("--test", *map(str, sorted((REPOSITORY / "tests/pages/pure").glob("*.mjs"))))

    @staticmethod
    def node(*arguments: str) -> None:
        program = shutil.which("node")
        if program is None:
            pytest.skip("no node here: `apt-get install nodejs` makes this test run")
        ended = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr


class TestLibraries:
    def test_are_what_the_manifest_says(self) -> None:
        listed = {"manifest.json"}
        for library in MANIFEST.values():
            assert f"v{library['version']}" in (FOLDER / "vendored/uplot.js").read_text()[:200]
            for name, entry in library["files"].items():
                content = (FOLDER / "vendored" / name).read_bytes()
                assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
                listed.add(name)
        assert {path.name for path in (FOLDER / "vendored").iterdir()} == listed

    def test_come_with_their_licence(self) -> None:
        for name, library in MANIFEST.items():
            assert library["licence"] in (FOLDER / f"vendored/{name}.LICENSE").read_text()
            assert name in (REPOSITORY / "docs/dependencies.md").read_text().lower()

    def test_are_updated_by_a_command(self, tmp_path: Path) -> None:
        copy = tmp_path / "repository"
        shutil.copytree(FOLDER / "vendored", copy / "service/pages/vendored")
        (copy / "docs").mkdir()
        shutil.copy(REPOSITORY / "docs/update_vendored.py", copy / "docs")
        package = tmp_path / "package"
        for entry in MANIFEST["uplot"]["files"].values():
            path = tmp_path / entry["from"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")
        (package / "package.json").write_text('{"version": "9.9.9", "license": "MIT"}')
        with tarfile.open(tmp_path / "uplot.tgz", "w:gz") as packed:
            packed.add(package, "package")
        command = [sys.executable, str(copy / "docs/update_vendored.py"), "uplot"]
        subprocess.run([*command, str(tmp_path / "uplot.tgz")], check=True)
        manifest = json.loads((copy / "service/pages/vendored/manifest.json").read_text())
        assert manifest["uplot"]["version"] == "9.9.9"
        told = {entry["sha256"] for entry in manifest["uplot"]["files"].values()}
        assert told == {hashlib.sha256(b"new").hexdigest()}
