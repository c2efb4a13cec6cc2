"""From an NDS archive to a database: everything comes back, and what is wrong leaves no trace."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from benchmark_db.nds.benchmark import Nds
from benchmark_db.nds.specification import cell_spec
from benchmark_db.verify import verify_database
from generators.build import DatabaseBuild
from generators.nds import _accuracies, _origin, generate
from generators.raw.nds_archive import FILES
from generators.sample.nds import write_sample
from safe_pickle import ArchiveError, DamagedArchiveError, WrongFormatError

MakeJob: TypeAlias = Callable[..., dict[str, Any]]
WriteFiles: TypeAlias = Callable[..., Path]

CURVES = {"train_loss": "train_ep_loss", "train_acc": "train_ep_top1", "test_acc": "test_ep_top1"}


@pytest.fixture
def write_files(tmp_path: Path) -> WriteFiles:
    """Writes an archive of the given files alone, each a document by its name."""

    def write(**documents: Any) -> Path:
        folder = tmp_path / "nds_data"
        folder.mkdir()
        for name, document in documents.items():
            (folder / f"{name}.json").write_text(json.dumps(document))
        return folder

    return write


def converted(raw: Path, out: Path) -> Nds:
    generate(raw, out, partial=True)
    return Nds(out / "nds.db")


def jobs_of(archive: Path) -> list[dict[str, Any]]:
    """Return every job of an archive, with the file it is in."""
    jobs = []
    for name in FILES:
        document = json.loads((archive / f"{name}.json").read_text())
        listed = document if isinstance(document, list) else document["top"] + document["mid"]
        jobs += [{**job, "file": name} for job in listed]
    return jobs


def identity(job: dict[str, Any]) -> str:
    """Return a job's network, training and curves as text, alike for the job and its answer."""
    net = job["net"]
    if "genotype" in net:
        genotype = net["genotype"]
        nodes = {f"num_nodes_{cell}": len(genotype[cell]) // 2 for cell in ("normal", "reduce")}
        model = nodes | {name: value for name, value in net.items() if name != "genotype"}
        cells = cell_spec(genotype)
    else:
        model = {name: value for name, value in net.items() if value != [] and name != "block_type"}
        cells = {}
    return json.dumps([model, cells, job["optim"], job["rng_seed"]], sort_keys=True)


def recorded(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as the job that it was made of, by the published formulas."""
    curves = item["intermediates"]

    def errors(name: str) -> list[float]:
        return [round(100 - epoch[name], 6) for epoch in curves]

    losses = [epoch["train_loss"] for epoch in curves]
    return {
        "params": round(item["parameters"] * 1e6),
        "flops": round(item["flops"] * 1e6),
        "iter_time": item["iter_time"],
        "prec_time": item["prec_time"],
        "train_ep_top1": errors("train_acc"),
        "test_ep_top1": errors("test_acc"),
        "train_ep_loss": [math.nan if loss is None else loss for loss in losses],
        "min_test_top1": round(100 - item["best_test_acc"], 6),
    }


def test_every_number_of_every_job_comes_back(nds_archive: Path, nds: Nds) -> None:
    expected = defaultdict(list)
    for job in jobs_of(nds_archive):
        expected[identity(job)].append(job)
    seen = 0
    page = nds.computed_stats({}, include_intermediates=True, limit=1000)
    for item in page.items:
        config = item["config"]
        key = json.dumps(
            [
                config["model_spec"],
                config["cell_spec"],
                {
                    "base_lr": config["base_lr"],
                    "wd": config["weight_decay"],
                    "max_ep": config["num_epochs"],
                },
                item["seed"],
            ],
            sort_keys=True,
        )
        found = recorded(item)
        # As text: a loss that is no number is not even equal to itself.
        texts = [json.dumps({name: job[name] for name in found}) for job in expected[key]]
        assert json.dumps(found) in texts
        expected[key].pop(texts.index(json.dumps(found)))
        seen += 1
    assert page.next_cursor is None
    assert seen == len(jobs_of(nds_archive))
    assert not any(expected.values())


def test_the_final_and_the_best_figures_are_those_of_the_curves(nds: Nds) -> None:
    for item in nds.computed_stats({}, include_intermediates=True, limit=1000).items:
        for name, best in (("train_acc", max), ("test_acc", max), ("train_loss", min)):
            values = [epoch[name] for epoch in item["intermediates"]]
            assert item[f"final_{name}"] == values[-1]
            assert item[f"best_{name}"] == best(value for value in values if value is not None)


@given(npst.arrays("f8", 5, elements=st.floats(0, 120) | st.decimals(0, 120, places=4).map(float)))
def test_accuracies_are_decimal_where_errors_are(errors: Any) -> None:
    for error, accuracy in zip(errors.tolist(), _accuracies(errors).tolist(), strict=True):
        assert accuracy == pytest.approx(100 - error, abs=1e-12)
        if round(error, 4) == error:
            assert accuracy == round(100 - error, 4)
            assert round(100 - accuracy, 4) == error


def test_golden_runs_are_the_published_ones(nds: Nds) -> None:
    resnet = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}
    (run,) = nds.computed_stats({"model_spec": resnet, "model_family": "residual_basic"}).items
    assert run["config"]["base_lr"] == 0.1
    assert run["config"]["weight_decay"] == 5e-4
    assert (run["parameters"], run["flops"]) == (0.594138, 184.519578)
    assert (run["best_test_acc"], run["final_test_acc"]) == (93.58, 93.49)


def test_the_exact_numbers_of_parameters_and_multiply_adds_are_kept(nds: Nds) -> None:
    sql = "SELECT num_parameters, num_flops FROM computed_stats WHERE file = 'ResNet.json'"
    assert (594_138, 184_519_578) in set(nds.database.rows(sql))


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("Amoeba", ("amoeba", "random", "cifar10")),
        ("DARTS_fix-w-d", ("darts", "fix_w_d", "cifar10")),
        ("DARTS_lr-wd_in", ("darts", "tune_lr_wd", "imagenet")),
        ("ResNeXt-A_in", ("resnext-a", "random", "imagenet")),
        ("ResNet-B", ("resnet-b", "random", "cifar10")),
        ("ResNet_reruns", ("resnet", "random", "cifar10")),
        ("Vanilla_rng3", ("vanilla", "random", "cifar10")),
    ],
)
def test_the_name_of_a_file_tells_where_its_networks_come_from(
    name: str, origin: tuple[str, str, str]
) -> None:
    assert _origin(f"{name}.json") == origin


def test_a_network_that_was_trained_again_is_one_configuration(
    write_files: WriteFiles, nds_job: MakeJob, tmp_path: Path
) -> None:
    rerun = nds_job(iter_time=0.06)
    other = nds_job(rng_seed=2)
    raw = write_files(ResNet=[nds_job()], ResNet_reruns=[rerun], ResNet_rng2=[other])
    nds = converted(raw, tmp_path)
    runs = nds.computed_stats({}).items
    assert [(run["seed"], run["iter_time"]) for run in runs] == [(1, 0.059), (1, 0.06), (2, 0.059)]
    (mean,) = nds.computed_stats({}, reduction="mean").items
    assert (mean["num_runs"], mean["seed"]) == (3, None)
    assert mean["iter_time"] == pytest.approx(0.178 / 3)


def test_the_spelling_of_a_number_makes_no_other_network(
    write_files: WriteFiles, nds_job: MakeJob, tmp_path: Path
) -> None:
    other = nds_job(rng_seed=2)
    other["net"] = dict(reversed(other["net"].items())) | {"num_gs": [1.0]}
    one = nds_job()
    one["net"]["num_gs"] = [1]
    nds = converted(write_files(ResNet=[one, other]), tmp_path)
    assert nds.provenance.contents["configurations"] == 1
    assert nds.provenance.contents["runs"] == 2
    # As text: 1 and 1.0 are equal. The network answers as it was spelled first.
    specs = [json.dumps(run["config"]["model_spec"]) for run in nds.computed_stats({}).items]
    expected = {name: value for name, value in one["net"].items() if name != "block_type"}
    assert specs == [json.dumps({name: value for name, value in expected.items() if value})] * 2
    (mean,) = nds.computed_stats({}, reduction="mean").items
    assert mean["num_runs"] == 2


def test_losses_that_are_no_numbers_are_null_and_the_best_ignores_them(
    write_files: WriteFiles, nds_job: MakeJob, tmp_path: Path
) -> None:
    some, none = nds_job(), nds_job(rng_seed=2)
    some["train_ep_loss"][-2:] = [math.nan, math.inf]
    none["train_ep_loss"] = [math.nan] * 100
    nds = converted(write_files(ResNet=[some, none]), tmp_path)
    first, second = nds.computed_stats({}, include_intermediates=True).items
    assert first["final_train_loss"] is None
    assert first["best_train_loss"] == min(some["train_ep_loss"][:-2])
    assert [epoch["train_loss"] for epoch in first["intermediates"]][-3:] == [
        *(some["train_ep_loss"][-3], None, None)
    ]
    assert (second["final_train_loss"], second["best_train_loss"]) == (None, None)
    assert nds.provenance.contents["runs_with_undefined_losses"] == 2


def test_values_of_any_number_of_digits_come_back(
    write_files: WriteFiles, nds_job: MakeJob, tmp_path: Path
) -> None:
    job = nds_job()
    job["train_ep_loss"] = [1 / (epoch + 3) for epoch in range(100)]
    nds = converted(write_files(ResNet=[job]), tmp_path)
    (run,) = nds.intermediate_stats({}).items
    assert run["train_loss"] == job["train_ep_loss"]


def test_a_zip_file_gives_the_same_content_as_its_folder(
    nds_archive: Path, nds: Nds, tmp_path: Path
) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as container:
        for file in sorted(nds_archive.iterdir(), reverse=True):
            container.write(file, f"nds_data/{file.name}")
    provenance = generate(path, tmp_path)
    assert provenance.content_digest == nds.provenance.content_digest
    assert provenance.source_name == "data.zip"
    assert provenance.contents["files_ignored"] == ["nds_data/README.txt"]


def test_a_made_up_archive_says_so_and_verifies(nds_folder: Path) -> None:
    provenance = verify_database(nds_folder / "nds.db")
    assert provenance.synthetic
    assert provenance.contents["files_missing"] == []
    assert len(provenance.contents["runs_by_file"]) == 34


def test_the_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, two = (write_sample(tmp_path / name, architectures=34, seed=7) for name in "ab")
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()
    assert len(jobs_of(one)) == 34


class TestABadArchive:
    """Leaves the database that was there, and nothing else."""

    @pytest.fixture
    def refused(self, tmp_path: Path) -> Callable[..., str]:
        out = tmp_path / "out"
        out.mkdir()
        (out / "nds.db").write_text("what was there")

        def refuse(raw: Path, kind: type[Exception] = ArchiveError, **options: Any) -> str:
            with pytest.raises(kind) as caught:
                generate(raw, out, **options)
            assert [file.name for file in out.iterdir()] == ["nds.db"]
            assert (out / "nds.db").read_text() == "what was there"
            return str(caught.value)

        return refuse

    def test_without_some_files_names_them(
        self, nds_archive: Path, tmp_path: Path, refused: Callable[..., str]
    ) -> None:
        raw = Path(shutil.copytree(nds_archive, tmp_path / "raw"))
        for name in ("ENAS.json", "PNAS_in.json"):
            (raw / name).unlink()
        message = refused(raw, WrongFormatError)
        assert "lacks 2 of the 34 files of NDS: ENAS.json, PNAS_in.json" in message
        assert "--partial" in message

    def test_is_converted_without_missing_files_when_asked(
        self, nds_archive: Path, tmp_path: Path
    ) -> None:
        raw = Path(shutil.copytree(nds_archive, tmp_path / "raw"))
        (raw / "ENAS.json").unlink()
        provenance = generate(raw, tmp_path, partial=True)
        assert provenance.contents["files_missing"] == ["ENAS.json"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"net": {"block_type": "other"}}, "unknown block_type 'other'"),
            ({"test_ep_top1": [1.0]}, "hold 100, 1, 100 values"),
            ({"train_ep_top1": [math.nan] * 100}, "train_ep_top1 is nan at epoch 1"),
            ({"params": "many"}, "params is 'many'"),
        ],
    )
    def test_names_file_job_and_field(
        self,
        write_files: WriteFiles,
        nds_job: MakeJob,
        refused: Callable[..., str],
        change: dict[str, Any],
        message: str,
    ) -> None:
        jobs = {"top": [nds_job(), nds_job(rng_seed=2)], "mid": [nds_job(rng_seed=3, **change)]}
        said = refused(write_files(ResNet=jobs), DamagedArchiveError, partial=True)
        assert said.startswith("ResNet.json, mid job 0")
        assert message in said

    def test_with_a_job_twice_names_both(
        self,
        nds_job: MakeJob,
        nds_archive: Path,
        refused: Callable[..., str],
        tmp_path: Path,
    ) -> None:
        raw = Path(shutil.copytree(nds_archive, tmp_path / "raw"))
        jobs = {"top": [nds_job(), nds_job(rng_seed=2)], "mid": [nds_job()]}
        (raw / "ResNet.json").write_text(json.dumps(jobs))
        message = refused(raw, DamagedArchiveError)
        assert "ResNet.json, mid job 0 is ResNet.json, top job 0 repeated" in message
        provenance = generate(raw, tmp_path, partial=True)
        assert provenance.contents["repeated_jobs_left_out"] == {"ResNet.json": 1}
        assert provenance.contents["runs_by_file"]["ResNet.json"] == 2

    def test_with_a_specification_that_is_none(
        self, write_files: WriteFiles, nds_job: MakeJob, refused: Callable[..., str]
    ) -> None:
        job = nds_job()
        job["net"]["extra"] = {"nested": 1}
        assert "model_spec" in refused(write_files(ResNet=[job]), partial=True)

    def test_without_any_job(self, write_files: WriteFiles, refused: Callable[..., str]) -> None:
        assert "holds no job" in refused(write_files(ResNet=[]), partial=True)

    def test_that_is_cut_short(
        self, write_files: WriteFiles, nds_job: MakeJob, refused: Callable[..., str]
    ) -> None:
        raw = write_files(ResNet=[nds_job(), nds_job(rng_seed=2)])
        path = raw / "ResNet.json"
        path.write_text(path.read_text()[:-100])
        assert "ResNet.json, job 1 is truncated" in refused(raw, partial=True)

    def test_that_is_a_bomb(self, tmp_path: Path, refused: Callable[..., str]) -> None:
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as container:
            container.writestr("nds_data/ResNet.json", "[" + " " * 10_000_000 + "]")
        assert "would unpack to" in refused(path, WrongFormatError, partial=True)

    def test_that_is_interrupted(
        self, nds_archive: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(DatabaseBuild, "complete", interrupted)
        refused(nds_archive, KeyboardInterrupt)
