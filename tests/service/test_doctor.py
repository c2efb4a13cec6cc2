"""`nbs doctor`, `backup` and `restore`: every finding once, and what is saved comes back."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from forked_nbs import nbs
from lab_trainers import install
from lying_server import answer, lying

from benchmark_db.catalog import Catalog
from service.access.keys import KeyFile, KeyScope
from service.jobs import JobSettings, open_jobs
from service.jobs.kinds import KINDS, new_job
from service.jobs.records import JobState


@pytest.fixture
def place(tmp_path: Path, directory: Path) -> dict[str, str]:
    """An installation of its own: databases, keys, one waiting job with an artifact beside it."""
    data, jobs = tmp_path / "data", tmp_path / "jobs"
    data.mkdir()
    for path in directory.glob("nasbench201.db"):
        shutil.copy(path, data)
    KeyFile(data / "keys.json").create("ann", KeyScope.JOBS)
    with open_jobs(JobSettings(jobs_dir=jobs)) as opened, closing(Catalog(data)) as catalog:
        body = {"network": {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}}
        request = KINDS["model"].request.model_validate(body)
        opened.store.submit(new_job(request, catalog=catalog, job_seconds=60.0))
        with opened.artifacts.receive() as incoming:
            incoming.write(b"weights")
            incoming.keep()
    return {
        "NASBENCHMARK_DIR": str(data),
        "NASBENCH_JOBS_DIR": str(jobs),
        "NASBENCH_DATASETS_DIR": str(tmp_path / "none"),
    }


def findings(place: dict[str, str], *arguments: str, **more: str) -> tuple[int, list[Any]]:
    told = nbs("doctor", "--json", "--port", "0", *arguments, **place, **more)
    return told.returncode, json.loads(told.stdout)


def said(found: list[Any], about: str) -> Any:
    (finding,) = [finding for finding in found if finding["about"] == about]
    return finding


def _server_away(place: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place["NASBENCH_URL"] = f"http://127.0.0.1:{free.getsockname()[1]}"


def _cut(place: dict[str, str]) -> None:
    path = Path(place["NASBENCHMARK_DIR"], "nasbench201.db")
    path.write_bytes(path.read_bytes()[:5000])


def _of_another_version(place: dict[str, str]) -> None:
    with closing(sqlite3.connect(Path(place["NASBENCH_JOBS_DIR"], "jobs.db"))) as jobs:
        jobs.execute("UPDATE jobs_schema SET version = 2")
        jobs.commit()


FAULTS: list[tuple[str, Callable[[dict[str, str]], Any], str, str]] = [
    ("workers", lambda _: None, "none is alive, and 1 jobs are queued", "nbs worker"),
    (
        "settings",
        lambda place: place.update(NASBENCH_REDISURL="redis://x"),
        "NASBENCH_REDISURL is not a setting",
        "is NASBENCH_REDIS_URL meant?",
    ),
    (
        "settings",
        lambda place: place.update(NASBENCH_TIME_BUDGET="soon"),
        "NASBENCH_TIME_BUDGET: Input should be a valid number",
        "docs/limits.md",
    ),
    ("database nasbench201", _cut, "", "nbs generate"),
    ("jobs", _of_another_version, "kept in version 2", "begin with an empty database"),
    (
        "keys",
        lambda place: Path(place["NASBENCHMARK_DIR"], "keys.json").chmod(0o644),
        "others can read",
        "chmod 600",
    ),
    (
        "keys",
        lambda place: Path(place["NASBENCHMARK_DIR"], "keys.json").write_text("{"),
        "is not a key file",
        "backup",
    ),
    ("server", _server_away, "refused", "is it running?"),
    (
        "server",
        lambda place: place.update(NASBENCH_URL="localhost:8000"),
        "localhost:8000",
        "is http://localhost:8000 meant?",
    ),
    (
        "artifacts",
        lambda place: place.update(
            NASBENCH_ARTIFACTS_URL="s3://lab/artifacts",
            AWS_ENDPOINT_URL="http://127.0.0.1:1",
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="y",  # noqa: S106 - opens nothing
        ),
        "s3://lab/artifacts did not list the bucket: no connection",
        "are $AWS_ENDPOINT_URL,",
    ),
    (
        "folder of jobs",
        lambda place: (
            shutil.rmtree(place["NASBENCH_JOBS_DIR"]),
            Path(place["NASBENCH_JOBS_DIR"]).write_text("a file"),
        ),
        "not a folder",
        "choose another one",
    ),
]


@pytest.mark.parametrize(
    ("about", "break_it", "says", "remedy"), FAULTS, ids=[f"{a}: {s}" for a, _, s, _ in FAULTS]
)
def test_what_is_wrong_is_a_problem_with_a_remedy(
    about: str,
    break_it: Callable[[dict[str, str]], Any],
    says: str,
    remedy: str,
    place: dict[str, str],
) -> None:
    break_it(place)
    status, found = findings(place)
    problems = [one for one in found if (one["about"], one["state"]) == (about, "problem")]
    assert status == 1
    assert any(says in one["says"] and remedy in one["remedy"] for one in problems), found


def test_a_sound_installation_has_no_problem(place: dict[str, str]) -> None:
    shutil.rmtree(place["NASBENCH_JOBS_DIR"])
    status, found = findings(place, "--whole")
    assert status == 0
    assert {one["state"] for one in found} == {"ok", "note"}
    made_up = said(found, "database nasbench201")
    assert made_up["state"] == "note"
    assert "sound; every number is MADE UP" in made_up["says"]
    assert said(found, "keys")["says"] == "1 valid, 0 revoked"
    assert not Path(place["NASBENCH_JOBS_DIR"]).exists()


LAB = {
    "labx/__init__.py": "",
    "labx/good.py": "print('{')\nNUMBER = 1\ndef train(*told): ...\n",
    "labx/lacking.py": "import a_module_that_nobody_has\n",
    "labx/leaving.py": "import sys\nsys.exit(0)\n",
}
POINTS = {
    "good": "labx.good:train",
    "lacking": "labx.lacking:train",
    "leaving": "labx.leaving:train",
    "nowhere": "labz:train",
    "number": "labx.good:NUMBER",
    "other": "labx.good:train",
    "spelled": "labx.good more than once",
    "twice": "labx.good:train",
}


def test_trainers_are_listed_with_what_is_wrong_with_each(
    place: dict[str, str], tmp_path: Path
) -> None:
    site = install(tmp_path / "site", "lab-x", "1.2", LAB, POINTS)
    install(site, "lab-y", "1", {"laby.py": ""}, {"twice": "laby:train"})
    told = {"PYTHONPATH": str(site), "NASBENCH_TRAINERS": "good,gone"}
    # A module of the folder one is in is none of the installation.
    (tmp_path / "in").mkdir()
    (tmp_path / "in/labz.py").write_text("def train(*told): ...\n")
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "service.cli", "doctor", "--json", "--port", "0"],
        env={**os.environ, **place, **told},
        cwd=tmp_path / "in",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    trainers = [one for one in json.loads(ended.stdout) if one["about"].startswith("trainer ")]
    found = {one["about"].removeprefix("trainer "): one for one in trainers}
    code = r"lab-x 1\.2, sha256 [0-9a-f]{64}; "
    for name, state, says, remedy in (
        ("good", "ok", f"{code}offered by workers here", ""),
        ("other", "note", f"{code}not offered", "to offer it: nbs worker --trainer other"),
        ("gone", "problem", "a worker here offers it, but no package", "install its package here"),
        ("lacking", "problem", f"{code}.*a_module_that_nobody_has", "dependencies of lab-x"),
        ("leaving", "problem", f"{code}its import ends the process, with 0", "fix its code"),
        ("nowhere", "problem", "there is no module labz", "install the package"),
        ("number", "problem", f"{code}.*is no function but 1", "fix its code"),
        ("spelled", "problem", "the trainer spelled is published as", "provides it"),
        ("twice", "problem", "the trainer twice is published more than", "all but one"),
    ):
        one = found.pop(name)
        assert (one["state"], remedy in one["remedy"]) == (state, True), one
        assert re.match(says, one["says"]), one
    assert not found
    assert not list(site.rglob("__pycache__"))


def test_a_taken_port_is_told_with_another_one(place: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = nbs("doctor", "--json", "--port", str(port), **place)
    finding = said(json.loads(told.stdout), "port")
    assert (finding["state"], str(port + 1) in finding["remedy"]) == ("note", True)


def test_a_server_is_asked(place: dict[str, str], server: str) -> None:
    _, found = findings(place, "--url", server)
    assert said(found, "server") == {
        "about": "server",
        "state": "ok",
        "says": f"{server} is ready",
        "remedy": "",
    }


def test_a_server_of_another_version_and_time_is_told(place: dict[str, str]) -> None:
    document = json.dumps({"info": {"version": "0.0.9"}}).encode()
    yesterday = formatdate(time.time() - 86_400, usegmt=True)
    with lying() as old:
        old.say = lambda target: [
            answer(document if "openapi" in target else b"{}", ("Date", yesterday))
        ]
        _, found = findings(place, "--url", old.url)
    told = [one["says"] for one in found if one["about"] == "server"]
    assert told[0].endswith("is ready")
    assert told[1] == f"it is version 0.0.9, this program {version('nas-bench-service')}"
    assert re.fullmatch(r"its clock and this one are 864\d\d s apart", told[2])


def _contents(place: dict[str, str]) -> dict[str, bytes]:
    """Return the files that a backup has, by place."""
    data, jobs = Path(place["NASBENCHMARK_DIR"]), Path(place["NASBENCH_JOBS_DIR"])
    files = [*data.iterdir(), *jobs.glob("artifacts/??/*")]
    return {path.name: path.read_bytes() for path in files if path.is_file()}


def test_what_was_saved_comes_back(place: dict[str, str], tmp_path: Path) -> None:
    saved = tmp_path / "saved.tar"
    before = _contents(place)
    told = nbs("backup", saved, "--databases", **place, NASBENCH_ARTIFACTS_URL="s3://lab/x")
    assert told.returncode == 0
    assert "artifacts are in s3://lab/x: save that bucket" in told.stderr
    assert saved.stat().st_mode & 0o777 == 0o600
    # What is there is never replaced, on either side, and what is the same is not in the way.
    assert "exists already" in nbs("backup", saved, **place).stderr
    Path(place["NASBENCHMARK_DIR"], "keys.json").write_text("another")
    refused = nbs("restore", saved, **place)
    assert (refused.returncode, "would be replaced; nothing was written" in refused.stderr) == (
        1,
        True,
    )
    assert "$NASBENCH_JOBS_DIR one for jobs" in refused.stderr
    new = place | {
        "NASBENCHMARK_DIR": str(tmp_path / "new/data"),
        "NASBENCH_JOBS_DIR": str(tmp_path / "new/jobs"),
    }
    # The second time is what comes after a kill half-way: what is there already stays.
    for lost in ((), ("keys.json",)):
        for name in lost:
            Path(new["NASBENCHMARK_DIR"], name).unlink()
        assert nbs("restore", saved, **new).returncode == 0
        assert _contents(new) == before
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
    with open_jobs(JobSettings(jobs_dir=Path(new["NASBENCH_JOBS_DIR"]))) as jobs:
        assert jobs.store.counts()[JobState.QUEUED] == 1
    status, found = findings(new, "--whole")
    assert {one["about"] for one in found if one["state"] == "problem"} == {"workers"}
    assert status == 1


def _queued(jobs_dir: Path, url: str | None = None) -> int:
    with open_jobs(JobSettings(jobs_dir=jobs_dir, jobs_url=url)) as jobs:
        return jobs.store.counts()[JobState.QUEUED]


@pytest.mark.parametrize("name", ["jobs", "of lab #1", "50%41", "what?", "\udcff"])
def test_the_table_of_jobs_is_saved_and_put_back_wherever_it_is(
    place: dict[str, str], tmp_path: Path, name: str
) -> None:
    assert nbs("backup", tmp_path / "one.tar", **place).returncode == 0
    new = place | {"NASBENCHMARK_DIR": str(tmp_path / "new"), "NASBENCH_JOBS_DIR": ""}
    by_folder = new | {"NASBENCH_JOBS_DIR": str(tmp_path / "new" / name)}
    assert nbs("restore", tmp_path / "one.tar", **by_folder).returncode == 0
    assert _queued(tmp_path / "new" / name) == 1
    # Of SQLite elsewhere than in the folder, too.
    file = tmp_path / "elsewhere" / name
    url = f"sqlite://{quote(os.fsencode(file))}"
    by_url = new | {"NASBENCH_JOBS_DIR": str(tmp_path / "files"), "NASBENCH_JOBS_URL": url}
    assert nbs("restore", tmp_path / "one.tar", **by_url).returncode == 0
    assert _queued(tmp_path / "files", url) == 1
    assert nbs("backup", tmp_path / "two.tar", **by_url).returncode == 0
    with tarfile.open(tmp_path / "two.tar") as container:
        assert "jobs/jobs.db" in container.getnames()


def test_a_table_is_not_mixed_with_what_is_left_of_another(
    place: dict[str, str], tmp_path: Path
) -> None:
    saved, table = tmp_path / "saved.tar", Path(place["NASBENCH_JOBS_DIR"], "jobs.db")
    assert nbs("backup", saved, **place).returncode == 0
    with closing(sqlite3.connect(table)) as killed:
        killed.execute("UPDATE job SET state = 'failed'")
        killed.commit()
        left = {
            path: path.read_bytes() for path in table.parent.glob("jobs.db-*") if path.is_file()
        }
    table.unlink()
    for path, content in left.items():
        path.write_bytes(content)
    refused = nbs("restore", saved, **place)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "jobs.db-wal belongs to an earlier jobs.db" in refused.stderr
    assert not table.exists()
    for path in left:
        path.unlink()
    assert nbs("restore", saved, **place).returncode == 0
    assert _queued(table.parent) == 1


def test_jobs_that_are_being_written_are_saved_whole(place: dict[str, str], tmp_path: Path) -> None:
    with closing(sqlite3.connect(Path(place["NASBENCH_JOBS_DIR"], "jobs.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM job")
        assert nbs("backup", tmp_path / "saved.tar", **place).returncode == 0
        other.rollback()
    with tarfile.open(tmp_path / "saved.tar") as container:
        container.extract("jobs/jobs.db", tmp_path / "out", filter="data")
    with closing(sqlite3.connect(tmp_path / "out/jobs/jobs.db")) as copy:
        assert copy.execute("SELECT count(*) FROM job").fetchone() == (1,)


def _tar(path: Path, members: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as container:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
            container.addfile(member, io.BytesIO(content))
    return path


def _manifest(**digests: str) -> tuple[str, bytes]:
    told = {"version": "0.1.0", "created": "2026-11-30T00:00:00Z", "sha256": digests}
    return "manifest.json", orjson.dumps(told)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ([("../evil", b"x"), _manifest()], tarfile.REGTYPE),
        ([("/etc/evil", b"x"), _manifest()], tarfile.REGTYPE),
        ([("databases/../../evil.db", b"x"), _manifest()], tarfile.REGTYPE),
        ([("access/keys.json", b""), _manifest()], tarfile.SYMTYPE),
        ([("access/keys.json", b"x")], tarfile.REGTYPE),
        ([("access/keys.json", b"x"), _manifest()], tarfile.REGTYPE),
        ([_manifest(**{"../../evil": "0" * 64})], tarfile.REGTYPE),
        ([_manifest(), ("access/keys.json", b"x")], tarfile.REGTYPE),
        ([("access/keys.json", b"x")] * 2 + [_manifest()], tarfile.REGTYPE),
        ([("manifest.json", b"[]")], tarfile.REGTYPE),
        ([("manifest.json", b"{")], tarfile.REGTYPE),
    ],
)
def test_what_is_no_backup_writes_nothing(
    members: list[tuple[str, bytes]], kind: bytes, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    place = {
        "NASBENCHMARK_DIR": str(home / "data"),
        "NASBENCH_JOBS_DIR": str(home / "jobs"),
    }
    told = nbs("restore", _tar(tmp_path / "x.tar", members, kind), **place)
    assert (told.returncode, told.stderr[:5], told.stderr.count("\n")) == (1, "nbs: ", 1)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("size", [2**40, 2**62, 2**80])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_file_that_is_larger_than_its_backup_is_none(
    kind: bytes, size: int, tmp_path: Path
) -> None:
    saved = tmp_path / "x.tar"
    member = tarfile.TarInfo("access/keys.json")
    member.type, member.size = kind, size
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    if kind == tarfile.GNUTYPE_SPARSE:
        # Of no bytes, which stand for so many zeros.
        header[124:136] = tarfile.itn(0, 12, tarfile.GNU_FORMAT)
        header[386:410] = tarfile.itn(size - 1, 12, tarfile.GNU_FORMAT) + tarfile.itn(1, 12)
        header[483:495] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
    saved.write_bytes(bytes(header) + bytes(512))
    told = nbs("restore", saved, "--data", tmp_path / "new", timeout=60)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert f"{saved} is not a backup" in told.stderr


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.9])
def test_a_damaged_backup_writes_nothing(at: float, place: dict[str, str], tmp_path: Path) -> None:
    saved = tmp_path / "saved.tar"
    assert nbs("backup", saved, **place).returncode == 0
    content = bytearray(saved.read_bytes())
    # Names, sizes and contents alike; padding is not read.
    where = int(at * content.rindex(b"}"))
    content[where : where + 600] = os.urandom(600)
    saved.write_bytes(content)
    new = {
        "NASBENCHMARK_DIR": str(tmp_path / "new/data"),
        "NASBENCH_JOBS_DIR": str(tmp_path / "new/jobs"),
    }
    told = nbs("restore", saved, **new)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "new").exists()
