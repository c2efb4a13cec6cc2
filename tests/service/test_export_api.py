"""Exports over real sockets: by any HTTP client, by both of ours, and in local mode."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
import pytest
from one_question import EVERY_MODE, TWO_MODES, Ask, asking
from waiting import until

from bench_client import (
    BenchClient,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    ServerFailedError,
    ServerUnreachableError,
    SyntheticDataWarning,
)
from benchmark_db.registry import BENCHMARKS, INSTALLABLE

Serve: TypeAlias = Callable[..., str]

HARDWARE = "/v1/hw-nas-bench/export"
RUNS = "/v1/nasbench201/export"
pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


class TestHttp:
    @pytest.mark.parametrize("name", INSTALLABLE)
    def test_every_benchmark_is_exported_in_every_format(
        self, http: httpx.Client, name: str
    ) -> None:
        types = {
            "ndjson": "application/x-ndjson",
            "csv": "text/csv; charset=utf-8",
            "parquet": "application/vnd.apache.parquet",
        }
        for form, media_type in types.items():
            answer = http.get(f"/v1/{name}/export", params={"format": form})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == media_type
            disposition = f'attachment; filename="{name}-synthetic.{form}"'
            assert answer.headers["content-disposition"] == disposition
            mark = json.loads(answer.headers["x-provenance"])
            assert (mark["benchmark"], mark["synthetic"]) == (name, True)
            assert mark["content_digest"].startswith("sha256:")
            assert answer.content

    def test_rows_are_the_items_of_the_paged_answer(self, http: httpx.Client) -> None:
        question = {"num_epochs": 200, "dataset": "cifar100", "reduction": "mean"}
        paged = http.get("/v1/nasbench201/computed-stats", params={**question, "limit": 1000})
        lines = http.get(RUNS, params=question).text.splitlines()
        items = paged.json()["items"]
        assert len(items) == len(lines) == 12
        for line, item in zip(map(json.loads, lines), items, strict=True):
            config = item.pop("config")
            del config["arch"]
            assert line == {**config, **item, "synthetic": True}

    def test_a_copy_that_is_current_is_not_sent_again(self, http: httpx.Client) -> None:
        first = http.get(RUNS, params={"format": "csv"})
        assert first.headers["cache-control"] == "public, max-age=300"
        held = {"If-None-Match": first.headers["etag"]}
        again = http.get(RUNS, params={"format": "csv"}, headers=held)
        assert (again.status_code, again.content) == (304, b"")
        other = http.get(RUNS, params={"format": "parquet"}, headers=held)
        assert other.status_code == 200

    @pytest.mark.parametrize(
        ("name", "question", "field"),
        [
            ("nasbench201", {"format": "xlsx"}, "format"),
            ("nasbench201", {"limit": 10}, "limit"),
            ("nasbench201", {"cursor": "x"}, "cursor"),
            ("nasbench201", {"include_intermediates": "true"}, "include_intermediates"),
            ("nasbench201", {"reduction": "median"}, "reduction"),
            ("nasbench201", {"arch": "nonsense"}, "arch"),
            ("nasbench101", {"isomorphism": "perhaps"}, "isomorphism"),
            ("nds", {"sort": "flops"}, "sort"),
            ("nds", {"min_flops": "nan"}, "min_flops"),
            ("hw-nas-bench", {"reduction": "mean"}, "reduction"),
        ],
    )
    def test_a_malformed_question_is_a_problem_and_no_file(
        self, http: httpx.Client, name: str, question: dict[str, Any], field: str
    ) -> None:
        answer = http.get(f"/v1/{name}/export", params=question)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["loc"][-1] == field

    def test_what_is_not_installed_is_not_exported(self, serve: Serve, tmp_path: Path) -> None:
        server = serve(tmp_path)
        for name in INSTALLABLE:
            answer = httpx.get(f"{server}/v1/{name}/export")
            assert answer.status_code == 404
            assert "nbs generate" in answer.json()["detail"]

    def test_gzip_comes_in_pieces_too(self, http: httpx.Client) -> None:
        plain = http.get(HARDWARE, headers={"Accept-Encoding": "identity"})
        with http.stream("GET", HARDWARE, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["transfer-encoding"] == "chunked"
            packed = b"".join(answer.iter_raw())
        assert gzip.decompress(packed) == plain.content
        assert len(packed) < len(plain.content) / 2

    def test_a_question_that_outlasts_its_budget_before_the_first_row_is_a_problem(
        self, serve: Serve, directory: Path
    ) -> None:
        server = serve(directory, NASBENCH_TIME_BUDGET="0.000000001")
        answer = httpx.get(server + RUNS)
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("time-budget-exceeded")


def export_until(server: str, status: int) -> httpx.Response:
    """Ask for an export again and again until it is answered so."""
    return until(
        lambda: httpx.get(server + RUNS),
        lambda answer: answer.status_code == status,
        what=f"an export answered by {status}",
    )


def begin_to_read(server: str) -> socket.socket:
    """Return a connection that takes the first bytes of a long export and no more."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect((urlsplit(server).hostname, urlsplit(server).port))
    connection.sendall(f"GET {HARDWARE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


class TestLongExports:
    def test_are_no_more_than_allowed_at_a_time_and_end_when_their_reader_leaves(
        self, serve: Serve, directory: Path
    ) -> None:
        server = serve(directory, NASBENCH_EXPORT_LIMIT="1")
        reader = begin_to_read(server)
        refused = httpx.get(server + RUNS)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "10"
        assert refused.json()["type"].endswith("too-many-exports")
        time.sleep(0.5)
        assert httpx.get(server + RUNS).status_code == 503  # a slow reader keeps its place
        assert httpx.get(f"{server}/v1/nasbench201/computed-stats").status_code == 200
        reader.close()
        assert export_until(server, 200).content
        log = next(directory.glob(f"server-{urlsplit(server).port}.log"))
        until(log.read_text, lambda log: "the reader went away" in log, what="it logged")

    def test_can_be_left_any_number_of_times(self, serve: Serve, directory: Path) -> None:
        server = serve(directory, NASBENCH_EXPORT_LIMIT="2")
        for _ in range(6):
            export_until(server, 200)
            begin_to_read(server).close()
        export_until(server, 200)

    def test_of_a_damaged_file_break_off_and_do_not_look_complete(
        self, serve: Serve, directory: Path, tmp_path: Path
    ) -> None:
        # The check after the start would find the damage before anybody asks.
        server = serve(damaged_copy(directory, tmp_path), NASBENCH_VERIFY_SECONDS="0")
        with httpx.stream("GET", server + HARDWARE) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                answer.read()
        assert httpx.get(f"{server}/livez").status_code == 200

    def test_of_a_damaged_file_leave_what_was_there(
        self, serve: Serve, directory: Path, tmp_path: Path
    ) -> None:
        # The check after the start would find the damage before anybody asks.
        server = serve(damaged_copy(directory, tmp_path), NASBENCH_VERIFY_SECONDS="0")
        for suffix in ("ndjson", "csv", "parquet"):
            path = tmp_path / f"costs.{suffix}"
            path.write_text("before")
            with (
                BenchClient(server) as bench,
                pytest.raises((ServerUnreachableError, ServerFailedError)),
            ):
                bench.export("hw-nas-bench", path)
            with BenchClient.local(tmp_path) as bench, pytest.raises(ServerFailedError):
                bench.export("hw-nas-bench", path)
            assert path.read_text() == "before"
        assert not list(tmp_path.glob(".*.part"))


def test_a_reader_that_takes_nothing_loses_its_place(serve: Serve, directory: Path) -> None:
    impatient_server = serve(directory, NASBENCH_EXPORT_LIMIT="1", NASBENCH_READ_SECONDS="1")
    with begin_to_read(impatient_server):
        assert httpx.get(impatient_server + RUNS).status_code == 503
        assert export_until(impatient_server, 200).content


def damaged_copy(directory: Path, folder: Path) -> Path:
    """Return a folder with costs that cannot be read from the middle on."""
    content = bytearray((directory / "hw-nas-bench.db").read_bytes())
    start = len(content) * 2 // 5
    content[start : start + 65_536] = b"\xa5" * 65_536
    (folder / "hw-nas-bench.db").write_bytes(content)
    return folder


class TestEveryClient:
    @pytest.fixture(params=EVERY_MODE)
    def mode(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def ask(self, mode: str, server: str, directory: Path) -> Ask:
        return asking(mode, server, directory)

    @pytest.mark.parametrize("mode", TWO_MODES, indirect=True)
    @pytest.mark.parametrize("form", ["ndjson", "csv"])
    @pytest.mark.parametrize("name", INSTALLABLE)
    def test_writes_what_the_server_sends(
        self, ask: Ask, http: httpx.Client, tmp_path: Path, name: str, form: str
    ) -> None:
        path = tmp_path / f"runs.{form}"
        assert ask(lambda bench: bench.export(name, path)) == path
        assert path.read_bytes() == http.get(f"/v1/{name}/export?format={form}").content

    @pytest.mark.parametrize("mode", TWO_MODES, indirect=True)
    @pytest.mark.parametrize("name", INSTALLABLE)
    def test_writes_the_same_table_as_parquet(
        self, ask: Ask, http: httpx.Client, tmp_path: Path, name: str
    ) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        path = tmp_path / "runs.parquet"
        ask(lambda bench: bench.export(name, path))
        sent = http.get(f"/v1/{name}/export?format=parquet").content
        table, expected = parquet.read_table(path), parquet.read_table(io.BytesIO(sent))
        assert table.schema.equals(expected.schema, check_metadata=True)
        assert table.equals(expected)

    def test_passes_filters_and_reduction_on(self, ask: Ask, tmp_path: Path) -> None:
        runs = ask(lambda bench: bench.query_nb201(3, 200, "cifar100", reduction="mean"))
        path = tmp_path / "runs"
        ask(
            lambda bench: bench.export(
                "nasbench201",
                str(path),
                format="ndjson",
                reduction="mean",
                arch=3,
                num_epochs=200,
                dataset="cifar100",
                seed=None,
            )
        )
        (row,) = map(json.loads, path.read_text().splitlines())
        assert row["test_acc"] == runs[0].test_acc
        assert row["num_runs"] == runs[0].num_runs
        assert row["seed"] is None

    def test_writes_to_an_open_file(self, ask: Ask, http: httpx.Client) -> None:
        file = io.BytesIO()
        ask(lambda bench: bench.export_to(file, "nds", format="csv", proposer="resnet"))
        sent = http.get("/v1/nds/export?format=csv&proposer=resnet")
        assert file.getvalue() == sent.content

    @pytest.mark.parametrize(
        ("question", "field"),
        [
            ({"path": "runs.xlsx"}, "format"),
            ({"path": "runs"}, "format"),
            ({"path": "runs.csv", "format": "tsv"}, "format"),
            ({"path": "runs.csv", "num_epochs": "200"}, "num_epochs"),
            ({"path": "runs.csv", "colour": 1}, "colour"),
            ({"path": "runs.csv", "limit": 10}, "limit"),
            ({"path": "runs.csv", "reduction": "median"}, "reduction"),
            ({"path": "runs.csv", "dataset": "mnist"}, "dataset"),
        ],
    )
    def test_names_what_is_malformed_and_writes_nothing(
        self, ask: Ask, tmp_path: Path, question: dict[str, Any], field: str
    ) -> None:
        options = {**question, "path": tmp_path / question["path"]}
        with pytest.raises(InvalidRequestError) as caught:
            ask(lambda bench: bench.export("nasbench201", **options))
        assert caught.value.errors[0].loc[-1] == field
        assert list(tmp_path.iterdir()) == []

    def test_names_a_malformed_architecture(self, ask: Ask, tmp_path: Path) -> None:
        with pytest.raises(InvalidArchitectureError):
            ask(lambda bench: bench.export("nasbench201", tmp_path / "a.csv", arch="nonsense"))

    def test_knows_no_other_benchmark(self, ask: Ask, tmp_path: Path) -> None:
        for name in ("nasbench999", "..", ""):
            with pytest.raises(BenchmarkNotInstalledError):
                ask(lambda bench, name=name: bench.export(name, tmp_path / "a.csv"))

    def test_cannot_write_where_there_is_no_folder_or_is_one(
        self, ask: Ask, tmp_path: Path
    ) -> None:
        with pytest.raises(FileNotFoundError):
            ask(lambda bench: bench.export("nds", tmp_path / "no/runs.csv"))
        folder = tmp_path / "runs.csv"
        folder.mkdir()
        with pytest.raises(IsADirectoryError, match="name a file in it"):
            ask(lambda bench: bench.export("nds", folder))

    @pytest.mark.filterwarnings("error")
    def test_warns_that_numbers_are_made_up(self, ask: Ask, tmp_path: Path) -> None:
        with pytest.warns(SyntheticDataWarning, match="made up"):
            ask(lambda bench: bench.export("nds", tmp_path / "runs.csv"))


def test_every_benchmark_can_be_exported(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {f"/v1/{name}/export" for name in INSTALLABLE} <= set(paths)
    assert set(BENCHMARKS) < set(INSTALLABLE)
