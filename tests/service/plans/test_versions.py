"""Versions: databases of plans, made of the ledger."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from planned import result_of

from bench_client import BenchClient, BenchmarkNotInstalledError, NotRecordedError
from benchmark_db.catalog import Catalog
from benchmark_db.tabular.benchmark import Tabular
from benchmark_db.verify import verify_database
from service.jobs.records import JobState
from service.jobs.tables import PlanRow
from service.plans import versions
from service.plans.errors import PlanConflictError, UnknownPlanError, VersionError
from service.plans.versions import VersionMaker

# Told once a process, in whichever of these tests comes first.
pytestmark = pytest.mark.filterwarnings("ignore::bench_client.errors.PartialDataWarning")


@pytest.fixture
def jobs_url() -> None:
    """SQLite: what is asked of the database is tried with both elsewhere."""


@pytest.fixture
def maker(lab: Any, tmp_path: Path) -> VersionMaker:
    return VersionMaker(lab.jobs, lab.plans, tmp_path)


def test_a_growing_table_is_replaced_version_by_version(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started()
    assert maker.due() == []
    lab.feed(name)
    lab.work(7)
    lab.feed(name)
    assert maker.due() == [name]
    first = maker.make(name)
    assert first is not None
    assert (first["version"], first["there"], first["expected"]) == (1, 7, 20)
    assert maker.due() == []  # not before a quarter of an hour
    before = Tabular(tmp_path / "tiny.db")
    lab.until_finished(name)
    lab.plans.act(name, "seal")
    assert maker.due() == [name]
    last = maker.make(name)
    assert last is not None
    assert (last["version"], last["there"], last["complete"]) == (2, 20, True)
    assert maker.due() == []
    assert before.provenance.contents["cells"]["there"] == 7
    assert before.provenance.contents["complete"] is False
    before.close()
    assert (tmp_path / "tiny@2.db").samefile(tmp_path / "tiny.db")
    after = Tabular(tmp_path / "tiny.db")
    assert verify_database(tmp_path / "tiny.db") is not None
    record = lab.record(name)
    opened = lab.plans.open(record)
    for cell in opened.cells:
        found = result_of(opened.job(cell).spec)
        filters = {
            "arch": opened.selection.name(cell.position),
            "num_epochs": cell.epochs,
            "seed": cell.seed,
        }
        (item,) = after.computed_stats(filters).items
        assert item["valid_acc"] == found["metrics"]["accuracy"]
        assert item["training_time"] == found["seconds"]
        assert item["flops"] == found["macs"] / 1e6
        assert item["diverged_at"] is None
    after.close()
    catalog = Catalog(tmp_path)
    assert list(catalog.installed) == ["tiny"]
    assert catalog.unusable == {}
    catalog.close()
    with BenchClient.local(tmp_path) as bench:
        assert len(bench.query("tiny", opened.selection.name(0), 2)) == 2
        assert len(bench.top("tiny", metric="valid_acc", num_epochs=2, n=3)) == 3


def test_what_diverged_is_served_and_in_no_ranking(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started(protocol__seeds=[0], protocol__epochs=[1])
    lab.feed(name)
    lab.fail(lab.lease(), "diverged", epoch=1)
    lab.until_finished(name)
    version = maker.make(name)
    assert version is not None
    assert (version["there"], version["diverged"]) == (5, 1)
    with BenchClient.local(tmp_path) as bench:
        runs = bench.query("tiny")
        assert [run.diverged_at for run in runs].count(2.0) == 1
        ranked = bench.top("tiny", metric="valid_acc", n=10)
        assert len(ranked) == 4


def test_a_time_taken_beside_others_is_none_of_the_table(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started(protocol__seeds=[0, 1], protocol__epochs=[1])
    lab.feed(name)
    assert lab.work(6, shared=4) == 6  # the first seed of all five, both of one
    lab.until_finished(name)
    maker.make(name)
    with BenchClient.local(tmp_path) as bench:
        runs = bench.query("tiny")
        told = bench.benchmark("tiny").provenance.contents["warnings"]
        clock = bench.simulate("tiny", num_epochs=1, budget=100)
        timed = next(run for run in runs if run.training_time is not None)
        (mean,) = bench.query("tiny", timed.config.index, reduction="mean")
        assert clock.evaluate(timed.config.index).cost == timed.training_time
        untimed = {run.config.index for run in runs}
        untimed -= {run.config.index for run in runs if run.training_time is not None}
        for arch in untimed:
            with pytest.raises(NotRecordedError):
                clock.evaluate(arch)
    assert len(untimed) == 1
    assert {run.seed for run in runs if run.training_time is not None} == {1}
    assert None not in {run.valid_acc for run in runs}
    assert mean.training_time == timed.training_time
    assert told == ["6 trainings shared a device; their times are left out"]


def test_a_question_demands_so_many_seeds(lab: Any, maker: VersionMaker, tmp_path: Path) -> None:
    name = lab.started(protocol__seeds=[0, 1], protocol__epochs=[1])
    lab.feed(name)
    lab.fail(lab.lease(), "diverged", epoch=1)
    lab.work(6)  # one architecture has two of them, one two of which a run diverged
    maker.make(name)
    with BenchClient.local(tmp_path) as bench:
        seeds = [run.seeds for run in bench.query("tiny")]
        ranked = bench.top("tiny", metric="valid_acc", n=10)
        sure = bench.top("tiny", metric="valid_acc", n=10, min_seeds=2)
    assert sorted(seeds) == [1] * 5 + [2] * 2
    assert (len(ranked), len(sure)) == (5, 1)


def test_those_that_compute_the_same_are_answered_and_marked(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started(select={"kind": "all", "unique": True}, protocol__seeds=[0])
    record = lab.until_finished(name)
    maker.make(name)
    selection = lab.plans.open(record).selection
    with BenchClient.local(tmp_path) as bench:
        for place in range(len(selection)):
            (run,) = bench.query("tiny", selection.name(place), 1)
            first = selection.stands_for[place]
            (trained,) = bench.query("tiny", selection.name(first), 1)
            assert run.valid_acc == trained.valid_acc
            assert run.trained_as == (None if place == first else selection.numbers[first])


def test_tables_of_spaces_without_numbers_are_listed(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    arguments = {"num_labels": 3}
    name = lab.started(
        space={"name": "NasBench101", "arguments": arguments}, select={"kind": "sample", "n": 3}
    )
    lab.feed(name)
    lab.work(2)
    lab.feed(name)
    maker.make(name)
    assert verify_database(tmp_path / "tiny.db") is not None
    selection = lab.plans.open(lab.record(name)).selection
    with BenchClient.local(tmp_path) as bench:
        counts = [len(bench.query("tiny", selection.name(place))) for place in range(3)]
    assert sorted(counts) == [0, 1, 1]


def test_the_last_three_versions_are_kept_and_the_sealed_one(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started()
    lab.feed(name)
    for _ in range(5):
        lab.work(1)
        lab.feed(name)
        lab.plans.act(name, "version")
        assert maker.due() == [name]
        maker.make(name)
    kept = sorted(path.name for path in tmp_path.glob("tiny@*.db"))
    assert kept == ["tiny@3.db", "tiny@4.db", "tiny@5.db"]
    assert [one["version"] for one in lab.record(name).versions] == [3, 4, 5]


def test_a_version_that_is_asked_for_while_another_is_made_is_made_after_it(
    lab: Any, tmp_path: Path
) -> None:
    name = lab.started()
    lab.feed(name)
    lab.work(1)
    lab.feed(name)

    class Asked(VersionMaker):
        """Is asked for a version while it makes one."""

        def _build(self, *about: Any) -> Any:
            made = super()._build(*about)
            lab.plans.act(name, "version")
            return made

    maker = VersionMaker(lab.jobs, lab.plans, tmp_path)
    Asked(lab.jobs, lab.plans, tmp_path).make(name)
    assert maker.due() == [name]
    Asked(lab.jobs, lab.plans, tmp_path).make(name)
    assert maker.due() == []  # one that was asked for twice is one


def test_a_version_that_somebody_wants_to_keep_stays_and_is_answered_from(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started()
    lab.feed(name)

    def another() -> None:
        lab.work(1)
        lab.feed(name)
        maker.make(name)

    for _ in range(3):
        another()
    with pytest.raises(UnknownPlanError, match="version 4 of tiny is not kept; kept are: 1, 2, 3"):
        lab.plans.keep(name, 4)
    lab.plans.keep(name, 1)
    with BenchClient.local(tmp_path) as bench:
        assert len(bench.query("tiny")) == 3
        for _ in range(3):
            another()
        # What was opened is served on, whatever became of its file.
        assert [len(bench.query(f"tiny@{number}")) for number in (1, 2, 3)] == [1, 2, 3]
    assert [one["version"] for one in lab.record(name).versions] == [1, 4, 5, 6]
    with BenchClient.local(tmp_path) as bench:
        assert [len(bench.query(f"tiny@{number}")) for number in (1, 4, 6)] == [1, 4, 6]
        assert len(bench.top("tiny@1", metric="valid_acc", num_epochs=1)) == 1
        assert bench.benchmark("tiny@1").provenance.contents["cells"]["there"] == 1
        bench.export("tiny@4", tmp_path / "four.csv")
        assert len((tmp_path / "four.csv").read_text().splitlines()) == 5
        for wrong in ("tiny@2", "tiny@07", "tiny@", "tiny@1@1", "@1", "tiny@../tiny@1"):
            with pytest.raises(BenchmarkNotInstalledError) as refused:
                bench.query(wrong)
            # Tables are named, and of a table its versions, never all versions of all tables.
            assert "tiny@1, " not in str(refused.value)
            if wrong == "tiny@2":
                assert "version 2 of 'tiny' is not kept; kept are: 1, 4, 5, 6" in str(refused.value)
        assert [one.name for one in bench.benchmarks()] == ["tiny"]
    lab.plans.keep(name, 1, kept=False)
    another()
    assert [one["version"] for one in lab.record(name).versions] == [5, 6, 7]
    # Neither what says another number nor what another plan made is a version of this table.
    (tmp_path / "tiny@9.db").write_bytes((tmp_path / "tiny@5.db").read_bytes())
    lab.started(name="other", protocol__seeds=[9])
    lab.until_finished("other")
    maker.make("other")
    (tmp_path / "other@1.db").rename(tmp_path / "tiny@1.db")
    catalog = Catalog(tmp_path)
    assert list(catalog.versions("tiny")) == [5, 6, 7]
    assert catalog.versions("nasbench201") == {}
    assert set(catalog.unusable) == {"tiny@1", "tiny@9"}
    assert list(catalog.installed) == ["other", "tiny"]
    view = catalog.at_version("tiny", 5)
    with view.held():
        assert catalog.in_use
    assert not view.in_use
    catalog.close()


def test_what_cannot_be_made_leaves_everything_as_it_was(
    lab: Any, maker: VersionMaker, tmp_path: Path
) -> None:
    name = lab.started()
    lab.feed(name)
    with pytest.raises(PlanConflictError, match="tiny has no results"):
        maker.make(name)
    lab.work(3)
    lab.feed(name)
    (tmp_path / "tiny.db").write_text("mine")
    with pytest.raises(PlanConflictError, match="does not belong"):
        maker.make(name)
    assert (tmp_path / "tiny.db").read_text() == "mine"
    nowhere = VersionMaker(lab.jobs, lab.plans, tmp_path / "jobs" / "jobs.db")
    with pytest.raises(VersionError, match="cannot be made"):
        nowhere.make(name)
    assert lab.record(name).versions == []
    assert lab.jobs.store.counts()[JobState.SUCCEEDED] == 3
    (tmp_path / "tiny.db").unlink()
    assert maker.make(name) is None  # a disk that is full is not filled again each second
    _put_back(lab, "built_until", 3600)
    assert maker.make(name) is not None


def test_a_kill_between_a_version_and_its_note_is_made_up_for(
    lab: Any, maker: VersionMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lab.started()
    lab.feed(name)
    lab.work(3)
    lab.feed(name)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for owner, step in ((versions, "_kept"), (VersionMaker, "_publish")):  # after and before
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, killed)
            with pytest.raises(KeyboardInterrupt):
                maker.make(name)
        assert lab.record(name).versions == []
        assert (tmp_path / "tiny.db").exists()
    version = maker.make(name)
    assert version is not None
    # Readers may know the first, so its number is given to nothing else; they are gone by now.
    assert (version["version"], version["there"]) == (3, 3)
    assert [path.name for path in tmp_path.glob("tiny@*.db")] == ["tiny@3.db"]
    assert (tmp_path / "tiny@3.db").samefile(tmp_path / "tiny.db")


def _put_back(lab: Any, column: str, seconds: float) -> None:
    """Let a lease end as far in the future as if the clock had been put back."""
    query = PlanRow.update({column: time.time() + seconds})
    lab.jobs.database.write(lambda: lab.jobs.database.change(query))


def test_a_clock_that_is_put_back_stops_neither_feeder_nor_versions(
    lab: Any, maker: VersionMaker
) -> None:
    name = lab.started()
    _put_back(lab, "fed_until", 3600)
    lab.feed(name)
    lab.work(3)
    lab.feed(name)
    assert lab.record(name).settled == 3
    maker.make(name)
    lab.until_finished(name)
    assert maker.due() == []
    later = [{**one, "at": one["at"] + 3600} for one in lab.record(name).versions]
    lab.plans.change(name, lambda _: {"versions": json.dumps(later)})
    assert maker.due() == [name]


def test_one_version_is_made_at_a_time(
    lab: Any, maker: VersionMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = lab.started()
    lab.feed(name)
    lab.work(3)
    lab.feed(name)
    made: list[Any] = []
    build = VersionMaker._build

    def meanwhile(self: VersionMaker, *arguments: Any) -> Any:
        made.append(maker.make(name))
        return build(self, *arguments)

    monkeypatch.setattr(VersionMaker, "_build", meanwhile)
    assert maker.make(name) is not None
    assert made == [None]
