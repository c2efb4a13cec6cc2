"""Plans over HTTP: submitted, refused by member, fed by the server, done by a worker, published."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from planned import CAN, content, do_cells, result_of, work
from typer.testing import CliRunner
from waiting import PATIENCE, until

from bench_client import (
    BenchClient,
    InvalidRequestError,
    NotRecordedError,
    PartialDataWarning,
    Plan,
    UnknownDatasetError,
)
from benchmark_db.errors import UnusableDatabaseError
from generators.build import BuildError
from service.access.keys import KeyFile, KeyScope
from service.access.required_scopes import required_scope
from service.cli.databases import generate
from service.cli.plan import app
from service.jobs import Jobs
from service.jobs.records import Failure, Job
from service.jobs.tables import PlanRow
from service.plans.errors import PlanConflictError
from service.plans.publication import publish, read_publication

AS_JSON = {"Content-Type": "application/json"}


def complete(bench: BenchClient, name: str) -> Plan:
    """Wait for the last version of a plan; return the plan."""
    return until(
        lambda: bench.plan_named(name),
        lambda plan: bool(plan.versions) and plan.versions[-1].complete,
        what=f"a complete version of {name}",
    )


def test_a_plan_from_its_file_to_a_publication(
    jobs: Jobs, bench: BenchClient, folder: Path, tmp_path: Path, url: str
) -> None:
    file = content(name="whole", data__licence="CC0-1.0", title="A whole plan")
    checked = bench.check_plan(file)
    assert (checked.architectures, checked.estimate.cells) == (5, 20)
    assert bench.plans() == []
    plan = bench.plan(file)
    assert (plan.state, plan.digest) == ("pilot", checked.digest)
    assert bench.plan(file).digest == plan.digest
    with pytest.raises(InvalidRequestError, match="the pilot of whole is running"):
        bench.start_plan(plan)
    plan = work(jobs, bench, "whole")
    assert plan.state == "ready"
    assert plan.estimate is not None
    assert plan.estimate.timings == 5
    assert bench.start_plan(plan).state == "running"
    plan = work(jobs, bench, "whole")
    assert (plan.state, plan.counts.done, plan.fraction) == ("finished", 20, 1.0)
    cells = bench.plan_cells("whole", state="done")
    assert [cell.cell for cell in cells] == list(range(20))
    assert cells[0].provenance["dataset_sha256"] == plan.data_sha256  # type: ignore[index]  # it has one
    assert bench.plan_cells("whole", state="failed") == []
    assert len(bench.plan_cells("whole", limit=3)) == 3
    with pytest.raises(PlanConflictError, match="seal it"):
        publish(plan.model_dump(mode="json"), folder, tmp_path / "early.nbs")
    bench.seal_plan("whole")
    plan = complete(bench, "whole")
    runner = CliRunner()
    out = tmp_path / "whole.nbs"
    told = runner.invoke(
        app,
        ["publish", "whole", "--out", str(out), "--data", str(folder), "--url", url],
        catch_exceptions=False,
    )
    assert told.exit_code == 0, told.output
    generate(str(out), out=tmp_path / "elsewhere")
    with BenchClient.local(tmp_path / "elsewhere") as read:
        assert len(read.query("whole")) == 20
        mark = read.top("whole", metric="valid_acc", num_epochs=2)
        assert len(mark) == 5
    with zipfile.ZipFile(out) as archive:
        assert "A whole plan" in archive.read("README.md").decode()
        assert json.loads(archive.read("plan.json"))["plan"]["name"] == "whole"


def test_a_publication_that_was_changed_is_refused(
    jobs: Jobs, bench: BenchClient, folder: Path, tmp_path: Path
) -> None:
    bench.plan(content(name="sealed", protocol__seeds=[3], data__licence="x"), pilot=False)
    bench.start_plan("sealed")
    work(jobs, bench, "sealed")
    bench.seal_plan("sealed")
    plan = complete(bench, "sealed")
    sound = tmp_path / "sound.nbs"
    told = plan.model_dump(mode="json")
    publish(told, folder, sound)
    with pytest.raises(FileExistsError):
        publish(told, folder, sound)
    unlicensed = {**told, "plan": {**told["plan"], "data": {"name": "patterns"}}}
    with pytest.raises(PlanConflictError, match="licence of the data set"):
        publish(unlicensed, folder, tmp_path / "x.nbs")
    data = bytearray(sound.read_bytes())
    for where in (b"CC0-1.0", b"SQLite format 3"):
        changed = bytearray(data)
        changed[data.index(where)] ^= 1
        broken = tmp_path / "broken.nbs"
        broken.write_bytes(changed)
        with pytest.raises((BuildError, UnusableDatabaseError)):
            read_publication(broken, tmp_path / "out")
    other = tmp_path / "other.nbs"
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("../evil", "x")
    packed, lying = tmp_path / "packed.nbs", tmp_path / "lying.nbs"
    with (
        zipfile.ZipFile(sound) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small,
        zipfile.ZipFile(lying, "w") as target,
    ):
        for name in source.namelist():
            text = source.read(name)
            small.writestr(name, text)
            if name == "SHA256SUMS":  # a digest that would be a path
                text = re.sub(rb"[0-9a-f]{64}  sealed.db", b"/../../evil  sealed.db", text)
            target.writestr(name, text)
    for wrong in (other, packed, lying, folder / "sealed.db"):
        with pytest.raises(BuildError, match="not a publication"):
            read_publication(wrong, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
    assert read_publication(sound, tmp_path / "out").benchmark == "sealed"
    # Once more is no matter; over another table of the name nothing is written.
    assert read_publication(sound, tmp_path / "out").benchmark == "sealed"
    (tmp_path / "out" / "sealed.db").write_text("mine")
    with pytest.raises(BuildError, match="another table"):
        read_publication(sound, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sealed.db"]
    assert (tmp_path / "out" / "sealed.db").read_text() == "mine"


def test_a_plan_that_cannot_be_read_ends_no_other(jobs: Jobs, bench: BenchClient) -> None:
    for name, seed in (("broken", 70), ("sound", 71)):
        bench.plan(content(name=name, protocol__seeds=[seed]), pilot=False)
    # As after an update that no longer has its space.
    damaged = PlanRow.update(content='{"limits": {}}', digest="sha256:0", state="running")
    jobs.database.write(lambda: jobs.database.change(damaged.where(PlanRow.name == "broken")))
    bench.start_plan("sound")
    assert work(jobs, bench, "sound").state == "finished"
    bench.stop_plan("broken")


@pytest.mark.usefixtures("jobs")
def test_what_cannot_be_carried_out_is_refused_by_member(
    bench: BenchClient, url: str, folder: Path
) -> None:
    with pytest.raises(UnknownDatasetError, match="patterns"):
        bench.plan(content(name="no-data", data__name="cifar10"))
    large = {"stem_out_channels": 4096, "num_modules_per_stack": 5, "num_labels": 3}
    for changes, member in (
        ({"protocol__epochs": [1, 1]}, ["body", "protocol", "epochs"]),
        ({"space__name": "Nasbench201"}, ["body", "space", "name"]),
        ({"select": {"kind": "sample", "n": 99}}, ["body", "select", "n"]),
        ({"space__arguments": large}, ["body", "space", "arguments"]),
        ({"surprise": 1}, ["body", "surprise"]),
    ):
        found = httpx.post(
            f"{url}/v1/plans", params={"dry_run": True}, json=content(name="odd", **changes)
        )
        assert found.status_code == 422, found.text
        assert found.json()["errors"][0]["loc"] == member
    (folder / "taken.db").write_bytes(b"")
    with pytest.raises(InvalidRequestError, match="an installed table"):
        bench.plan(content(name="taken"))
    for name, action in (("none", "start"), ("none", "seal")):
        assert httpx.post(f"{url}/v1/plans/{name}/{action}").status_code == 404
    assert httpx.post(f"{url}/v1/plans/none/dance").status_code == 404
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    for odd in (deep, "\ud800", "x" * 2_000, {"\x00": 1}):
        for member in ("title", "space", "data", "protocol"):
            sent = json.dumps(content(name="odd", **{member: odd}))
            answer = httpx.post(f"{url}/v1/plans", content=sent, headers=AS_JSON)
            assert answer.status_code in {400, 422}, answer.text
    assert httpx.get(f"{url}/v1/plans/none/cells").status_code == 404


def test_commands_pause_resume_retry_extend_and_show(
    jobs: Jobs, bench: BenchClient, url: str, tmp_path: Path
) -> None:
    runner = CliRunner(env={"NASBENCH_URL": url})

    def told(*words: str) -> Any:
        found = runner.invoke(app, list(words), catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    file = tmp_path / "plan.toml"
    file.write_text(
        """
        name = "told"
        title = "Told by commands"
        licence = "CC0-1.0"
        [space]
        name = "NasBench201"
        arguments = { stem_out_channels = 2, num_modules_per_stack = 1, image_size = 8 }
        [select]
        kind = "sample"
        n = 4
        [data]
        name = "patterns"
        split = { train = 24, valid = 12 }
        [protocol]
        epochs = [1]
        seeds = [11]
        """
    )
    assert told("check", str(file), "--url", url)["cells"] == 4
    assert told("start", str(file), "--yes", "--no-pilot")["state"] == "running"
    assert told("pause", "told")["state"] == "paused"
    assert told("resume", "told")["state"] == "running"
    assert told("retry", "told")["counts"]["failed"] == 0
    done = work(jobs, bench, "told")
    assert done.state == "finished"
    assert "energy_kwh" not in told("show", "told")
    shown = told("show", "told", "--watts", "500", "--price", "0.4")
    hours = {"used": shown["worker_hours"], "estimate": shown["estimate"]["hours"]}
    assert hours["estimate"] > 0
    for name, figure in hours.items():
        assert shown["energy_kwh"][name] == pytest.approx(figure * 0.5)
        assert shown["money"][name] == pytest.approx(figure * 0.2)
    assert runner.invoke(app, ["show", "told", "--price", "1"]).exit_code == 2
    assert bench.withdraw_cell("told", 1, "a test").counts.withdrawn == 1
    assert told("extend", "told", "--name", "told-2", "--seeds", "12,13")["cells"] == 12
    assert told("stop", "told-2")["state"] == "stopped"
    assert told("show", "told")["counts"]["done"] == 3
    assert {plan["name"] for plan in told("show")} >= {"told", "told-2"}


@pytest.mark.parametrize("order", ["breadth", "depth"])
def test_a_map_counts_the_cells_of_each_round(jobs: Jobs, bench: BenchClient, order: str) -> None:
    seeds = [51, 52] if order == "breadth" else [53, 54]
    name = f"mapped-{order}"
    bench.plan(content(name=name, order=order, protocol__seeds=seeds), pilot=False)
    assert sum(map(sum, bench.plan_map(name).outstanding)) == 0
    bench.start_plan(name)
    for number in range(7):
        failure = Failure(kind="test", message="<b>no</b>") if number % 3 == 2 else None
        do_cells(jobs, 1, failure=failure)
    until(
        lambda: bench.plan_named(name).counts,
        lambda counts: counts.left == 13,
        what="seven cells settled",
    )
    cells = bench.plan_cells(name)
    archs = list(dict.fromkeys(cell.arch_str for cell in cells))
    for bins, size in ((100, 1), (3, 2), (1, 5)):
        found = bench.plan_map(name, bins=bins)
        assert (found.order, found.architectures, found.size) == (order, 5, size)
        rounds = [(each.seed, each.num_epochs) for each in found.rounds]
        assert sorted(rounds) == [(seed, epochs) for seed in seeds for epochs in (1, 2)]
        for state, counts in (("done", found.done), ("failed", found.failed)):
            expected = [[0] * -(-5 // size) for _ in rounds]
            for cell in cells:
                if cell.state == state:
                    turn = rounds.index((cell.seed, cell.num_epochs))
                    expected[turn][archs.index(cell.arch_str) // size] += 1
            assert counts == expected
        assert sum(map(sum, found.diverged)) == 0
        assert sum(map(sum, found.outstanding)) == bench.plan_named(name).counts.outstanding == 13
    with pytest.raises(InvalidRequestError):
        bench.plan_map("none")
    with pytest.raises(InvalidRequestError, match="bins"):
        bench.plan_map(name, bins=0)
    bench.stop_plan(name)


def test_a_plan_needs_a_key_of_its_scope(tmp_path: Path) -> None:
    for path in ("/v1/plans", "/v1/plans/digits/start"):
        assert required_scope("POST", path) == KeyScope.PLANS
        assert required_scope("GET", path) == KeyScope.READ
    assert not KeyScope.JOBS.allows(KeyScope.PLANS)
    assert KeyFile(tmp_path / "keys.json").create("lab", KeyScope.PLANS)


def test_a_partial_table_is_warned_of_once(
    jobs: Jobs, bench: BenchClient, folder: Path, tmp_path: Path
) -> None:
    bench.plan(content(name="growing", protocol__seeds=[21, 22]), pilot=False)
    bench.start_plan("growing")
    do_cells(jobs, 1)
    bench.wait_plan("growing", fraction=0.05, timeout=PATIENCE)
    bench.pause_plan("growing")
    bench.version_plan("growing")
    until(lambda: bench.plan_named("growing").versions, what="a version of growing")
    shutil.copy(folder / "growing.db", tmp_path)
    with BenchClient.local(tmp_path) as local:
        with pytest.warns(PartialDataWarning, match="1 of 20 cells"):
            local.query("growing")
        # Another warning would be an error.
        assert len(local.top("growing", metric="valid_acc", num_epochs=1)) == 1


def done_meanwhile(jobs: Jobs, asked: Future[Any]) -> list[Job]:
    """Do what a plan asks for until a question has its answer; return the jobs."""
    done: list[Job] = []

    def answered() -> bool:
        while (lease := jobs.leases.acquire("w", CAN)) is not None:
            jobs.leases.succeed(lease, result_of(lease.job.spec), [])
            done.append(lease.job)
        return asked.done()

    until(answered, what="the answer about a cell that is measured first")
    return done


def test_what_somebody_waits_for_is_measured_first(
    jobs: Jobs, bench: BenchClient, folder: Path, tmp_path: Path
) -> None:
    bench.plan(content(name="urgent", protocol__seeds=[31, 32], limits={"running": 2}), pilot=False)
    bench.start_plan("urgent")
    arch = bench.plan_cells("urgent")[4].arch_str
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: bench.measure_cells("urgent", arch, 2, timeout=PATIENCE))
        seen = [(job.priority, job.spec["epochs"]) for job in done_meanwhile(jobs, asked)]
        cells = asked.result()
    assert [(cell.state, cell.num_epochs, cell.arch_str) for cell in cells] == [
        ("done", 2, arch)
    ] * 2
    assert seen.count((10, 2)) == 2
    shutil.copy(folder / "urgent.db", tmp_path)
    with BenchClient.local(tmp_path) as local, pytest.warns(PartialDataWarning):
        assert len(local.query("urgent", arch, 2)) == 2
    for wrong in (("x|y", 2), (arch, 7)):
        with pytest.raises(InvalidRequestError):
            bench.measure_cells("urgent", *wrong)
    bench.stop_plan("urgent")


def test_a_clock_has_measured_what_is_missing(jobs: Jobs, bench: BenchClient, folder: Path) -> None:
    bench.plan(content(name="clock", protocol__seeds=[41], limits={"running": 1}), pilot=False)
    bench.start_plan("clock")
    archs = [cell.arch_str for cell in bench.plan_cells("clock")]
    do_cells(jobs, 1)
    bench.wait_plan("clock", fraction=0.05, timeout=PATIENCE)
    bench.version_plan("clock")
    until(
        lambda: {one.name for one in bench.benchmarks()},
        lambda names: "clock" in names,
        what="the table clock served",
    )
    assert (folder / "clock.db").exists()

    def evaluate(**options: Any) -> Any:
        clock = bench.simulate("clock", num_epochs=2, budget=100.0, **options)
        return clock.evaluate(archs[3]), clock.time

    with pytest.warns(PartialDataWarning), pytest.raises(NotRecordedError):
        evaluate()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: evaluate(on_missing="train"))
        done_meanwhile(jobs, asked)
        evaluation, charged = asked.result()
    assert 0 < charged == evaluation.cost
    with pytest.raises(InvalidRequestError, match="on_missing"):
        evaluate(on_missing="guess")
    bench.stop_plan("clock")
